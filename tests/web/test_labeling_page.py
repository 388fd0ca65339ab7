"""Every kind of answer by keyboard alone, and what reaches the service."""

from __future__ import annotations

import json
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from nextlabel.v1 import annotation_pb2, pool_pb2, project_service_pb2
from nextlabel.v1 import labeling_service_pb2 as pb
from tests.api.services.conftest import GIVEN, batch, header, label_space, request_id
from tests.web.conftest import Server
from tests.web.visits import WAIT_MS, Visit, all_saved

ARABIC = "هل وصلت الشحنة (رقم 12)؟"
KINDS: dict[str, tuple[annotation_pb2.AnnotationType.ValueType, dict[str, Any]]] = {
    "labels": (annotation_pb2.ANNOTATION_TYPE_MULTI_LABEL, {"label_space": label_space("joy", "anger", "fear")}),
    "paths": (
        annotation_pb2.ANNOTATION_TYPE_MULTI_LABEL,
        {
            "label_space": project_service_pb2.LabelSpace(
                classes=label_space("pet/cat", "pet/dog", "plant").classes, paths=True
            )
        },
    ),
    "score": (annotation_pb2.ANNOTATION_TYPE_SCORE, {}),
    "preferred": (annotation_pb2.ANNOTATION_TYPE_PAIRWISE_PREFERENCE, {}),
    "text": (annotation_pb2.ANNOTATION_TYPE_TEXT, {}),
    "label": (
        annotation_pb2.ANNOTATION_TYPE_SINGLE_LABEL,
        {"label_space": label_space(*(f"intent {n:03}" for n in range(200)), "شكوى")},
    ),
    "label of 30": (
        annotation_pb2.ANNOTATION_TYPE_SINGLE_LABEL,
        {"label_space": label_space(*(f"a class with a long name {n}" for n in range(30)))},
    ),
}


def project_of(server: Server, kind: str, texts: tuple[str, ...] = ("one", "two", "three", "four")) -> str:
    name = f"kind-{kind.replace(' ', '-')}-{request_id()[:8]}"
    annotation_type, settings = KINDS[kind]
    project = project_service_pb2.Project(name=name, annotation_type=annotation_type, embedding=GIVEN, **settings)
    api = server.api()
    api.projects.CreateProject(project_service_pb2.CreateProjectRequest(project=project))
    pair = pool_pb2.TextPair(a="x", b="y") if kind == "preferred" else None
    given = [pool_pb2.Item(id=f"item-{n}", text=text, pair=pair) for n, text in enumerate(texts)]
    acks = list(api.pool.AddItems(iter([header(name, request_id()), batch(1, given)])))
    assert not acks[-1].errors
    return name


def stored(server: Server, project: str) -> list[annotation_pb2.Annotation]:
    request = pb.ListAnnotationsRequest(project=project, page_size=100)
    return list(server.api().labeling.ListAnnotations(request).annotations)


def answers(page: Page, *presses: tuple[str, ...]) -> None:
    """Press the keys of each answer once the item that it is about is shown."""
    for keys in presses:
        page.wait_for_selector("#card:not([hidden])", timeout=WAIT_MS)
        shown = page.inner_text("#text")
        for key in keys:
            page.keyboard.type(key[1:]) if key.startswith("=") else page.keyboard.press(key)
        page.wait_for_function("before => document.getElementById('text').textContent !== before", arg=shown)
    all_saved(page)


def score(value: float) -> annotation_pb2.Answer:
    return annotation_pb2.Answer(score=annotation_pb2.Score(value=value))


def labels(*names: str) -> annotation_pb2.Answer:
    return annotation_pb2.Answer(multi_label=annotation_pb2.MultiLabel(labels=names))


def text(words: str) -> annotation_pb2.Answer:
    return annotation_pb2.Answer(text=annotation_pb2.TextResponse(text=words))


def label(name: str) -> annotation_pb2.Answer:
    return annotation_pb2.Answer(single_label=annotation_pb2.SingleLabel(label=name))


BY_KEYS: dict[str, tuple[tuple[tuple[str, ...], annotation_pb2.Answer], ...]] = {
    "labels": (
        (("3", "1", "Enter"), labels("fear", "joy")),
        (("Enter",), labels()),
        (("ArrowDown", "ArrowDown", "Space", "Control+Enter"), labels("anger")),
    ),
    "paths": (
        (("2", "Enter"), labels("pet", "pet/cat")),
        (("2", "3", "2", "Enter"), labels("pet", "pet/dog")),
        (("2", "4", "1", "Enter"), labels("plant")),
    ),
    "score": ((("=0.45", "Enter"), score(0.45)), (("=1", "Enter"), score(1))),
    "text": ((("=su c", "Control+Enter"), text("su c")), ((f"={ARABIC}", "Control+Enter"), text(ARABIC))),
    "label": (
        (("/", "=197", "Enter"), label("intent 197")),
        (("/", "=شك", "Enter"), label("شكوى")),
        (("ArrowUp", "Enter"), label("شكوى")),
    ),
}


@pytest.mark.parametrize("kind", BY_KEYS)
def test_every_kind_of_answer_is_given_by_keyboard(browser: Browser, server: Server, kind: str) -> None:
    project = project_of(server, kind)
    visit = Visit(browser, server)
    page = visit.open(f"/projects/{project}/label")
    answers(page, *(keys for keys, _ in BY_KEYS[kind]))
    assert [annotation.answer for annotation in stored(server, project)] == [given for _, given in BY_KEYS[kind]]
    assert not visit.complaints


