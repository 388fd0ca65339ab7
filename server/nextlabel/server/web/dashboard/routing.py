"""Who should label the rest of the pool for a budget, and what became of plans that runs carry out."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from starlette.datastructures import FormData, QueryParams
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from nextlabel.client import specs
from nextlabel.client.transport.connection import LONG_CALL_S
from nextlabel.server.values.errors import InvalidArgument
from nextlabel.server.web.boundary.backend import Visitor
from nextlabel.server.web.boundary.rendering import page
from nextlabel.server.web.boundary.sessions import visitor
from nextlabel.server.web.dashboard.curves import or_why
from nextlabel.v1 import project_service_pb2 as projects_pb
from nextlabel.v1 import quality_service_pb2 as pb
from nextlabel.v1 import run_service_pb2 as runs_pb

_RUNS_LOOKED_AT = 200
_RUNS_SHOWN = 3
_LISTENING_S = 2.0


@dataclass(slots=True)
class CarriedOut:
    """A run by a plan: the plan, None until there is one, and the steps that began, in their order."""

    run: runs_pb.Run
    plan: runs_pb.RoutePlanned | None = None
    steps: list[runs_pb.RouteStepStarted] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Wish:
    """What a plan is made for: money in millionths of a dollar, and what an answer of each annotator costs."""

    budget: int
    prices: Sequence[tuple[str, int]]
    person: int

    @classmethod
    def of(cls, given: QueryParams | FormData) -> Wish:
        """Read the fields of the form; an annotator a line, NAME or NAME=DOLLARS.

        Raises:
            InvalidArgument: a field holds something else.
        """
        lines = str(given.get("annotators", "")).split("\n")
        prices = [_price(line.strip()) for line in lines if line.strip()]
        return cls(_micro_usd(given, "budget"), prices, _micro_usd(given, "person"))


async def show(request: Request) -> Response:
    """Show the form, and the plans that runs carry out."""
    name = request.path_params["project"]
    who = visitor(request)
    await who.call(who.backend.projects.GetProject, projects_pb.GetProjectRequest(project=name))
    asked = runs_pb.ListRunsRequest(project=name, page_size=_RUNS_LOOKED_AT)
    runs = (await who.call(who.backend.runs.ListRuns, asked)).runs
    by_plan = [run for run in runs if run.spec.annotator.WhichOneof("kind") == "route"][:_RUNS_SHOWN]
    carried_out = await asyncio.gather(*(_carried_out(who, name, run) for run in by_plan))
    return page(request, "routes.html", project_name=name, carried_out=carried_out)


async def plan(request: Request) -> Response:
    """Return the part with the plan for a budget, or why there is none."""
    who, wish = visitor(request), Wish.of(request.query_params)
    asked = pb.QuoteRoutesRequest(
        project=request.path_params["project"],
        budget_micro_usd=wish.budget,
        annotators=[pb.AnnotatorPrice(annotator=name, micro_usd=price) for name, price in wish.prices],
        person_micro_usd=wish.person,
    )
    found = await or_why(who.call(who.backend.quality.QuoteRoutes, asked, LONG_CALL_S))
    if isinstance(found, str):
        return page(request, "route_plan.html", why_none=found)
    return page(request, "route_plan.html", found=found, project_name=asked.project, query=request.query_params)


async def carry_out(request: Request) -> Response:
    """Start a run that asks about gold, plans and asks in turn."""
    name = request.path_params["project"]
    who, form = visitor(request), await request.form()
    wish = Wish.of(form)
    try:
        members = [(specs.named(annotator), price / 1e6) for annotator, price in wish.prices]
    except ValueError as error:
        raise InvalidArgument.field("annotators", str(error)) from error
    spec = specs.run_spec(specs.route(members, person_usd=wish.person / 1e6), budget_usd=wish.budget / 1e6)
    asked = runs_pb.StartRunRequest(request_id=str(form.get("request_id", "")), project=name, spec=spec)
    await who.call(who.backend.runs.StartRun, asked)
    return RedirectResponse(f"/projects/{name}/routes", 303)


async def _carried_out(who: Visitor, project: str, run: runs_pb.Run) -> CarriedOut:
    """Return what a run tells of its plan so far; one that goes on is listened to for two seconds."""
    found = CarriedOut(run)
    asked = runs_pb.WatchRunRequest(project=project, run_id=run.run_id)
    try:
        async with asyncio.timeout(_LISTENING_S):
            async for told in who.stream(who.backend.runs.WatchRun, asked):
                match told.event.WhichOneof("event"):
                    case "route_planned":
                        found.plan = told.event.route_planned
                    case "route_step_started":
                        found.steps.append(told.event.route_step_started)
    except TimeoutError:
        pass
    return found


def _price(line: str) -> tuple[str, int]:
    name, equals, price = line.rpartition("=")
    if not equals:
        return line, 0
    return name.strip(), _in_micro_usd(price, "annotators", f"{line!r}: expected NAME or NAME=DOLLARS")


def _micro_usd(given: QueryParams | FormData, name: str) -> int:
    said = str(given.get(name, "")).strip()
    return _in_micro_usd(said or "0", name, f"expected dollars such as 0.05, got {said!r}")


def _in_micro_usd(dollars: str, name: str, problem: str) -> int:
    try:
        amount = float(dollars)
    except ValueError:
        amount = -1.0
    if not 0 <= amount < 1e6:
        raise InvalidArgument.field(name, problem)
    return round(amount * 1e6)
