"""The page of routes: a plan for a budget, carried out by a run, and two annotators compared on gold."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from types import SimpleNamespace
from typing import Any

import grpc
import httpx2
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser

from nextlabel.server.web.app import web_app
from nextlabel.server.web.boundary.backend import Backend
from nextlabel.v1 import project_service_pb2 as projects_pb
from nextlabel.v1 import quality_service_pb2 as pb
from nextlabel.v1 import run_service_pb2 as runs_pb
from nextlabel.v1.report_service_pb2 import Estimate
from tests.web.conftest import Server, violations
from tests.web.test_annotators import answered
from tests.web.visits import WAIT_MS, Visit

SHARE = Estimate(value=0.9, low=0.8, high=0.95, items=120)
BAD = "<i>bad"


async def asked(path: str, form: dict[str, str] | None = None, **services: SimpleNamespace) -> httpx2.Response:
    """What the pages answer over a service that has nothing but some answers."""
    backend = Backend(grpc.aio.insecure_channel("127.0.0.1:1"), "the server")
    backend.__dict__.update(services)
    transport = httpx2.ASGITransport(web_app(backend, frozenset({"127.0.0.1"})))
    origin = "http://127.0.0.1"
    async with httpx2.AsyncClient(transport=transport, base_url=origin, headers={"origin": origin}) as client:
        address = f"/projects/tickets/{path}"
        answer = await (client.get(address) if form is None else client.post(address, data=form))
    await backend.close()
    assert not violations(answer.text)
    return answer


def serving(**answers: Callable[..., Any]) -> SimpleNamespace:
    return SimpleNamespace(**answers)


async def test_a_plan_says_who_is_asked_and_what_one_alone_would_bring() -> None:
    async def quoted(request: pb.QuoteRoutesRequest, **_: Any) -> pb.QuoteRoutesResponse:
        assert (request.budget_micro_usd, request.person_micro_usd) == (5_000_000, 50_000)
        assert [(one.annotator, one.micro_usd) for one in request.annotators] == [(BAD, 4_000), ("replay:b", 0)]
        steps = [
            pb.RouteStep(items=60, lowest_confidence=0.9, highest_confidence=1.0, accuracy=0.97),
            pb.RouteStep(asked=[BAD, "person"], items=40, highest_confidence=0.9, accuracy=0.8, micro_usd=120_000),
        ]
        alone = pb.LlmAlone(annotator=BAD, items=30, accuracy=0.85)
        return pb.QuoteRoutesResponse(steps=steps, items=100, accuracy=SHARE, micro_usd=120_000, llm_alone=alone)

    query = "budget=5&person=0.05&annotators=%3Ci%3Ebad%3D0.004%0D%0Areplay:b"
    shown = (await asked(f"routes/plan?{query}", quality=serving(QuoteRoutes=quoted))).text
    for said in (
        "90.0 %",
        "80.0 % to 95.0 % of 100 labels, by 120 gold items",
        "85.0 %",
        "$0.12",
        "nobody: the",
    ):
        assert said in shown
    assert "&lt;i&gt;bad, then person" in shown
    assert BAD not in shown


async def test_what_cannot_be_planned_is_said_and_a_price_that_is_none_is_refused() -> None:
    refused = await asked("routes/plan?budget=5&annotators=a=cheap")
    assert refused.status_code == 400
    assert "expected NAME or NAME=DOLLARS" in refused.text
    assert "expected dollars" in (await asked("routes/plan?budget=much")).text


async def test_a_plan_is_carried_out_by_a_run_with_its_money() -> None:
    started: list[runs_pb.StartRunRequest] = []

    async def start(request: runs_pb.StartRunRequest, **_: Any) -> runs_pb.StartRunResponse:
        started.append(request)
        return runs_pb.StartRunResponse()

    form = {"budget": "3", "person": "", "annotators": "anthropic:m=0.004\nreplay:b", "request_id": "id-1"}
    assert (await asked("routes", form, runs=serving(StartRun=start))).status_code == 303
    (request,) = started
    route = request.spec.annotator.route
    assert (request.request_id, request.spec.limits.micro_usd, route.person_micro_usd) == ("id-1", 3_000_000, 0)
    assert [(one.anthropic.model, one.replay.label_set, one.micro_usd) for one in route.members] == [
        ("m", "", 4_000),
        ("", "b", 0),
    ]
    unnamed = await asked("routes", {**form, "annotators": "cheap"}, runs=serving(StartRun=start))
    assert unnamed.status_code == 400
    assert "name it KIND:NAME" in unnamed.text


async def test_steps_of_a_plan_are_told_in_their_order() -> None:
    async def project(request: Any, **_: Any) -> projects_pb.GetProjectResponse:
        return projects_pb.GetProjectResponse()

    async def listed(request: Any, **_: Any) -> runs_pb.ListRunsResponse:
        by_plan = runs_pb.Run(run_id="r1", state=runs_pb.RUN_STATE_RUNNING)
        by_plan.spec.annotator.route.SetInParent()
        return runs_pb.ListRunsResponse(runs=[runs_pb.Run(run_id="other"), by_plan])

    async def told(request: runs_pb.WatchRunRequest, **_: Any) -> AsyncIterator[runs_pb.WatchRunResponse]:
        assert request.run_id == "r1"
        routes = [runs_pb.PlannedRoute(items=7), runs_pb.PlannedRoute(asked=[BAD, "person"], items=9)]
        plan = runs_pb.RoutePlanned(routes=routes, accuracy=0.9, low=0.8, high=0.95, micro_usd=10_000)
        yield runs_pb.WatchRunResponse(event=runs_pb.RunEvent(route_planned=plan))
        for who, detail in ((BAD, ""), ("person", f"{BAD} contradicted 3 of 9 items")):
            step = runs_pb.RouteStepStarted(asked=who, items=9, detail=detail)
            yield runs_pb.WatchRunResponse(event=runs_pb.RunEvent(route_step_started=step))

    runs = serving(ListRuns=listed, WatchRun=told)
    shown = (await asked("routes", projects=serving(GetProject=project), runs=runs)).text
    assert "90.0 % right (80.0 % to 95.0 %) for $0.01" in shown
    assert "9 items: &lt;i&gt;bad, then person" in shown
    assert shown.index(">1<") < shown.index(">2<") < shown.index("contradicted 3 of 9 items")
    assert "Label the items of this step" in shown
    assert BAD not in shown


async def test_judges_are_told_with_what_gold_says_of_them() -> None:
    async def judged(request: Any, **_: Any) -> pb.ListLabelJudgesResponse:
        on_gold = pb.JudgeOnGold(answers=40, accuracy=SHARE, recall=SHARE)
        known = pb.JudgeReport(judge=BAD, right=30, wrong=10, on_gold=on_gold)
        return pb.ListLabelJudgesResponse(judges=[known, pb.JudgeReport(judge="new", right=2)])

    shown = (await asked("annotators/judges", quality=serving(ListLabelJudges=judged))).text
    assert "&lt;i&gt;bad" in shown
    assert shown.count("80.0 % to 95.0 %") == 2
    assert "it has judged no answer about a gold item" in shown


def test_two_annotators_are_compared_and_a_plan_without_a_model_says_why(browser: Browser, server: Server) -> None:
    project = answered(server)
    server.api().submit(project, "<b>bob", range(40))
    visit = Visit(browser, server, width=390)
    page = visit.open(f"/projects/{project}/annotators")
    page.wait_for_selector("text=No LLM has judged labels yet", timeout=WAIT_MS)
    page.fill("input[name=annotator]", "ann")
    page.fill("input[name=successor]", "<b>bob")
    page.click("button:has-text('Compare')")
    page.wait_for_selector("#comparison svg", timeout=WAIT_MS)
    assert "<b>bob against ann: +25.0 (" in page.inner_text("#comparison")
    assert "it is right more often" in page.inner_text("#comparison")
    found = Axe().run(page).response["violations"]
    assert not found, json.dumps(found)[:2_000]
    visit.open(f"/projects/{project}").click("main >> text=Routes")
    page.click("button:has-text('Plan')")
    page.wait_for_selector("#plan:has-text('Not planned')", timeout=WAIT_MS)
    found = Axe().run(page).response["violations"]
    assert not found, json.dumps(found)[:2_000]
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    assert not visit.complaints
