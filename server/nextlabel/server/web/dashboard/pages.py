"""The operators' pages: projects, figures, items, guidelines, books."""

from __future__ import annotations

import difflib
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse

from nextlabel.server.values.errors import InvalidArgument
from nextlabel.server.values.ids import new_id
from nextlabel.server.web.boundary.choices import one_of
from nextlabel.server.web.boundary.rendering import page
from nextlabel.server.web.boundary.sessions import visitor
from nextlabel.server.web.dashboard.spending import pace
from nextlabel.v1 import annotation_pb2, pool_pb2, pool_service_pb2
from nextlabel.v1 import budget_service_pb2 as budgets_pb
from nextlabel.v1 import labeling_service_pb2 as labeling_pb
from nextlabel.v1 import learner_service_pb2 as learner_pb
from nextlabel.v1 import project_service_pb2 as projects_pb
from nextlabel.v1 import report_service_pb2 as reports_pb
from nextlabel.v1 import run_service_pb2 as runs_pb

PAGE_ROWS = 50
# What can be asked of a run by the state that it is in.
_TURNS = {
    runs_pb.RUN_STATE_PENDING: ("pause", "stop"),
    runs_pb.RUN_STATE_RUNNING: ("pause", "stop"),
    runs_pb.RUN_STATE_PAUSED: ("resume", "stop"),
}
_DIMENSIONS = {
    "labels": budgets_pb.BUDGET_DIMENSION_LABELS,
    "tokens": budgets_pb.BUDGET_DIMENSION_TOKENS,
    "usd": budgets_pb.BUDGET_DIMENSION_MICRO_USD,
}


async def projects(request: Request) -> Response:
    """List the projects that the visitor may see."""
    who = visitor(request)
    asked = projects_pb.ListProjectsRequest(page_size=PAGE_ROWS, page_token=request.query_params.get("page", ""))
    found = await who.call(who.backend.projects.ListProjects, asked)
    return page(request, "projects.html", projects=found.projects, next_page=found.next_page_token)


async def overview(request: Request) -> Response:
    """Show a project; its figures follow what happens."""
    return page(request, "overview.html", **await _overview(request))


async def overview_figures(request: Request) -> Response:
    """Return the part of the overview that changes."""
    return page(request, "figures.html", **await _overview(request))


async def _overview(request: Request) -> dict[str, Any]:
    name = request.path_params["project"]
    who = visitor(request)
    backend = who.backend
    project = (await who.call(backend.projects.GetProject, projects_pb.GetProjectRequest(project=name))).project
    figures = (await who.call(backend.reports.GetOverview, reports_pb.GetOverviewRequest(project=name))).overview
    curve = await who.call(backend.reports.GetLearningCurve, reports_pb.GetLearningCurveRequest(project=name))
    runs = (await who.call(backend.runs.ListRuns, runs_pb.ListRunsRequest(project=name, page_size=PAGE_ROWS))).runs
    budgets = await who.call(backend.budgets.ListBudgets, budgets_pb.ListBudgetsRequest(project=name))
    quality = await who.call(backend.reports.GetAnnotatorReport, reports_pb.GetAnnotatorReportRequest(project=name))
    now = datetime.now(UTC)
    model = None
    if project.model_version:
        asked = learner_pb.GetModelVersionRequest(project=name, version=project.model_version)
        model = (await who.call(backend.learner.GetModelVersion, asked)).model_version
    return {
        "project": project,
        "model": model,
        "text_type": annotation_pb2.ANNOTATION_TYPE_TEXT,
        "figures": figures,
        "points": curve.learning_curve.points,
        "runs": runs,
        "warnings": standing_warnings(runs),
        "turns": {run.run_id: _TURNS.get(run.state, ()) for run in runs},
        "budgets": [(budget, pace(budget, runs, now)) for budget in budgets.budgets if not budget.run],
        "annotators": quality.annotators,
    }


def standing_warnings(runs: Sequence[runs_pb.Run]) -> list[str]:
    """Return what is to be known of the models of the newest run and of those that have not ended, each once."""
    in_use = [run for place, run in enumerate(runs) if not place or run.state in _TURNS]
    return list(dict.fromkeys(warning for run in in_use for warning in run.warnings))


async def items(request: Request) -> Response:
    """List items with their state and consensus."""
    query = request.query_params
    who = visitor(request)
    state, split = query.get("state", ""), query.get("split", "")
    asked = pool_service_pb2.ListItemsRequest(
        project=request.path_params["project"],
        state=_enum(pool_pb2.ItemState, "ITEM_STATE_", state, "state"),
        split=_enum(pool_pb2.Split, "SPLIT_", split, "split"),
        page_size=PAGE_ROWS,
        page_token=query.get("page", ""),
    )
    found = await who.call(who.backend.pool.ListItems, asked)
    return page(
        request,
        "items.html",
        project_name=request.path_params["project"],
        items=found.items,
        next_page=found.next_page_token,
        state=state,
        split=split,
        states=_names(pool_pb2.ItemState, "ITEM_STATE_"),
        splits=_names(pool_pb2.Split, "SPLIT_"),
    )


