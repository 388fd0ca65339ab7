"""Labels that are worth another look: from the dashboard to decisions by keyboard, which survive a dead connection."""

from __future__ import annotations

import json
from typing import Literal

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from nextlabel.v1 import annotation_pb2
from nextlabel.v1 import labeling_service_pb2 as labeling_pb
from nextlabel.v1 import learner_service_pb2 as learner_pb
from nextlabel.v1 import quality_service_pb2 as pb
from tests.api.services.conftest import Api, label
from tests.web.conftest import ADMIN, Server, visitor
from tests.web.test_labeling_page import project_of
from tests.web.test_pages import HOSTILE, hostile_project
from tests.web.visits import WAIT_MS, Visit, all_saved

DISPUTED = 5
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")


def disputed(server: Server) -> tuple[Api, str]:
    """A project in which eve and tom disagree about the first items, eve surer than he is."""
    api = server.api()
    project = api.filled(12)
    for annotator, given, confidence in (("eve", "cold", 0.9), ("tom", "warm", 0.6)):
        answers = [
            labeling_pb.SubmittedAnnotation(item_id=f"item-{n}", answer=label(given), confidence=confidence)
            for n in range(DISPUTED)
        ]
        asked = labeling_pb.SubmitAnnotationsRequest(project=project, annotator=annotator, annotations=answers)
        api.labeling.SubmitAnnotations(asked)
    return api, project


def answers_of(api: Api, project: str, annotator: str) -> list[tuple[str, str, annotation_pb2.Outcome.ValueType]]:
    asked = labeling_pb.ListAnnotationsRequest(project=project, annotator=annotator, page_size=100)
    found = api.labeling.ListAnnotations(asked).annotations
    return [(a.item_id, a.answer.single_label.label, a.outcome) for a in found]


def shown(page: Page) -> str:
    page.wait_for_selector("#doubted:not([hidden])", timeout=WAIT_MS)
    return f"item-{page.inner_text('#text').rsplit(' ', 1)[1]}"


def decide(page: Page, key: str) -> str:
    """Press a key once an item is shown; return which one it was about."""
    item = shown(page)
    before = page.inner_text("#text")
    page.keyboard.press(key)
    page.wait_for_function(
        "before => document.getElementById('text').textContent !== before || document.getElementById('card').hidden",
        arg=before,
    )
    return item


def test_doubtful_labels_are_kept_changed_skipped_and_undone_by_keyboard(browser: Browser, server: Server) -> None:
    api, project = disputed(server)
    visit = Visit(browser, server)
    visit.open(f"/projects/{project}")
    visit.page.wait_for_selector("text=are expected to make about 2 of them right", timeout=WAIT_MS)
    page = visit.page
    page.click(f"text={DISPUTED} labels are worth another look", timeout=WAIT_MS)
    shown(page)
    assert "disagreement" in page.inner_text("#why")
    standing = page.inner_text("#standing")
    assert page.locator("#given li").all_inner_texts() == [
        "cold by eve (human, 90 % sure)",
        "warm by tom (human, 60 % sure)",
    ]
    for scheme in SCHEMES:
        page.emulate_media(color_scheme=scheme)
        found = Axe().run(page).response["violations"]
        assert not found, json.dumps(found)[:2_000]
    kept = decide(page, "Enter")
    visit.context.set_offline(True)
    changed = decide(page, {"cold": "2", "warm": "1"}[standing])
    mistaken = decide(page, "1")
    page.keyboard.press("u")
    assert shown(page) == mistaken
    assert "You answered: cold" in page.inner_text("#before")
    assert decide(page, "2") == mistaken
    visit.context.set_offline(False)
    passed = decide(page, "s")
    page.reload()
    last = decide(page, "Enter")
    page.wait_for_selector("text=No label that you may review is in doubt", timeout=WAIT_MS)
    all_saved(page)
    other = {"cold": "warm", "warm": "cold"}[standing]
    given = answers_of(api, project, "ann")
    assert [answer for answer in given if answer[0] != mistaken] == [
        (kept, standing, annotation_pb2.OUTCOME_LABEL),
        (changed, other, annotation_pb2.OUTCOME_LABEL),
        (passed, "", annotation_pb2.OUTCOME_SKIPPED),
        (last, standing, annotation_pb2.OUTCOME_LABEL),
    ]
    assert [answer[1] for answer in given if answer[0] == mistaken][-1] == "warm"
    left = api.quality.ListReview(pb.ListReviewRequest(project=project)).entries
    assert [entry.item_id for entry in left] == [passed]
    assert not visit.complaints


