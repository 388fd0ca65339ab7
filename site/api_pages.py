"""Pages about the gRPC API, made of the .proto files and their comments: one a file, and an index of all calls."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files as resources
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2 as pb
from grpc_tools import protoc
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

PROTO = Path(__file__).resolve().parents[1] / "proto"
Place = tuple[int, ...]
# Numbers of the fields of FileDescriptorProto and its parts, of which the places of comments are made.
_PACKAGE, _MESSAGE, _ENUM, _SERVICE = 2, 4, 5, 6
_METHOD, _FIELD, _VALUE, _NESTED, _NESTED_ENUM = 2, 2, 2, 3, 4
_SCALARS = {number: name.removeprefix("TYPE_").lower() for name, number in pb.FieldDescriptorProto.Type.items()}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages, and list them behind the index of calls."""
    described = [f for f in _compiled().file if f.package.startswith("nextlabel")]
    listed = [{_title(f): f"api/{_page_of(f)}"} for f in described]
    _behind_index(config.nav, listed)
    homes = {full: _page_of(f) for f in described for full in _types_of(f)}
    for one in described:
        files.append(File.generated(config, f"api/{_page_of(one)}", content=ApiPage(one, homes).text()))
    files.append(File.generated(config, "api/index.md", content=_index(described)))
    return files


@dataclass(frozen=True, slots=True)
class ApiPage:
    """The page of one .proto file; ``homes`` is the page of every type by its full name."""

    file: pb.FileDescriptorProto
    homes: Mapping[str, str]

    def text(self) -> str:
        """Return the page as Markdown."""
        parts = [f"# {_title(self.file)}", self.comment((_PACKAGE,))]
        for number, service in enumerate(self.file.service):
            parts += self._service(service, (_SERVICE, number))
        for number, message in enumerate(self.file.message_type):
            parts += self._message(message, (_MESSAGE, number), "")
        for number, enum in enumerate(self.file.enum_type):
            parts += self._enum(enum, (_ENUM, number), "")
        return "\n\n".join(part for part in parts if part) + "\n"

    def _service(self, service: pb.ServiceDescriptorProto, place: Place) -> Iterator[str]:
        yield f"## {service.name}"
        yield self.comment(place)
        for number, method in enumerate(service.method):
            asked, given = self._link(method.input_type), self._link(method.output_type)
            asked = f"a stream of {asked}" if method.client_streaming else asked
            given = f"a stream of {given}" if method.server_streaming else given
            yield f"### {method.name} {{ #{service.name}.{method.name} }}"
            yield self.comment((*place, _METHOD, number))
            yield f"Takes {asked}, returns {given}."

    def _message(self, message: pb.DescriptorProto, place: Place, within: str) -> Iterator[str]:
        name = f"{within}{message.name}"
        if message.options.map_entry:
            return
        yield f"## {name} {{ #{name} }}"
        yield self.comment(place)
        rows = [
            (f"`{field.name}`", self._kind(field, message), self.comment((*place, _FIELD, number)))
            for number, field in enumerate(message.field)
        ]
        if rows:
            yield _table(("field", "type", "what it is"), rows)
        for number, nested in enumerate(message.nested_type):
            yield from self._message(nested, (*place, _NESTED, number), f"{name}.")
        for number, enum in enumerate(message.enum_type):
            yield from self._enum(enum, (*place, _NESTED_ENUM, number), f"{name}.")

    def _enum(self, enum: pb.EnumDescriptorProto, place: Place, within: str) -> Iterator[str]:
        name = f"{within}{enum.name}"
        yield f"## {name} {{ #{name} }}"
        yield self.comment(place)
        rows = [
            (f"`{value.name}`", str(value.number), self.comment((*place, _VALUE, number)))
            for number, value in enumerate(enum.value)
        ]
        yield _table(("value", "number", "what it means"), rows)

    def _kind(self, field: pb.FieldDescriptorProto, message: pb.DescriptorProto) -> str:
        entry = next((n for n in message.nested_type if n.options.map_entry and field.type_name.endswith(n.name)), None)
        if entry is not None:
            return f"map of {self._kind(entry.field[0], entry)} to {self._kind(entry.field[1], entry)}"
        kind = self._link(field.type_name) if field.type_name else f"`{_SCALARS[field.type]}`"
        if field.label == pb.FieldDescriptorProto.LABEL_REPEATED:
            return f"list of {kind}"
        return f"optional {kind}" if field.proto3_optional else kind

    def _link(self, full: str) -> str:
        name = full.removeprefix(".")
        short = name.removeprefix(f"{self.file.package}.")
        return f"[`{short}`]({self.homes[name]}#{short})" if name in self.homes else f"`{name}`"

    def comment(self, place: Place) -> str:
        """Return what stands above the part of the file at a place, '' where nothing does."""
        return _comment_at(self.file, place)


