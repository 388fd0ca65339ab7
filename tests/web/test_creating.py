"""From nothing to labeled texts with a browser alone: a project, its file, and what is wrong with either."""

from __future__ import annotations

import gzip
import io
import zipfile

import grpc
import httpx2
import openpyxl
import pytest

from nextlabel.server.web.app import web_app
from nextlabel.server.web.boundary.backend import Backend
from nextlabel.server.web.dashboard.creating import MAX_FILE_BYTES
from nextlabel.v1 import access_service_pb2 as access_pb
from nextlabel.v1 import project_service_pb2
from tests.api.services.conftest import request_id
from tests.web.conftest import ADMIN, Server, free_port, visitor
from tests.web.test_pages import HOSTILE, token

ROWS = "Nr;Nachricht;Thema\n" + "".join(
    f'{n};"Grüße, Anfrage {n}";{("billing", "other")[n % 2] if n < 20 else ""}\n' for n in range(40)
)


def created(server: Server, **fields: str) -> str:
    name = f"made-{request_id()[:8]}"
    with visitor(server, token=ADMIN) as client:
        form = {"name": name, "classes": "billing\r\n\r\nother\r\n", "guidelines": "Money is billing.", **fields}
        answer = client.post("/new", data=form)
        assert answer.status_code == 200, answer.text
        assert answer.url.path == f"/projects/{name}/add"
    return name


def added(server: Server, project: str, name: str, content: bytes, **fields: str) -> tuple[int, str]:
    with visitor(server, token=ADMIN) as client:
        answer = client.post(f"/projects/{project}/add", data=fields, files={"file": (name, content)})
        return answer.status_code, answer.text


def counts(server: Server, project: str) -> tuple[int, int, int]:
    request = project_service_pb2.GetProjectRequest(project=project)
    found = server.api().projects.GetProject(request, metadata=(("authorization", f"Bearer {ADMIN}"),)).project.counts
    return found.pool, found.holdout, found.labeled


def test_a_file_as_spreadsheets_write_it_goes_in_with_its_labels_and_once(guarded: Server) -> None:
    name = created(guarded)
    fields = {"text": "Nachricht", "id": "Nr", "label": "Thema", "evaluate": "25"}
    for new in ("40", "0"):
        status, page = added(guarded, name, "tickets.csv", ROWS.encode("cp1252"), **fields)
        assert status == 200, page
        assert f"<strong>{new}</strong> items are new" in page
        assert "windows-1252, semicolon-separated" in page
    pool, holdout, labeled = counts(guarded, name)
    assert (pool + holdout, labeled + holdout) == (40, 20)
    assert 0 < holdout < 15


def test_a_workbook_goes_in_and_rows_without_a_text_are_named(guarded: Server) -> None:
    name = created(guarded)
    workbook = openpyxl.Workbook()
    sheet = workbook.active
    assert sheet is not None
    for row in (("text", "nr"), ("one", 1), (None, 2), ("two", 3)):
        sheet.append(row)
    content = io.BytesIO()
    workbook.save(content)
    status, page = added(guarded, name, "tickets.xlsx", content.getvalue())
    assert status == 200, page
    assert counts(guarded, name)[0] == 2
    assert "row 3" in page


def bomb() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("xl/sheet.xml", "w") as part:
        for _ in range(9 * MAX_FILE_BYTES // 2**20):
            part.write(b"0" * 2**20)
    return packed.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "fields", "told"),
    [
        ("tickets.csv", lambda: b"body,label\na,b\n", {}, "the columns are: body, label"),
        ("tickets.csv", lambda: b"text\na\n", {"label": "Thema"}, "there is no column"),
        ("tickets.exe", lambda: b"text\na\n", {}, "must end in one of .csv"),
        ("tickets.csv", lambda: gzip.compress(b"text\na\n"), {}, "unpack it"),
        ("tickets.xlsx", bomb, {}, "save it as CSV"),
        ("tickets.xlsx", lambda: b"PK\x03\x04broken", {}, "damaged workbook"),
        ("tickets.csv", lambda: b"text,topic\na,b\n", {"label": "topic", "evaluate": "100"}, "from 0 to 99"),
        (HOSTILE, lambda: b"text\na\n", {"text": HOSTILE}, "must end in one of"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_and_the_form_stays_filled(guarded, name, content, fields, told) -> None:
    project = created(guarded)
    status, page = added(guarded, project, name, content(), **fields)
    assert (status, counts(guarded, project)) == (400, (0, 0, 0))
    assert told in page.replace("&#39;", "'")
    assert "<script>alert" not in page
    assert "/tmp" not in page
    if fields.get("label"):
        assert f'value="{fields["label"]}"' in page


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "No Spaces"},
        {"classes": "only one"},
        {"name": ""},
        {"classes": f"{HOSTILE}\n{'x' * 5_000}"},
        {"classes": "a\nb\na"},
    ],
)
def test_a_project_that_cannot_be_made_says_why_and_keeps_what_was_written(
    guarded: Server, wrong: dict[str, str]
) -> None:
    form = {"name": f"n-{request_id()[:8]}", "classes": "a\nb", "guidelines": "what I wrote"} | wrong
    with visitor(guarded, token=ADMIN) as client:
        answer = client.post("/new", data=form)
    assert answer.status_code == 400
    assert 'role="alert"' in answer.text
    assert "what I wrote" in answer.text
    assert "<script>alert" not in answer.text