def test_what_is_passed_on_and_then_answered_has_been_looked_at(browser: Browser, server: Server) -> None:
    api, project = disputed(server)
    page = Visit(browser, server).open(f"/projects/{project}/review")
    passed = decide(page, "s")
    all_saved(page)
    page.keyboard.press("u")
    assert shown(page) == passed
    decide(page, "Enter")
    all_saved(page)
    api.labeling.ReleaseLease(
        labeling_pb.ReleaseLeaseRequest(project=project, lease_id=page.evaluate("labeling.current.lease_id"))
    )
    left = {entry.item_id for entry in api.quality.ListReview(pb.ListReviewRequest(project=project)).entries}
    assert len(left) == DISPUTED - 1
    assert passed not in left


def test_items_of_one_mode_are_not_shown_in_the_other(browser: Browser, server: Server) -> None:
    _, project = disputed(server)
    page = Visit(browser, server).open(f"/projects/{project}/review")
    reviewed = shown(page)
    page.click("text=Label new items")
    page.wait_for_selector("#card:not([hidden])", timeout=WAIT_MS)
    assert not page.locator("#doubted").count()
    assert int(page.inner_text("#text").rsplit(" ", 1)[1]) >= DISPUTED
    page.click("text=Review doubtful labels")
    assert shown(page) == reviewed


def test_new_items_come_among_doubtful_labels_by_one_key(browser: Browser, server: Server) -> None:
    api, project = disputed(server)
    api.submit(project, "eve", (5, 6))
    api.learner.Train(learner_pb.TrainRequest(project=project))
    visit = Visit(browser, server)
    page = visit.open(f"/projects/{project}/review")
    shown(page)
    page.keyboard.press("m")
    page.wait_for_url("**/review?with=new")
    looked_at = [decide(page, "1")]
    while not page.locator("#reason:visible").count():
        new = "Not labeled yet" in page.inner_text("#why")
        assert page.locator("#confirm:visible").count() == (0 if new else 1)
        item = decide(page, "1")
        assert new == (int(item.removeprefix("item-")) >= DISPUTED + 2)
        looked_at.append(item)
        page.wait_for_selector("#card:not([hidden]), #reason:visible", timeout=WAIT_MS)
    all_saved(page)
    assert {*looked_at} == {f"item-{n}" for n in range(12) if n not in (5, 6)}
    assert {(item, name) for item, name, _ in answers_of(api, project, "ann")} == {(item, "cold") for item in looked_at}
    page.keyboard.press("m")
    page.wait_for_url("**/review")
    assert not visit.complaints


def test_where_nothing_can_be_reviewed_the_page_says_so(browser: Browser, server: Server) -> None:
    project = project_of(server, "score")
    visit = Visit(browser, server)
    page = visit.open(f"/projects/{project}/review")
    page.wait_for_selector("#reason:has-text('only labels of one class an item are looked at again')", timeout=WAIT_MS)
    page.wait_for_load_state("networkidle")
    visit.open(f"/projects/{project}").wait_for_load_state("networkidle")
    assert not page.locator("text=worth another look").count()
    assert not visit.complaints


def test_what_strangers_wrote_about_a_doubtful_label_is_text(guarded: Server) -> None:
    name = hostile_project(guarded)
    api, metadata = guarded.api(), (("authorization", f"Bearer {ADMIN}"),)
    answer = labeling_pb.SubmittedAnnotation(item_id=f"{HOSTILE}item-0", answer=label("plain"), rationale=HOSTILE)
    asked = labeling_pb.SubmitAnnotationsRequest(project=name, annotator="tom", annotations=[answer])
    api.labeling.SubmitAnnotations(asked, metadata=metadata)
    with visitor(guarded, token=ADMIN) as client:
        assert "1 label is worth another look" in client.get(f"/projects/{name}/doubtful").text
        body = {"request_id": "", "annotator": "ann", "review": True}
        leased = client.post(f"/api/projects/{name}/lease", json=body)
        assert leased.headers["content-type"].startswith("application/json")
        (item,) = leased.json()["items"]
        assert [given["rationale"] for given in item["doubted"]["answers"]] == ["", HOSTILE]
        assert "doubted" not in json.dumps(
            client.post(f"/api/projects/{name}/lease", json={**body, "review": 1}).json()
        )
