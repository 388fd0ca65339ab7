"""Candidate texts side by side: what strangers and models wrote is shown, and never becomes markup."""

from __future__ import annotations

import json

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from nextlabel.client import connect
from nextlabel.v1 import annotation_pb2, project_service_pb2
from nextlabel.v1 import labeling_service_pb2 as labeling_pb
from tests.api.services.conftest import GIVEN, batch, header, items, request_id
from tests.web.conftest import Server, violations, visitor
from tests.web.test_labeling_page import project_of, stored
from tests.web.test_pages import HOSTILE
from tests.web.visits import WAIT_MS, Visit, all_saved


def test_candidates_of_strangers_stand_side_by_side_as_text(server: Server) -> None:
    api, name = server.api(), f"texts-{request_id()[:8]}"
    made = project_service_pb2.Project(name=name, annotation_type=annotation_pb2.ANNOTATION_TYPE_TEXT, embedding=GIVEN)
    api.projects.CreateProject(project_service_pb2.CreateProjectRequest(project=made))
    (item,) = items(1)
    item.text = HOSTILE
    list(api.pool.AddItems(iter([header(name, request_id()), batch(1, [item])])))
    for who in ("ann", HOSTILE[:40]):
        answer = annotation_pb2.Answer(text=annotation_pb2.TextResponse(text=f"{HOSTILE} by {who}"))
        given = labeling_pb.SubmittedAnnotation(item_id=item.id, answer=answer)
        request = labeling_pb.SubmitAnnotationsRequest(project=name, annotator=who, annotations=[given])
        api.labeling.SubmitAnnotations(request)
    with visitor(server) as client:
        assert f"/projects/{name}/texts" in client.get(f"/projects/{name}").text
        shown = client.get(f"/projects/{name}/texts").text
        assert shown.count("<li>") == 2
        assert "<script>alert" not in shown
        assert "<img src=x" not in shown
        assert not violations(shown)
        judged = client.get(f"/projects/{name}/texts", params={"judged_by": name})
        assert judged.status_code == 400
        assert "texts are judged in projects of preferences or scores" in judged.text


UNBREAKABLE = "https://example.com/" + "0123456789" * 20
PHONE = 390


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_and_their_judging_are_accessible_and_fit_a_phone(browser: Browser, server: Server, scheme: str) -> None:
    texts = project_of(server, "text")
    judged = f"{texts}-judged"
    with connect(f"127.0.0.1:{server.port}") as client:
        for who, text in (("ann", UNBREAKABLE), ("bob", f"{UNBREAKABLE}!"), ("eve", "هل وصلت؟")):
            client.labeling.submit(texts, {"item-0": text}, annotator=who)
        client.texts.judge(texts, judged)
        item = next(client.pool.list(judged)).item.id
        for judge in ("tom", "sue"):
            client.labeling.submit(judged, {item: "a"}, annotator=judge)
        # A page hands pairs out once they are embedded, and the model may have to be loaded for that.
        next(status for status in client.pool.watch(judged) if not status.counts.awaiting_embedding)
    visit = Visit(browser, server, scheme=scheme, width=PHONE)
    for path, wanted in (
        (f"/projects/{texts}/texts", ".side-by-side"),
        (f"/projects/{texts}/texts?judged_by={judged}", "text=won 1"),
        (f"/projects/{judged}/label", "#pair-b"),
    ):
        page = visit.open(path)
        page.wait_for_selector(wanted, timeout=WAIT_MS)
        assert page.evaluate("innerWidth") == PHONE, path
        found = Axe().run(page).response["violations"]
        assert not found, f"{path}: {json.dumps(found)[:2_000]}"
    assert not visit.complaints


def criticise(page: Page, author: str, critique: str, better: str) -> None:
    """Say what is wrong with the text of an author and write a better one, by keyboard alone."""
    page.locator(".side-by-side li", has_text=author).locator(".criticise summary").focus()
    page.keyboard.press("Enter")
    page.wait_for_function("document.activeElement.matches('[data-candidate]')")
    page.keyboard.insert_text(critique)
    page.locator("[name=instead]").focus()
    page.keyboard.press("Control+A")
    page.keyboard.insert_text(better)
    page.keyboard.press("Control+Enter")


def test_a_text_is_criticised_by_keyboard_and_nothing_is_lost_without_a_connection(
    browser: Browser, server: Server
) -> None:
    texts, criticised = project_of(server, "text", ("Where is it?",)), f"{HOSTILE}\nby bob"
    with connect(f"127.0.0.1:{server.port}") as client:
        client.labeling.submit(texts, {"item-0": criticised}, annotator="bob")
    visit = Visit(browser, server)
    page = visit.open(f"/projects/{texts}/texts")
    visit.context.set_offline(True)
    criticise(page, "by bob", HOSTILE, "Tomorrow.")
    page.wait_for_selector("#connection:not([hidden])", timeout=WAIT_MS)
    assert not [one for one in stored(server, texts) if one.provenance.annotator == "ann"]
    visit.context.set_offline(False)
    all_saved(page)
    (kept,) = (one for one in stored(server, texts) if one.provenance.annotator == "ann")
    assert (kept.answer.text.text, kept.reviews[0].text, kept.reviews[0].critique, kept.reviews[0].critic) == (
        "Tomorrow.",
        criticised,
        HOSTILE.strip(),
        "ann",
    )
    page.reload()
    assert HOSTILE.strip() in (page.text_content("text=Written instead of 1 text >> xpath=..") or "")
    assert page.input_value("[data-candidate]") == HOSTILE.strip()
    assert page.input_value("[name=instead]") == "Tomorrow."
    assert not visit.complaints


def test_a_critique_that_is_refused_stays_in_its_field_and_is_told_why(browser: Browser, server: Server) -> None:
    texts = project_of(server, "text", ("Where is it?",))
    with connect(f"127.0.0.1:{server.port}") as client:
        client.labeling.submit(texts, {"item-0": "Gone, said bob."}, annotator="bob")
    page = Visit(browser, server).open(f"/projects/{texts}/texts")
    criticise(page, "said bob", " ", "Tomorrow.")
    page.wait_for_selector("text=Say what has to be changed", timeout=WAIT_MS)
    page.fill("[data-candidate]", "x" * 16_385)
    page.keyboard.press("Control+Enter")
    page.wait_for_selector("text=/critiques.*16,?384 bytes/", timeout=WAIT_MS)
    all_saved(page)
    assert page.input_value("[data-candidate]") == "x" * 16_385
    page.fill("[data-candidate]", "Say when.")
    page.fill("[name=instead]", "")
    page.press("[data-candidate]", "Control+Enter")
    page.wait_for_selector("#trouble", state="hidden", timeout=WAIT_MS)
    all_saved(page)
    (for_others,) = (one for one in stored(server, texts) if one.provenance.annotator == "ann")
    assert not for_others.HasField("answer")
    assert (for_others.reviews[0].critique, for_others.reviews[0].text) == ("Say when.", "Gone, said bob.")
    page.reload()
    page.wait_for_selector("text=on it: Say when.", timeout=WAIT_MS)
    page.click("text=writes criticised texts anew")
    assert page.is_checked("[name=criticised]")
    assert page.input_value("[name=kind]") == "anthropic"
