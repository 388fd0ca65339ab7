"""Making a project and putting a file of texts into it."""

from __future__ import annotations

import asyncio
import shutil
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO

from starlette.datastructures import FormData, UploadFile
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from nextlabel.client.errors import NextlabelError
from nextlabel.client.items import Columns
from nextlabel.client.messages.label_classes import classes_of
from nextlabel.client.readers.errors import FileError
from nextlabel.client.readers.file import ItemFile
from nextlabel.client.services.pool import Pool
from nextlabel.client.tables import UnknownColumnError
from nextlabel.client.transport.calls import OfServer
from nextlabel.client.transport.connection import Connection, Target
from nextlabel.client.transport.modes import Awaiting
from nextlabel.client.upload import AddResult, rejections
from nextlabel.server.values.errors import InvalidArgument
from nextlabel.server.values.ids import new_id
from nextlabel.server.web.boundary.rendering import page
from nextlabel.server.web.boundary.sessions import visitor
from nextlabel.v1 import annotation_pb2, pool_service_pb2
from nextlabel.v1 import project_service_pb2 as pb

MAX_FILE_BYTES = 64 * 2**20
"""Bytes of a file that a browser may send; larger ones are streamed by the command line."""

_UNPACKED_BYTES = 8 * MAX_FILE_BYTES
_ENDINGS = (".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".xlsx")
_GZIP = b"\x1f\x8b"
_ZIP = b"PK\x03\x04"
_SHOWN = 50
_ONE, _PATHS = "one", "paths"
_KINDS = {
    _ONE: annotation_pb2.ANNOTATION_TYPE_SINGLE_LABEL,
    "several": annotation_pb2.ANNOTATION_TYPE_MULTI_LABEL,
    _PATHS: annotation_pb2.ANNOTATION_TYPE_MULTI_LABEL,
}
"""What the form offers; all else is for the command line."""
_WRONG = frozenset({"INVALID_ARGUMENT", "ALREADY_EXISTS"})
_BUSY = (
    "The server did not answer in time: it may be busy, or loading the model that embeds texts. "
    "What you wrote is kept; create it again in a moment."
)
_LATER = frozenset({"UNAVAILABLE", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED"})


@dataclass(frozen=True, slots=True)
class Added:
    """What became of a file: items and labels that went in, lines and items that did not, and what was found."""

    accepted: int
    duplicates: int
    labels: int
    problem_count: int
    problems: list[str]
    notes: list[str]


async def new_project(request: Request) -> Response:
    """Ask what a project is to be; who may not come in is asked for a token first."""
    who = visitor(request)
    await who.call(who.backend.projects.ListProjects, pb.ListProjectsRequest(page_size=1))
    return page(request, "new.html", filled={})


async def create_project(request: Request) -> Response:
    """Create a project, and go on to its file."""
    who = visitor(request)
    filled = await request.form()
    name = _text(filled, "name")
    kind = _text(filled, "kind") or _ONE
    if kind not in _KINDS:
        raise InvalidArgument.field("kind", f"one of {', '.join(_KINDS)}, got {kind!r}")
    try:
        classes = classes_of(_text(filled, "classes"))
    except ValueError as error:
        return page(request, "new.html", status=400, filled=filled, problem=f"classes: {error}")
    label_space = pb.LabelSpace(classes=classes, paths=kind == _PATHS)
    project = pb.Project(name=name, annotation_type=_KINDS[kind], label_space=label_space)
    asked = pb.CreateProjectRequest(
        request_id=_text(filled, "request_id") or new_id(), project=project, guidelines=_text(filled, "guidelines")
    )
    try:
        await who.call(who.backend.projects.CreateProject, asked)
    except NextlabelError as error:
        if error.code.name not in _WRONG | _LATER:
            raise
        if error.code.name in _LATER:
            return page(request, "new.html", status=503, filled=filled, problem=_BUSY, again=True)
        return page(request, "new.html", status=400, filled=filled, problem=error.message)
    return RedirectResponse(f"/projects/{name}/add", 303)


async def file_form(request: Request) -> Response:
    """Ask for a file of texts."""
    return await _show_form(request)


async def add_file(request: Request) -> Response:
    """Put the texts of a file into the pool, and say what did not go in."""
    who, name = visitor(request), request.path_params["project"]
    # Nobody's file is read who may not add it.
    header = pool_service_pb2.AddItemsHeader(project=name, upload_id=new_id())
    first = iter([pool_service_pb2.AddItemsRequest(header=header)])
    async for _ in who.stream(who.backend.pool.AddItems, first):
        break
    connection = Connection(Target(who.backend.server, token=who.token or None), channel=who.backend.channel)
    async with request.form(max_files=1) as filled:
        try:
            added = await _from_form(Pool(connection, Awaiting()), name, filled)
        except InvalidArgument as error:
            return await _show_form(request, filled=filled, problem=str(error))
        return await _show_form(request, filled=filled, added=added)


async def _from_form(pool: Pool[Awaiting, OfServer], project: str, filled: FormData) -> Added:
    given = filled.get("file")
    if not isinstance(given, UploadFile) or not given.filename:
        raise InvalidArgument.field("file", "choose a file")
    ending = Path(given.filename).suffix.lower()
    if ending not in _ENDINGS:
        raise InvalidArgument.field("file", f"its name must end in one of {', '.join(_ENDINGS)}; got {ending[:20]!r}")
    with TemporaryDirectory(prefix="nextlabel-") as folder:
        path = Path(folder) / f"file{ending}"
        await asyncio.to_thread(_stored, given.file, path)
        return await _added(pool, project, path, filled)


async def _added(pool: Pool[Awaiting, OfServer], project: str, path: Path, filled: FormData) -> Added:
    label = _text(filled, "label")
    columns = Columns(
        text=_text(filled, "text") or "text",
        id=_text(filled, "id") or "id",
        label=label or "label",
        required=frozenset({"text"} | ({"label"} if label else set()) | ({"id"} if _text(filled, "id") else set())),
    )
    try:
        items = await asyncio.to_thread(_opened, path, columns)
        if not label:
            result = await pool.add(project, items)
            return _told(items, [result], 0, [])
        found = await pool.add_labeled(project, items, holdout=_share(filled), columns=columns)
    except (FileError, UnknownColumnError) as error:
        raise InvalidArgument.field("file", str(error).replace(str(path), "the file")) from error
    return _told(items, [found.holdout, found.pool], found.labels, found.refusals(items.unit))


def _told(items: ItemFile, results: list[AddResult], labels: int, refused: Sequence[str]) -> Added:
    count = items.problem_count + sum(result.rejected for result in results) + len(refused)
    return Added(
        accepted=sum(result.accepted for result in results),
        duplicates=sum(result.duplicates for result in results),
        labels=labels,
        problem_count=count,
        problems=[*items.malformed, *rejections(results, items.unit), *refused][:_SHOWN],
        notes=items.notes,
    )


def _opened(path: Path, columns: Columns) -> ItemFile:
    items = ItemFile(path, columns=columns)
    items.prepare()
    return items


def _stored(file: IO[bytes], path: Path) -> None:
    """Copy a file to a path; one that would be unpacked to much more than was sent is refused."""
    with path.open("wb") as copy:
        shutil.copyfileobj(file, copy)
    with path.open("rb") as copy:
        head = copy.read(4)
    if head.startswith(_GZIP):
        raise InvalidArgument.field("file", "it is packed with gzip: unpack it, or add it with `nextlabel pool add`")
    if head != _ZIP:
        return
    try:
        with zipfile.ZipFile(path) as workbook:
            unpacked = sum(part.file_size for part in workbook.infolist())
    except zipfile.BadZipFile as error:
        raise InvalidArgument.field("file", "it is a damaged workbook") from error
    if unpacked > _UNPACKED_BYTES:
        raise InvalidArgument.field(
            "file", f"the workbook has {unpacked:,} bytes unpacked, at most {_UNPACKED_BYTES:,}; save it as CSV"
        )


def _share(filled: FormData) -> float:
    text = _text(filled, "evaluate") or "0"
    try:
        share = float(text.removesuffix("%")) / 100
    except ValueError:
        share = -1.0
    if not 0 <= share < 1:
        raise InvalidArgument.field("evaluate", f"expected per cent from 0 to 99, got {text!r}")
    return share


def _text(filled: FormData, field: str) -> str:
    return str(filled.get(field, "")).strip()


async def _show_form(
    request: Request, *, filled: Mapping[str, object] | None = None, added: Added | None = None, problem: str = ""
) -> Response:
    who, name = visitor(request), request.path_params["project"]
    project = (await who.call(who.backend.projects.GetProject, pb.GetProjectRequest(project=name))).project
    return page(
        request,
        "add.html",
        status=400 if problem else 200,
        filled=filled or {},
        problem=problem,
        project=project,
        added=added,
        endings=_ENDINGS,
        most_bytes=MAX_FILE_BYTES,
    )
