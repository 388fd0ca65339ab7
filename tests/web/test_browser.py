"""The labeling page and the dashboard in a real browser, over a real server that is killed meanwhile."""

from __future__ import annotations

import json

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from nextlabel.v1 import labeling_service_pb2 as pb
from nextlabel.v1 import project_service_pb2
from nextlabel.v1 import quality_service_pb2 as quality_pb
from tests.api.services.conftest import Api, label
from tests.web.conftest import Server
from tests.web.visits import WAIT_MS, Visit, all_saved


def filled(server: Server, count: int) -> tuple[Api, str]:
    api = server.api()
    return api, api.filled(count)


def answers_of(api: Api, project: str, annotator: str = "ann") -> dict[str, list[str]]:
    """Every stored answer of an annotator by item."""
    found: dict[str, list[str]] = {}
    token = ""
    while True:
        request = pb.ListAnnotationsRequest(project=project, annotator=annotator, page_size=1_000, page_token=token)
        page = api.labeling.ListAnnotations(request, wait_for_ready=True)
        for annotation in page.annotations:
            found.setdefault(annotation.item_id, []).append(annotation.answer.single_label.label)
        token = page.next_page_token
        if not token:
            return found


def label_by_key(page: Page, count: int) -> dict[str, str]:
    """Press a key for each item that is shown, the right one by the number in its text."""
    given: dict[str, str] = {}
    for _ in range(count):
        page.wait_for_selector("#card:not([hidden])", timeout=WAIT_MS)
        number = int(page.inner_text("#text").rsplit(" ", 1)[1])
        page.keyboard.press("12"[number % 2])
        given[f"item-{number}"] = ("cold", "warm")[number % 2]
    return given


def test_twenty_items_by_keyboard_are_kept_once_each(browser: Browser, server: Server) -> None:
    api, project = filled(server, 40)
    visit = Visit(browser, server)
    page = visit.open(f"/projects/{project}/label")
    given = label_by_key(page, 20)
    all_saved(page)
    assert len(given) == 20
    assert {item: labels[-1:] for item, labels in answers_of(api, project).items()} == {
        item: [label] for item, label in given.items()
    }
    assert not visit.complaints


def test_no_answer_is_lost_or_doubled_by_kills_a_dead_connection_and_a_reload(browser: Browser, mortal: Server) -> None:
    api, project = filled(mortal, 60)
    visit = Visit(browser, mortal)
    page = visit.open(f"/projects/{project}/label")
    given = label_by_key(page, 8)
    mortal.kill()
    given |= label_by_key(page, 2)
    mortal.start()
    given |= label_by_key(page, 8)
    page.wait_for_function("caches.match(location.href)")
    visit.context.set_offline(True)
    given |= label_by_key(page, 3)
    page.reload()
    given |= label_by_key(page, 1)
    visit.context.set_offline(False)
    given |= label_by_key(page, 4)
    mortal.kill()
    given |= label_by_key(page, 1)
    mortal.start()
    given |= label_by_key(page, 6)
    all_saved(page)
    stored = answers_of(api, project)
    assert stored == {item: [label] for item, label in given.items()}


def test_a_skipped_item_goes_to_others_and_an_answer_can_be_corrected(browser: Browser, server: Server) -> None:
    api, project = filled(server, 6)
    page = Visit(browser, server).open(f"/projects/{project}/label")
    page.wait_for_selector("#card:not([hidden])")
    skipped = page.inner_text("#text")
    page.keyboard.press("s")
    corrected = page.inner_text("#text")
    assert corrected != skipped
    number = int(corrected.rsplit(" ", 1)[1])
    page.keyboard.press("21"[number % 2])
    all_saved(page)
    page.keyboard.press("u")
    assert page.inner_text("#text") == corrected
    label_by_key(page, 5)
    all_saved(page)
    mine = answers_of(api, project)
    left = f"item-{skipped.rsplit(' ', 1)[1]}"
    assert mine.pop(left) == [""]
    assert mine[f"item-{number}"] == [("warm", "cold")[number % 2], ("cold", "warm")[number % 2]]
    assert {item: labels[-1] for item, labels in mine.items()} == {
        f"item-{n}": ("cold", "warm")[n % 2] for n in range(6) if f"item-{n}" != left
    }
    other = Visit(browser, server, name="bob").open(f"/projects/{project}/label")
    other.wait_for_selector("#card:not([hidden])", timeout=WAIT_MS)
    assert other.inner_text("#text") == skipped


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_is_accessible_and_quiet(browser: Browser, server: Server, scheme: str) -> None:
    api, project = filled(server, 12)
    proposal = project_service_pb2.CreateGuidelinesRequest(project=project, text="Cold or warm?\nSay.", accept=True)
    api.projects.CreateGuidelines(proposal)
    visit = Visit(browser, server, scheme=scheme)
    labeled = pb.SubmittedAnnotation(item_id="item-0", answer=label("cold"))
    asked = pb.SubmitAnnotationsRequest(project=project, annotator="ann", annotations=[labeled])
    api.labeling.SubmitAnnotations(asked)
    api.quality.SetFilter(quality_pb.SetFilterRequest(project=project, name="all", rule="annotations > 0"))
    of_project = (
        *("", "/add", "/items", "/map", "/guidelines", "/ledger", "/annotators", "/start", "/label", "/review"),
        *("/filters?rule=annotations>0", "/datasheet"),
    )
    for path in ("/", "/new", *(f"/projects/{project}{path}" for path in of_project)):
        page = visit.open(path)
        page.wait_for_selector("main") if path.endswith(project) else page.wait_for_load_state("networkidle")
        if "/filters" in path:
            page.wait_for_selector("#left-out")
        if path.endswith("/datasheet"):
            page.wait_for_selector("pre.datasheet:has-text('Who labeled it')")
        if path.endswith(project):
            page.click("text=Compare")
            page.wait_for_selector("#control:has-text('Not compared')")
        found = Axe().run(page).response["violations"]
        assert not found, f"{path}: {json.dumps(found)[:2_000]}"
    visit.open("/")
    assert not Axe().run(visit.page).response["violations"]
    assert not visit.complaints


def test_the_dashboard_follows_what_happens(browser: Browser, server: Server) -> None:
    api, project = filled(server, 12)
    page = Visit(browser, server).open(f"/projects/{project}")
    page.wait_for_selector("text=Nobody has answered yet")
    other = Visit(browser, server, name="bob").open(f"/projects/{project}/label")
    label_by_key(other, 3)
    all_saved(other)
    page.wait_for_selector("th:has-text('bob')", timeout=WAIT_MS)
    assert answers_of(api, project, "bob")