def test_who_may_only_read_can_neither_make_a_project_nor_have_a_file_read(guarded: Server) -> None:
    name = created(guarded)
    with visitor(guarded, token=token(guarded, access_pb.ROLE_READER, name)) as client:
        assert client.post("/new", data={"name": "x", "classes": "a\nb"}).status_code == 403
        refused = client.post(f"/projects/{name}/add", files={"file": ("t.csv", b"text\na\n")})
        assert refused.status_code == 403
    assert counts(guarded, name) == (0, 0, 0)


def test_a_file_has_more_room_than_other_requests_and_not_more_than_it_may(guarded: Server) -> None:
    name = created(guarded)
    rows = b"text\n" + b"".join(b"%d %s\n" % (n, b"x" * 1_000) for n in range(6_000))
    assert added(guarded, name, "long.csv", rows)[0] == 200
    with visitor(guarded, token=ADMIN) as client:
        assert client.post("/new", content=rows).status_code == 413
        assert client.post(f"/projects/{name}/add", content=b"0" * (MAX_FILE_BYTES + 1)).status_code == 413


async def test_a_server_that_does_not_answer_in_time_leaves_what_was_written_and_takes_it_once() -> None:
    backend = Backend(grpc.aio.insecure_channel(f"127.0.0.1:{free_port()}"), "the server")
    app = web_app(backend, frozenset({"127.0.0.1"}))
    written = {
        "name": "tickets",
        "classes": "billing\nother",
        "guidelines": "Money is billing.",
        "request_id": "one-id",
    }
    url = "http://127.0.0.1"
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url=url, headers={"origin": url}) as client:
        answer = await client.post("/new", data=written)
    await backend.close()
    assert answer.status_code == 503
    assert "create it again in a moment" in answer.text
    assert all(kept in answer.text for kept in written.values())


@pytest.mark.parametrize(
    ("kind", "classes", "known"),
    [("several", ["a/b", "c"], 40), ("paths", ["a", "a/b", "c"], 40)],
)
def test_several_classes_and_paths_are_made_and_filled_by_the_browser_alone(
    guarded: Server, kind: str, classes: list[str], known: int
) -> None:
    name = created(guarded, kind=kind, classes="a/b\nc")
    request = project_service_pb2.GetProjectRequest(project=name)
    made = guarded.api().projects.GetProject(request, metadata=(("authorization", f"Bearer {ADMIN}"),)).project
    assert [one.name for one in made.label_space.classes] == classes
    assert made.label_space.paths == (kind == "paths")
    rows = "text,labels\n" + "".join(f"item {n},{('a/b', 'a/b|c')[n % 2]}\n" for n in range(known))
    status, page = added(guarded, name, "items.csv", rows.encode(), label="labels", evaluate="20")
    assert status == 200, page
    pool, holdout, labeled = counts(guarded, name)
    assert (pool + holdout, labeled + holdout) == (known, known)


def test_a_kind_that_the_form_does_not_have_is_refused(guarded: Server) -> None:
    with visitor(guarded, token=ADMIN) as client:
        answer = client.post("/new", data={"name": "spans", "kind": "spans", "classes": "a\nb"})
    assert (answer.status_code, "one of one, several, paths" in answer.text) == (400, True)
