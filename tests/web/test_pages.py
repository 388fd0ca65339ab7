"""The pages over a real server: what they show, to whom, and what they refuse."""

from __future__ import annotations

import json
import re
from base64 import urlsafe_b64encode

import httpx2
import pytest

from nextlabel.v1 import access_service_pb2 as access_pb
from nextlabel.v1 import labeling_service_pb2 as labeling_pb
from nextlabel.v1 import pool_service_pb2, project_service_pb2
from nextlabel.v1.annotation_pb2 import ANNOTATION_TYPE_SINGLE_LABEL as SINGLE_LABEL
from tests.api.services.conftest import GIVEN, batch, header, items, label, label_space, request_id
from tests.web.conftest import ADMIN, Server, violations, visitor

OF_PROJECT = (
    *("", "/add", "/items", "/map", "/map/points", "/guidelines", "/ledger", "/annotators", "/start"),
    *("/control", "/datasheet", "/datasheet/text"),
    *("/label", "/review", "/audit", "/doubtful", "/filters", "/filters?rule=annotations>0", "/filters/left-out"),
)
PAGES = ("/", "/new", *(f"/projects/{{}}{path}" for path in OF_PROJECT))
HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>'\"&{{7*7}}"


def hostile_project(server: Server) -> str:
    """A project in which everything that a stranger writes is an attack."""
    api = server.api()
    name = f"hostile-{request_id()[:8]}"
    project = project_service_pb2.Project(
        name=name, annotation_type=SINGLE_LABEL, label_space=label_space(HOSTILE, "plain"), embedding=GIVEN
    )
    project.label_space.classes[0].description = HOSTILE
    project.label_space.classes[1].examples.append(HOSTILE)
    metadata = (("authorization", f"Bearer {ADMIN}"),)
    api.projects.CreateProject(
        project_service_pb2.CreateProjectRequest(project=project, guidelines=HOSTILE), metadata=metadata
    )
    given = items(6)
    for item in given:
        item.text = f"{HOSTILE} {item.id}"
        item.id = f"{HOSTILE}{item.id}"
        item.metadata.update({HOSTILE: HOSTILE})
    list(api.pool.AddItems(iter([header(name, request_id()), batch(1, given)]), metadata=metadata))
    answer = labeling_pb.SubmittedAnnotation(item_id=given[0].id, answer=label(HOSTILE), feedback=HOSTILE)
    request = labeling_pb.SubmitAnnotationsRequest(
        request_id=request_id(), project=name, annotator=HOSTILE[:40], annotations=[answer]
    )
    api.labeling.SubmitAnnotations(request, metadata=metadata)
    return name


def token(server: Server, role: access_pb.Role.ValueType, project: str = "") -> str:
    request = access_pb.CreateTokenRequest(request_id=request_id(), name=f"t-{request_id()[:6]}", role=role)
    request.project = project
    response = server.api().access.CreateToken(request, metadata=(("authorization", f"Bearer {ADMIN}"),))
    return str(response.secret)


def test_text_of_strangers_never_becomes_markup(guarded: Server) -> None:
    name = hostile_project(guarded)
    with visitor(guarded, token=ADMIN) as client:
        for path in PAGES:
            answer = client.get(path.format(name))
            assert answer.status_code == 200, answer.text
            assert "<script>alert" not in answer.text
            assert "<img src=x" not in answer.text
            assert not violations(answer.text), path


def test_every_answer_carries_the_headers_that_keep_it_apart(guarded: Server) -> None:
    with visitor(guarded, token=ADMIN) as client:
        for path in ("/", "/login", "/static/style.css", "/nowhere", "/projects/nowhere"):
            headers = client.get(path).headers
            policy = headers["content-security-policy"]
            assert "default-src 'none'" in policy
            assert "unsafe" not in policy
            assert "frame-ancestors 'none'" in policy
            assert headers["x-content-type-options"] == "nosniff"


def test_who_has_no_token_is_asked_for_one_and_sees_nothing(guarded: Server) -> None:
    name = hostile_project(guarded)
    with httpx2.Client(base_url=guarded.url, headers={"origin": guarded.url}) as client:
        for path in PAGES:
            answer = client.get(path.format(name))
            assert answer.status_code == 303, path
            assert answer.headers["location"].startswith("/login?next=")
        refused = client.post("/login", data={"token": "wrong", "name": "eve"})
        assert refused.status_code == 401
        assert "set-cookie" not in refused.headers
        asked = client.post(f"/api/projects/{name}/lease", json={"request_id": request_id(), "annotator": "eve"})
        assert asked.status_code == 401


