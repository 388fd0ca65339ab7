"""The page of accuracies: every kind of figure with both of its intervals."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import grpc
import httpx2
import pytest
from playwright.sync_api import Browser

from nextlabel.server.web.app import web_app
from nextlabel.server.web.boundary.backend import Backend
from nextlabel.v1 import quality_service_pb2 as pb
from nextlabel.v1.report_service_pb2 import Estimate
from tests.web.conftest import Server, violations, visitor
from tests.web.visits import WAIT_MS, Visit


def figure(kind: pb.FigureKind.ValueType, value: float, half: float, *, anytime: bool = False) -> pb.Figure:
    estimate = Estimate(value=value, low=value - half, high=value + half, items=120)
    return pb.Figure(kind=kind, estimate=estimate, anytime=anytime)


def both(kind: pb.FigureKind.ValueType, value: float) -> list[pb.Figure]:
    return [figure(kind, value, 0.05), figure(kind, value, 0.1, anytime=True)]


async def part(name: str, **answers: Callable[..., Any]) -> str:
    """A part of the page over a service that has nothing but some answers about quality."""
    backend = Backend(grpc.aio.insecure_channel("127.0.0.1:1"), "the server")
    backend.__dict__["quality"] = SimpleNamespace(**answers)
    transport = httpx2.ASGITransport(web_app(backend, frozenset({"127.0.0.1"})))
    async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        shown = (await client.get(f"/projects/tickets/accuracy/{name}")).text
    await backend.close()
    assert not violations(shown)
    return shown


async def test_a_figure_is_one_line_with_the_interval_for_one_look_and_the_watched_one() -> None:
    async def accuracy(request: pb.GetAccuracyRequest, **_: Any) -> pb.GetAccuracyResponse:
        assert request.by == "site"
        english = pb.Slice(
            value="<b>en",
            model=figure(pb.FIGURE_KIND_HOLDOUT, 0.7, 0.1),
            model_gap=Estimate(value=-0.05, low=-0.2, high=0.1, items=9),
            labeled=4,
            classes=[pb.ClassLabels(label="spam", items=3)],
            drawn=[figure(pb.FIGURE_KIND_AUDIT, 0.3, 0.2), figure(pb.FIGURE_KIND_PREDICTION_POWERED, 0.35, 0.1)],
        )
        model = [*both(pb.FIGURE_KIND_AUDIT, 0.5), *both(pb.FIGURE_KIND_PREDICTION_POWERED, 0.75)]
        return pb.GetAccuracyResponse(
            model=model,
            labels=[figure(pb.FIGURE_KIND_GOLD, 0.6, 0.2, anytime=True)],
            annotators=[pb.AnnotatorAccuracy(annotator="<i>mini", figures=both(pb.FIGURE_KIND_AUDIT, 0.85))],
            slices=[english],
        )

    shown = await part("model?by=site", GetAccuracy=accuracy)
    for said in ("audit draws", "draws and predictions", "45.0 % to 55.0 %", "40.0 % to 60.0 %", "65.0 % to 85.0 %"):
        assert said in shown
    assert "&lt;i&gt;mini on the pool" in shown
    assert "80.0 % to 90.0 %" in shown
    assert shown.count("<circle") == 4
    assert 'class="watched" d="M334.0' in shown  # 40 % of a line that begins at 222 and is 280 long
    assert "-5.0 points <small>-20.0 to +10.0" in shown
    assert "&lt;b&gt;en" in shown
    assert "30.0 % <small>10.0 % to 50.0 %" in shown
    assert "35.0 % <small>25.0 % to 45.0 %" in shown
    assert "spam 75 %" in shown


async def test_shares_are_drawn_up_to_the_highest_end_and_scores_between_theirs() -> None:
    async def shares(request: pb.GetClassSharesRequest, **_: Any) -> pb.GetClassSharesResponse:
        rare = pb.ClassShare(label="rare", figures=[figure(pb.FIGURE_KIND_AUDIT, 0.1, 0.1)])
        part = pb.SliceShares(value="en", draws=30, shares=[rare])
        return pb.GetClassSharesResponse(shares=[rare], draws=60, unanswered_draws=7, slices=[part])

    async def scores(request: pb.GetClassSharesRequest, **_: Any) -> pb.GetClassSharesResponse:
        return pb.GetClassSharesResponse(mean_score=[figure(pb.FIGURE_KIND_AUDIT, 3.5, 0.25)], draws=60)

    shown = await part("shares", GetClassShares=shares)
    assert shown.count("<svg") == 2  # of the pool, and of its part
    assert "M222.0 15H502.0" in shown
    assert "7 draws have no label by people yet" in shown
    assert "3.25 to 3.75" in await part("shares", GetClassShares=scores)


async def test_ways_to_join_answers_are_compared_on_gold() -> None:
    async def ways(request: pb.CompareConsensusRequest, **_: Any) -> pb.CompareConsensusResponse:
        methods = [pb.ConsensusMethod(name="glad", on_gold=figure(pb.FIGURE_KIND_GOLD, 0.8, 0.1))]
        return pb.CompareConsensusResponse(methods=methods, chosen="glad", shared_items=5, gold_items=40)

    shown = await part("joining", CompareConsensus=ways)
    assert "<strong>glad</strong> suits this project" in shown
    assert "70.0 % to 90.0 %" in shown


async def test_what_a_promise_leaves_to_people_is_told_of_each_source() -> None:
    async def delivery(request: pb.GetDeliveryRequest, **_: Any) -> pb.GetDeliveryResponse:
        assert request.accuracy == 0.9
        proof = pb.Certificate(threshold=0.75, gold_items=80, right=79, lower_bound=0.93)
        share = Estimate(value=0.8, low=0.7, high=0.9, items=100)
        return pb.GetDeliveryResponse(
            accuracy=0.9,
            tested=[
                pb.TestedSource(annotator="<i>mini", certificate=proof, accuracy=share, labels=400),
                pb.TestedSource(annotator="learner", accuracy=share, missing_gold=35),
            ],
            untested=[pb.UntestedSource(annotator="other", why="it was asked about a part")],
            accepted_by="<i>mini",
            items=[
                pb.SourceCount(source=pb.LABEL_SOURCE_LLM, items=700),
                pb.SourceCount(source=pb.LABEL_SOURCE_NOBODY, items=20),
            ],
            accepted=400,
            expected_accuracy=share,
            measured_accuracy=both(pb.FIGURE_KIND_AUDIT, 0.55),
        )

    shown = await part("delivery?promise=90", GetDelivery=delivery)
    assert "400 <small>of 720 labels, under the promise that 90.0 % are right" in shown
    assert "<strong>&lt;i&gt;mini</strong>: 400 labels with a score from 0.750 hold the promise: 79 of 80" in shown
    assert "35 more gold items are needed" in shown
    assert "other was not tested: it was asked about a part" in shown
    assert "50.0 % to 60.0 %" in shown
    assert shown.count("<circle") == 4
    assert "above 0 and below 100" in await part("delivery?promise=100", GetDelivery=delivery)


def test_what_cannot_be_told_says_why(server: Server) -> None:
    api = server.api()
    project = api.filled(3)
    with visitor(server) as client:
        assert f'href="/projects/{project}/accuracy"' in client.get(f"/projects/{project}").text
        for name in ("model", "shares"):
            shown = client.get(f"/projects/{project}/accuracy/{name}").text
            assert "Nothing is known yet" in shown
            assert f'href="/projects/{project}/audit"' in shown
        assert "20 gold items" in client.get(f"/projects/{project}/accuracy/joining").text
        api.submit(project, "ann", range(1))
        assert "Not told: " in client.get(f"/projects/{project}/accuracy/model?by=nowhere").text
        assert client.get("/projects/nowhere/accuracy").status_code == 404


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_fits_a_phone(browser: Browser, server: Server, scheme: str) -> None:
    api = server.api()
    project = api.filled(30, holdout=10)
    api.submit(project, "ann", range(10))
    visit = Visit(browser, server, scheme=scheme, width=375)
    page = visit.open(f"/projects/{project}/accuracy")
    page.wait_for_selector("[role=status]", state="detached", timeout=WAIT_MS)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert not visit.complaints