async def guidelines(request: Request) -> Response:
    """Show the versions of the guidelines, each with what it changed."""
    name = request.path_params["project"]
    who = visitor(request)
    asked = projects_pb.ListGuidelinesRequest(project=name, page_size=PAGE_ROWS)
    versions = (await who.call(who.backend.projects.ListGuidelines, asked)).guidelines
    texts = {version.version: version.text for version in versions}
    shown = [(version, _changes(texts.get(version.base_version, ""), version.text)) for version in versions]
    return page(request, "guidelines.html", project_name=name, versions=shown)


async def decide_guidelines(request: Request) -> Response:
    """Put a version in force, or turn it down."""
    name, version = request.path_params["project"], request.path_params["version"]
    who = visitor(request)
    form = await request.form()
    if form.get("decision") == "accept":
        accept = projects_pb.AcceptGuidelinesRequest(request_id=new_id(), project=name, version=version)
        await who.call(who.backend.projects.AcceptGuidelines, accept)
    else:
        reject = projects_pb.RejectGuidelinesRequest(request_id=new_id(), project=name, version=version)
        await who.call(who.backend.projects.RejectGuidelines, reject)
    return RedirectResponse(f"/projects/{name}/guidelines", 303)


async def ledger(request: Request) -> Response:
    """Show the books, oldest first."""
    name = request.path_params["project"]
    who = visitor(request)
    asked = budgets_pb.ListLedgerEntriesRequest(
        project=name, page_size=PAGE_ROWS, page_token=request.query_params.get("page", "")
    )
    found = await who.call(who.backend.budgets.ListLedgerEntries, asked)
    return page(request, "ledger.html", project_name=name, entries=found.entries, next_page=found.next_page_token)


async def set_budget(request: Request) -> Response:
    """Set a limit of the project, or lift it."""
    name = request.path_params["project"]
    who = visitor(request)
    form = await request.form()
    dimension = str(form.get("dimension", ""))
    asked = budgets_pb.SetBudgetRequest(
        request_id=str(form.get("request_id") or new_id()),
        project=name,
        dimension=one_of(_DIMENSIONS, dimension, "dimension"),
        window=budgets_pb.BUDGET_WINDOW_DAY if form.get("window") == "day" else budgets_pb.BUDGET_WINDOW_TOTAL,
    )
    limit = str(form.get("limit", "")).strip()
    if limit:
        asked.limit = _amount(limit, dimension)
    await who.call(who.backend.budgets.SetBudget, asked)
    return RedirectResponse(f"/projects/{name}", 303)


async def turn_run(request: Request) -> Response:
    """Pause, resume or stop a run."""
    name, turn = request.path_params["project"], request.path_params["turn"]
    who = visitor(request)
    of_run = {"request_id": new_id(), "project": name, "run_id": request.path_params["run"]}
    if turn == "pause":
        await who.call(who.backend.runs.PauseRun, runs_pb.PauseRunRequest(**of_run))
    elif turn == "resume":
        await who.call(who.backend.runs.ResumeRun, runs_pb.ResumeRunRequest(**of_run))
    elif turn == "stop":
        await who.call(who.backend.runs.StopRun, runs_pb.StopRunRequest(**of_run))
    else:
        raise InvalidArgument.field("turn", f"expected pause, resume or stop, got {turn!r}")
    return RedirectResponse(f"/projects/{name}", 303)


async def export(request: Request) -> Response:
    """Hand the annotations out as JSON Lines."""
    name = request.path_params["project"]
    who = visitor(request)
    asked = labeling_pb.ExportAnnotationsRequest(project=name, format=labeling_pb.EXPORT_FORMAT_RECORDS)
    responses = who.stream(who.backend.labeling.ExportAnnotations, asked)
    # The first part is waited for, so that a refusal becomes a page and not a cut-off file.
    first = await anext(responses, None)

    async def lines() -> AsyncIterator[bytes]:
        if first is not None:
            yield first.lines
        async for response in responses:
            yield response.lines

    headers = {"content-disposition": f'attachment; filename="{name}.jsonl"'}
    return StreamingResponse(lines(), media_type="application/jsonl", headers=headers)


def _changes(before: str, after: str) -> list[str]:
    """Return the lines of a unified difference, without its headings."""
    lines = list(difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=2))
    return lines[2:]


def _amount(limit: str, dimension: str) -> int:
    """Return a limit in the unit of the API; dollars may have decimals."""
    try:
        number = float(limit.replace(",", ""))
    except ValueError:
        number = -1.0
    if not 0 <= number < 1e12 or (dimension != "usd" and not number.is_integer()):
        kind = "an amount of dollars such as 2.50" if dimension == "usd" else "a whole number"
        raise InvalidArgument.field("limit", f"expected {kind}, or nothing for no limit; got {limit!r}")
    return round(number * 1e6) if dimension == "usd" else int(number)


def _names(enum: Any, prefix: str) -> list[str]:
    return [name.removeprefix(prefix).lower() for name in enum.keys()[1:]]


def _enum(enum: Any, prefix: str, name: str, field: str) -> Any:
    if not name:
        return 0
    return one_of({n: enum.Value(prefix + n.upper()) for n in _names(enum, prefix)}, name, field)