def test_the_cookie_is_out_of_reach_and_the_token_in_no_page(guarded: Server) -> None:
    with visitor(guarded, token=ADMIN) as client:
        cookie = client.post("/login", data={"token": ADMIN, "name": "ann"}, follow_redirects=False).headers[
            "set-cookie"
        ]
        assert "HttpOnly" in cookie
        assert "SameSite=strict" in cookie
        assert ADMIN not in cookie
        assert ADMIN not in client.get("/").text


@pytest.mark.parametrize(
    "held",
    [
        b"[" * 5_000,
        b"\xff",
        b'{"token": "\\ud800", "name": ""}',
        b'{"token": "a\\nb"}',
        '{"token": "é"}'.encode(),
        b'{"name": "\\ud800"}',
        b'{"token": 5}',
    ],
)
def test_a_cookie_that_holds_no_session_is_none(guarded: Server, held: bytes) -> None:
    cookie = f"nextlabel={urlsafe_b64encode(held).decode()}"
    asked = httpx2.get(f"{guarded.url}/", headers={"cookie": cookie}, follow_redirects=False)
    assert (asked.status_code, asked.headers["location"]) == (303, "/login?next=/")


@pytest.mark.parametrize("token", ["é", "a b", "a\nb", "nlt_\u200b"])
def test_a_token_that_no_header_takes_is_named_where_one_logs_in(guarded: Server, token: str) -> None:
    form = {"token": token, "name": "ann"}
    refused = httpx2.post(f"{guarded.url}/login", data=form, headers={"origin": guarded.url})
    assert (refused.status_code, "copy it again" in refused.text) == (400, True)


@pytest.mark.parametrize("body", [b"[" * 100_000, b"\xff", b'{"annotator": "\\ud800"}', b"9" * 5_000, b"[]"])
def test_what_a_page_cannot_have_sent_is_refused(guarded: Server, body: bytes) -> None:
    with visitor(guarded, token=ADMIN) as client:
        refused = client.post("/api/projects/any/lease", content=body)
    assert (refused.status_code, "JSON" in refused.text) == (400, True)


def test_a_page_gives_nobody_more_rights_than_the_token(guarded: Server) -> None:
    name = hostile_project(guarded)
    with visitor(guarded, token=token(guarded, access_pb.ROLE_READER, name)) as client:
        assert client.get(f"/projects/{name}").status_code == 200
        refused = client.post(f"/projects/{name}/budget", data={"dimension": "usd", "limit": "5"})
        assert refused.status_code == 403
        asked = client.post(f"/api/projects/{name}/lease", json={"request_id": request_id(), "annotator": "x"})
        assert asked.status_code == 409
    other = hostile_project(guarded)
    with visitor(guarded, token=token(guarded, access_pb.ROLE_READER, name)) as client:
        assert client.get(f"/projects/{other}").status_code in (403, 404)


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "none"},
        {},
    ],
)
def test_changes_from_other_pages_are_refused(guarded: Server, headers: dict[str, str]) -> None:
    with visitor(guarded, token=ADMIN) as client:
        client.headers.pop("origin")
        for path in ("/login", "/logout", "/projects/x/budget", "/projects/x/runs/y/pause", "/api/projects/x/submit"):
            assert client.post(path, headers=headers).status_code == 403


def test_names_of_other_sites_are_refused(guarded: Server) -> None:
    with visitor(guarded, token=ADMIN) as client:
        for host in ("evil.example", "evil.example:80", "127.0.0.1.evil.example", ""):
            assert client.get("/", headers={"host": host}).status_code in (400, 421), host


def test_a_login_leads_to_pages_of_this_server_only(guarded: Server) -> None:
    with visitor(guarded, token=ADMIN) as client:
        for there in ("https://evil.example", "//evil.example", "/\\evil.example", "javascript:alert(1)"):
            answer = client.post("/login", data={"token": ADMIN, "next": there}, follow_redirects=False)
            assert answer.headers["location"] == "/"