def test_random_draws_are_labeled_until_people_have_labeled_all(browser: Browser, server: Server) -> None:
    project = project_of(server, "labels", ("one", "two"))
    visit = Visit(browser, server)
    page = visit.open(f"/projects/{project}/audit")
    answers(page, ("1", "Enter"))
    page.keyboard.press("2")
    page.keyboard.press("Enter")
    page.wait_for_selector("text=People have labeled all", timeout=WAIT_MS)
    all_saved(page)
    assert [annotation.answer for annotation in stored(server, project)] == [labels("joy"), labels("anger")]
    figures = page.get_by_text("figures", exact=True)
    assert page.inner_text(".status span:has(a)") == "Drawn at random: figures rest on your answers"
    assert figures.get_attribute("href") == f"/projects/{project}/accuracy"
    assert not visit.complaints


def test_half_sure_and_a_comment_go_with_the_answer_and_come_back_with_the_item(
    browser: Browser, server: Server
) -> None:
    project = project_of(server, "score")
    page = Visit(browser, server).open(f"/projects/{project}/label")
    answers(page, ("=0.2", "n", "c", "=unclear", "Enter", "Enter"), ("=6", "Enter", "Control+A", "=0.3", "Enter"))
    first, second = stored(server, project)
    assert (first.answer.score.value, first.confidence, first.feedback) == (0.2, 0.5, "unclear")
    assert (second.answer.score.value, second.HasField("confidence"), second.HasField("feedback")) == (
        0.3,
        False,
        False,
    )
    page.keyboard.press("u")
    page.keyboard.press("u")
    assert page.input_value("#comment") == "unclear"
    assert page.get_attribute("#unsure", "aria-pressed") == "true"
    assert "You answered: 0.2" in page.inner_text("#before")


def test_what_is_in_focus_keeps_its_own_keys(browser: Browser, server: Server) -> None:
    project = project_of(server, "labels")
    page = Visit(browser, server).open(f"/projects/{project}/label")
    page.wait_for_selector("#card:not([hidden])", timeout=WAIT_MS)
    shown = page.inner_text("#text")
    page.focus("[data-label=joy]")
    page.keyboard.press("Space")
    page.focus("#unsure")
    page.keyboard.press("Enter")
    assert page.inner_text("#text") == shown
    assert page.get_attribute("[data-label=joy]", "aria-pressed") == "true"
    assert page.get_attribute("#unsure", "aria-pressed") == "true"


def test_of_two_texts_one_is_preferred_by_a_letter_or_an_arrow(browser: Browser, server: Server) -> None:
    project = project_of(server, "preferred")
    visit = Visit(browser, server)
    page = visit.open(f"/projects/{project}/label")
    answers(page, ("a",), ("ArrowRight",), ("t",))
    assert sorted(a.answer.preference.winner for a in stored(server, project)) == [
        annotation_pb2.PREFERENCE_WINNER_A,
        annotation_pb2.PREFERENCE_WINNER_B,
        annotation_pb2.PREFERENCE_WINNER_TIE,
    ]
    assert not visit.complaints


def test_a_page_without_items_asks_again_by_the_clock_and_not_at_once(browser: Browser, server: Server) -> None:
    project = project_of(server, "text", ())
    visit = Visit(browser, server)
    asked: list[str] = []
    visit.page.on("request", lambda request: asked.append(request.url))
    page = visit.open(f"/projects/{project}/label")
    page.wait_for_selector("text=Nothing to label", timeout=WAIT_MS)
    page.evaluate("document.getElementById('again').click()")
    page.wait_for_load_state("networkidle")
    assert len([url for url in asked if url.endswith("/lease")]) <= 3


@pytest.mark.parametrize(
    ("kind", "scheme"), [("label", "light"), ("labels", "dark"), ("score", "light"), ("text", "dark")]
)
def test_on_a_phone_every_kind_fits_and_is_accessible(browser: Browser, server: Server, kind: str, scheme: str) -> None:
    project = project_of(server, kind, (ARABIC, "x" * 500))
    visit = Visit(browser, server, scheme=scheme, width=360)
    page = visit.open(f"/projects/{project}/label")
    page.wait_for_selector("#card:not([hidden])", timeout=WAIT_MS)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    direction = page.evaluate("getComputedStyle(document.getElementById('text')).direction")
    assert direction == ("rtl" if page.inner_text("#text") == ARABIC else "ltr")
    found = Axe().run(page).response["violations"]
    assert not found, json.dumps(found)[:2_000]
    assert not visit.complaints


def test_on_a_phone_many_buttons_leave_the_text_in_sight(browser: Browser, server: Server) -> None:
    page = Visit(browser, server, width=360).open(f"/projects/{project_of(server, 'label of 30')}/label")
    page.wait_for_selector("#card:not([hidden])", timeout=WAIT_MS)
    at_the_text = """() => {
      const {x, y, height} = document.getElementById("text").getBoundingClientRect();
      return document.elementFromPoint(x + 5, y + height / 2).id;
    }"""
    assert page.evaluate(at_the_text) == "text"
