"""Every text and list of a request says in its comment how much it holds, and says what is enforced."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from grpc_tools import protoc

from nextlabel.server.api.boundary.services import SERVICES
from nextlabel.server.api.boundary.sizes import bound
from nextlabel.server.values.limits import Limits

ROOT = Path(__file__).parents[2] / "proto"
LIMITS = Limits()


def _reachable(message: Descriptor, seen: dict[str, Descriptor]) -> None:
    if message.full_name in seen or message.full_name.startswith("google."):
        return
    seen[message.full_name] = message
    for field in message.fields:
        if field.message_type is not None:
            _reachable(field.message_type, seen)


def bounded_fields() -> Iterator[FieldDescriptor]:
    """The fields of requests that hold texts, lists or free parameters."""
    seen: dict[str, Descriptor] = {}
    for service in SERVICES:
        for method in descriptor_pool.Default().FindServiceByName(service).methods:
            _reachable(method.input_type, seen)
    for message in seen.values():
        for field in message.fields:
            allowed = bound(field, LIMITS)
            if allowed.bytes is not None or allowed.entries is not None:
                yield field


@pytest.fixture(scope="module")
def comments(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The comment of each field of the API by its full name."""
    compiled = tmp_path_factory.mktemp("proto") / "all.binpb"
    sources = [path.relative_to(ROOT).as_posix() for path in ROOT.rglob("*.proto")]
    given = [f"-I{ROOT}", f"-I{files('grpc_tools') / '_proto'}", "--include_source_info"]
    assert protoc.main(["protoc", *given, f"--descriptor_set_out={compiled}", *sources]) == 0
    found = {}
    for file in descriptor_pb2.FileDescriptorSet.FromString(compiled.read_bytes()).file:
        for location in file.source_code_info.location:
            # 4 is the list of messages of a file, 2 the list of fields of a message.
            if len(location.path) == 4 and (location.path[0], location.path[2]) == (4, 2):
                message = file.message_type[location.path[1]]
                name = f"{file.package}.{message.name}.{message.field[location.path[3]].name}"
                found[name] = " ".join(location.leading_comments.split())
    return found


@pytest.mark.parametrize(
    "field", list(bounded_fields()), ids=lambda field: field.full_name.removeprefix("nextlabel.v1.")
)
def test_a_field_says_its_limits(field: FieldDescriptor, comments: dict[str, str]) -> None:
    allowed = bound(field, LIMITS)
    comment = comments[field.full_name]
    for limit, said in ((allowed.bytes, r"to ([\d,]+) bytes"), (allowed.entries, r"[Aa]t most ([\d,]+)")):
        if limit is not None:
            assert [int(number.replace(",", "")) for number in re.findall(said, comment)][:1] == [limit]


def test_many_fields_are_looked_at() -> None:
    assert len(list(bounded_fields())) > 150