def test_an_answer_that_comes_twice_counts_once_and_bad_ones_say_what_is_wrong(guarded: Server) -> None:
    name = hostile_project(guarded)
    with visitor(guarded, token=ADMIN) as client:
        lease_call = {"request_id": request_id(), "annotator": "ann"}
        first = client.post(f"/api/projects/{name}/lease", json=lease_call).json()
        assert client.post(f"/api/projects/{name}/lease", json=lease_call).json() == first
        answers = [{"item_id": first["items"][0]["id"], "answer": {"label": "plain"}, "comment": "sure"}]
        call = {
            "request_id": request_id(),
            "annotator": "ann",
            "lease_id": first["lease_id"],
            "answers": answers,
        }
        once = client.post(f"/api/projects/{name}/submit", json=call).json()
        assert [result["taken"] for result in once["results"]] == [True]
        assert client.post(f"/api/projects/{name}/submit", json=call).json() == once
        exported = [json.loads(line) for line in client.get(f"/projects/{name}/export").text.splitlines()]
        assert len([line for line in exported if "sure" in json.dumps(line)]) == 1
        for wrong, path in (
            ({"answers": "x"}, "answers"),
            ({"answers": [{"item_id": "i", "answer": {"label": 3}}]}, "answers[0].answer.label"),
            ({"answers": [{"item_id": 3, "answer": {"label": "plain"}}]}, "item_id"),
            ({"answers": [{"item_id": "i", "answer": {"labels": ["a"], "score": 1}}]}, "answers[0].answer"),
            ({"answers": [{"item_id": "i", "answer": {"label": "plain"}, "critiques": ["x"]}]}, "answers[0].critiques"),
            ({"request_id": ["x"], "answers": []}, "request_id"),
        ):
            refused = client.post(f"/api/projects/{name}/submit", json={**call, **wrong})
            assert refused.status_code == 400, refused.text
            assert path in refused.json()["message"]


def test_a_run_is_started_after_its_quote_and_a_budget_is_changed(guarded: Server) -> None:
    name = hostile_project(guarded)
    with visitor(guarded, token=ADMIN) as client:
        asked = {"kind": "human", "batch_size": "2", "labels": "4"}
        quote = client.post(f"/projects/{name}/start", data=asked)
        assert "What it would cost" in quote.text
        started = client.post(f"/projects/{name}/start", data={**asked, "confirmed": "1", "request_id": request_id()})
        assert "running" in started.text
        stop = re.search(r"/projects/[^\"]+/runs/[^\"]+/stop", started.text)
        assert stop, "there is a button"
        pause, resume = (stop.group().replace("/stop", f"/{turn}") for turn in ("pause", "resume"))
        for turn, state, offered in ((pause, "paused", resume), (pause, "paused", resume), (resume, "running", pause)):
            turned = client.post(turn)
            assert f"<td>{state}</td>" in turned.text
            assert f'formaction="{offered}"' in turned.text
        assert client.post(stop.group().replace("/stop", "/burn")).status_code == 400
        assert client.post(f"/projects/{name}/start", data={"kind": "human", "batch_size": "1.5"}).status_code == 400
        assert 'type="checkbox" name="advice"' in client.get(f"/projects/{name}/start").text
        advised = client.post(f"/projects/{name}/start", data={"kind": "human", "advice": "on"})
        assert advised.status_code == 400
        assert "only annotators on the server advise" in advised.text
        assert "Used up in" in client.post(f"/projects/{name}/budget", data={"dimension": "labels", "limit": "40"}).text
        assert "$2.50" in client.post(f"/projects/{name}/budget", data={"dimension": "usd", "limit": "2.50"}).text
        wrong = client.post(f"/projects/{name}/budget", data={"dimension": "labels", "limit": "many"})
        assert wrong.status_code == 400
        assert "whole number" in wrong.text


def test_an_open_page_is_told_of_changes(guarded: Server) -> None:
    name = hostile_project(guarded)
    with visitor(guarded, token=ADMIN) as client, client.stream("GET", f"/projects/{name}/live", timeout=60) as stream:
        lines = stream.iter_lines()
        assert ": watching" in lines
        requests = [header(name, request_id()), batch(1, items(1, first=99))]
        list(guarded.api().pool.AddItems(iter(requests), metadata=(("authorization", f"Bearer {ADMIN}"),)))
        assert "event: changed" in lines


def test_the_pages_end_with_the_server(tmp_path) -> None:
    server = Server(tmp_path)
    server.start()
    assert server.stop() == 0


def test_the_pool_status_is_asked_with_the_visitors_token(guarded: Server) -> None:
    name = hostile_project(guarded)
    producer = token(guarded, access_pb.ROLE_PRODUCER, name)
    request = pool_service_pb2.GetPoolStatusRequest(project=name)
    guarded.api().pool.GetPoolStatus(request, metadata=(("authorization", f"Bearer {producer}"),))
    with visitor(guarded, token=producer) as client:
        assert client.post(f"/projects/{name}/budget", data={"dimension": "usd"}).status_code == 403
