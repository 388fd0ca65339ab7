"""The whole path of a project with the browser alone, from logging in to an export."""

from __future__ import annotations

import json

from playwright.sync_api import Browser, FilePayload, Page

from nextlabel.v1 import labeling_service_pb2 as pb
from tests.api.services.conftest import label
from tests.web.conftest import Server
from tests.web.visits import Visit, all_saved

PROJECT = "from-the-browser"
LABELED, UNLABELED = 24, 30
LEARNING_MS = 60_000
"""A server that has just started loads the learner at its first training."""
CLASSES = ("billing", "delivery")
SAID = ("please send the money back to my account, case {}", "the parcel never came to my door, case {}")


def tickets() -> FilePayload:
    """A file as spreadsheets write it; the first rows have a label, a part of which evaluates."""
    rows = [f"{n};{SAID[n % 2].format(n)};{CLASSES[n % 2] if n < LABELED else ''}" for n in range(LABELED + UNLABELED)]
    content = "\n".join(["Nr;Nachricht;Thema", *rows]).encode("cp1252")
    return FilePayload(name="tickets.csv", mimeType="text/csv", buffer=content)


def created(page: Page) -> None:
    page.click("text=New project")
    page.fill("input[name=name]", PROJECT)
    page.fill("textarea[name=classes]", "\n".join(CLASSES))
    page.click("main button")
    page.set_input_files("input[name=file]", tickets())
    for field, value in (("text", "Nachricht"), ("id", "Nr"), ("label", "Thema"), ("evaluate", "50")):
        page.fill(f"input[name={field}]", value)
    page.click("main button")
    page.wait_for_selector(f"text={LABELED + UNLABELED} items are new", timeout=LEARNING_MS)
    assert "labels are kept" in page.inner_text("main")


def started(page: Page, items_a_round: int) -> None:
    page.click("section >> text=Start a run")
    page.fill("input[name=batch_size]", str(items_a_round))
    page.click("text=Show what it costs")
    page.click("text=Start it")
    page.wait_for_selector("td:text-is('running')", timeout=LEARNING_MS)


def answered(page: Page, count: int) -> list[str]:
    """Give the right answer by key to items as they come; return their texts."""
    given = []
    for _ in range(count):
        page.wait_for_selector("#card:not([hidden])", timeout=LEARNING_MS)
        given.append(page.inner_text("#text"))
        page.keyboard.press("1" if "money" in given[-1] else "2")
    all_saved(page)
    return given


def limited(page: Page, labels: int) -> None:
    page.select_option("select[name=dimension]", "labels")
    page.fill("input[name=limit]", str(labels))
    page.check("text=Yes, change it")
    page.click("button:text-is('Set')")
    page.wait_for_selector("[aria-label=Budgets]")


def disagreed(server: Server, item_id: str) -> None:
    """Another person says of an item what nobody else said."""
    answer = pb.SubmittedAnnotation(item_id=item_id, answer=label(CLASSES[1 - int(item_id) % 2]))
    asked = pb.SubmitAnnotationsRequest(project=PROJECT, annotator="eve", annotations=[answer])
    (result,) = server.api().labeling.SubmitAnnotations(asked).results
    assert result.status == pb.SUBMIT_STATUS_ACCEPTED


def test_a_project_goes_its_whole_way_with_the_browser_alone(browser: Browser, server: Server) -> None:
    visit = Visit(browser, server)
    visit.context.set_default_timeout(LEARNING_MS)
    page = visit.open("/")
    created(page)
    started(page, 6)
    bob = Visit(browser, server, name="bob")
    desk = bob.open(f"/projects/{PROJECT}/label")
    first = answered(desk, 6)

    # The curve comes by itself, and moves.
    page.wait_for_selector("img.plot", timeout=LEARNING_MS)
    drawn = str(page.get_attribute("img.plot", "src"))
    second = answered(desk, 6)
    page.wait_for_selector(f"img.plot:not([src='{drawn}'])", timeout=LEARNING_MS)
    assert page.evaluate("document.querySelector('img.plot').decode().then(() => true)")

    for turn, state in (("Pause", "paused"), ("Resume", "running")):
        page.click(f"button[aria-label^='{turn} run']")
        page.wait_for_selector(f"td:text-is('{state}')", timeout=LEARNING_MS)

    # What is on lease was reserved before and is still taken; nothing after it.
    third = answered(desk, 2)
    spent = int(page.locator("[aria-label=Runs] tbody tr td").nth(3).inner_text())
    limited(page, spent)
    third += answered(desk, 4)
    page.wait_for_selector("td:has-text('budget')", timeout=LEARNING_MS)
    run = page.locator("[aria-label=Runs] tbody tr td").all_inner_texts()
    assert (run[0], run[3]) == ("finished", str(len({*first, *second, *third})))
    assert not page.locator("button[aria-label^='Stop run']").count()

    desk.keyboard.press("u")
    corrected = desk.inner_text("#text")
    assert corrected == third[-1]
    desk.keyboard.press("2" if "money" in corrected else "1")
    all_saved(desk)

    limited(page, 1_000)
    disputed = first[0].rsplit(" ", 1)[1]
    disagreed(server, disputed)
    page.reload()
    page.click("text=worth another look", timeout=LEARNING_MS)
    page.wait_for_selector("#doubted:not([hidden])")
    while page.inner_text("#text") != first[0]:
        page.keyboard.press("s")
    page.keyboard.press("1" if "money" in first[0] else "2")
    all_saved(page)

    visit.open(f"/projects/{PROJECT}")
    with page.expect_download() as download:
        page.click("text=Export annotations")
    exported = [json.loads(line) for line in download.value.path().read_text().splitlines()]
    said = [(record["provenance"]["annotator"], record["item_id"], record["outcome"]) for record in exported]
    assert {annotator for annotator, _, _ in said} >= {"ann", "bob", "eve"}
    assert [item_id for who, item_id, outcome in said if (who, outcome) == ("ann", "OUTCOME_LABEL")] == [disputed]
    assert visit.complaints == bob.complaints == []