def _compiled() -> pb.FileDescriptorSet:
    """Return all .proto files with their comments."""
    sources = sorted(path.relative_to(PROTO).as_posix() for path in PROTO.rglob("*.proto"))
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "api.binpb"
        words = [f"-I{PROTO}", f"-I{resources('grpc_tools') / '_proto'}", f"--descriptor_set_out={out}"]
        if protoc.main(["protoc", *words, "--include_source_info", "--include_imports", *sources]):
            raise RuntimeError("the .proto files cannot be compiled")
        return pb.FileDescriptorSet.FromString(out.read_bytes())


def _behind_index(nav: Any, pages: Sequence[Mapping[str, str]]) -> bool:
    """Add pages to the part of the navigation that the index of calls stands in."""
    if not isinstance(nav, list):
        return False
    if any("api/index.md" in entry.values() for entry in nav if isinstance(entry, dict)):
        nav.extend(pages)
        return True
    return any(_behind_index(part, pages) for entry in nav if isinstance(entry, dict) for part in entry.values())


def _types_of(file: pb.FileDescriptorProto) -> Iterator[str]:
    def nested(message: pb.DescriptorProto, within: str) -> Iterator[str]:
        name = f"{within}.{message.name}"
        yield name
        yield from (f"{name}.{enum.name}" for enum in message.enum_type)
        for inner in message.nested_type:
            yield from nested(inner, name)

    for message in file.message_type:
        yield from nested(message, file.package)
    yield from (f"{file.package}.{enum.name}" for enum in file.enum_type)


def _index(described: Sequence[pb.FileDescriptorProto]) -> str:
    parts = [
        "# The gRPC API",
        "Package `nextlabel.v1`. Every call of a client goes through these services; server reflection shows them too.",
    ]
    for file in described:
        page = ApiPage(file, {})
        for number, service in enumerate(file.service):
            rows = [
                (
                    f"[{method.name}]({_page_of(file)}#{service.name}.{method.name})",
                    page.comment((_SERVICE, number, _METHOD, n)),
                )
                for n, method in enumerate(service.method)
            ]
            parts += [f"## {service.name}", page.comment((_SERVICE, number)), _table(("call", "what it does"), rows)]
    others = [f"[{_title(file)}]({_page_of(file)})" for file in described if not file.service]
    parts.append(f"Messages that several services share: {', '.join(others)}.")
    return "\n\n".join(parts) + "\n"


def _page_of(file: pb.FileDescriptorProto) -> str:
    return f"{Path(file.name).stem}.md"


def _title(file: pb.FileDescriptorProto) -> str:
    return file.service[0].name if file.service else Path(file.name).stem.replace("_", " ").capitalize()


def _comment_at(file: pb.FileDescriptorProto, place: Place) -> str:
    found = (at.leading_comments for at in file.source_code_info.location if tuple(at.path) == place)
    return _prose(next(found, ""))


def _prose(comment: str) -> str:
    """Return a comment as one line; names in capitals and with underscores are code."""
    words = " ".join(line.strip() for line in comment.strip().splitlines())
    words = words.replace("|", "\\|").replace("<", "&lt;")
    return re.sub(r"(?<![`\w])([A-Z]{3,}(?:_[A-Z]+)*|[a-z]+(?:_[a-z]+)+)(?![`\w])", r"`\1`", words)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
