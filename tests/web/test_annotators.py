"""The page about annotators shows what the service knows of them, drawn and in tables."""

from __future__ import annotations

import json

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser

from nextlabel.server.web.dashboard.annotators import confusions
from nextlabel.v1 import labeling_service_pb2 as labeling_pb
from nextlabel.v1 import pool_pb2
from nextlabel.v1 import report_service_pb2 as pb
from tests.api.services.conftest import batch, header, items, label, matrix, request_id, true_class
from tests.web.conftest import Server
from tests.web.visits import Visit

GIVEN = {n: true_class(n) if n < 20 or n % 2 else "warm" for n in range(40)}


def answered(server: Server) -> str:
    """A project of 40 gold items; ann takes the last ten cold ones for warm, surer of the first half."""
    api = server.api()
    project = api.project()
    gold = items(40, split=pool_pb2.SPLIT_GOLD)
    assert not list(api.pool.AddItems(iter([header(project, request_id()), batch(1, gold, matrix(40))])))[-1].errors
    given = [
        labeling_pb.SubmittedAnnotation(item_id=f"item-{n}", answer=label(name), confidence=0.9 if n < 20 else 0.6)
        for n, name in GIVEN.items()
    ]
    results = api.labeling.SubmitAnnotations(
        labeling_pb.SubmitAnnotationsRequest(project=project, annotator="ann", annotations=given)
    ).results
    assert {result.status for result in results} == {labeling_pb.SUBMIT_STATUS_ACCEPTED}
    return project


def test_quality_is_drawn_and_stands_in_tables_as_the_service_gives_it(browser: Browser, server: Server) -> None:
    project = answered(server)
    report = server.api().reports.GetAnnotatorReport(pb.GetAnnotatorReportRequest(project=project)).annotators[0]
    visit = Visit(browser, server)
    visit.open(f"/projects/{project}").click("main td a, main th a:has-text('ann')")
    page = visit.page
    assert page.url.endswith("/annotators?annotator=ann")
    assert "75.0 %" in page.inner_text(".cards")
    cells = [row.all_inner_texts() for row in page.locator(".matrix tbody tr td").all()]
    shown = [int(text) for (text,) in cells if text.isdecimal()]
    assert shown == [count for known in report.on_gold.classes for count in known.given] == [10, 10, 0, 20]
    drawn = [known for known in report.reliability if known.items]
    assert page.locator(".calibration circle").count() == len(drawn) > 1
    with page.expect_download() as download:
        page.click("text=Download the figures")
    told = json.loads(download.value.path().read_text())
    assert told["annotators"][0]["goldAccuracy"]["value"] == 0.75
    found = Axe().run(page).response["violations"]
    assert not found, json.dumps(found)[:2_000]
    assert not visit.complaints


def test_what_is_confused_most_comes_first() -> None:
    known = [
        pb.ClassAgreement(label="a", given=[5, 1, 4]),
        pb.ClassAgreement(label="b", given=[0, 3, 0]),
        pb.ClassAgreement(label="c", given=[6, 0, 0]),
    ]
    found = confusions(pb.GoldComparison(classes=known))
    assert [(pair.gold, pair.given, pair.items, pair.share) for pair in found] == [
        ("c", "a", 6, 1.0),
        ("a", "c", 4, 0.4),
        ("a", "b", 1, 0.1),
    ]
