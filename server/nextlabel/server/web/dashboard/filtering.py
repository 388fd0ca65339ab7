"""Filters: rules with names, what they leave out and why, and items that are brought back."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from nextlabel.client.errors import NextlabelError
from nextlabel.server.values.errors import InvalidArgument
from nextlabel.server.values.ids import new_id
from nextlabel.server.web.boundary.backend import PATIENCE_S
from nextlabel.server.web.boundary.choices import one_of
from nextlabel.server.web.boundary.rendering import page
from nextlabel.server.web.boundary.sessions import visitor
from nextlabel.v1 import project_service_pb2 as projects_pb
from nextlabel.v1 import quality_service_pb2 as pb

PAGE_ROWS = 50
_MOST_FILTERS = 50
_WRONG = frozenset({"INVALID_ARGUMENT", "FAILED_PRECONDITION"})
_DECISIONS = {"keep": False, "release": True}


async def show(request: Request) -> Response:
    """Show the filters, and what a rule in the address names; what they leave out is asked for by the page."""
    query = request.query_params
    name, rule = query.get("name", ""), query.get("rule", "").strip()
    if not rule:
        return await _shown(request, name)
    who = visitor(request)
    asked = pb.ListFilterHitsRequest(
        project=request.path_params["project"],
        rule=rule,
        page_size=PAGE_ROWS,
        page_token=query.get("page", ""),
    )
    try:
        tried = await who.call(who.backend.quality.ListFilterHits, asked)
    except NextlabelError as error:
        if error.code.name not in _WRONG:
            raise
        return await _shown(request, name, rule, problem=error.message)
    return await _shown(request, name, rule, tried=tried)


async def left_out(request: Request) -> Response:
    """Return the part of the page that says what filters leave out and what is kept in spite of it, or asks again."""
    name = request.path_params["project"]
    who = visitor(request)
    asked = pb.ListFilteredLabelsRequest(
        project=name, page_size=PAGE_ROWS, page_token=request.query_params.get("left", "")
    )
    try:
        found = await who.call(who.backend.quality.ListFilteredLabels, asked, PATIENCE_S)
    except NextlabelError as error:
        if error.code.name != "DEADLINE_EXCEEDED":
            raise
        return page(request, "left_out.html", project_name=name, again=request.url)
    of_kept = pb.ListKeptItemsRequest(
        project=name, page_size=PAGE_ROWS, page_token=request.query_params.get("kept", "")
    )
    kept = await who.call(who.backend.quality.ListKeptItems, of_kept)
    return page(request, "left_out.html", project_name=name, found=found, kept=kept)


async def set_filter(request: Request) -> Response:
    """Give a rule a name, from when on it leaves out what it names."""
    name = request.path_params["project"]
    who = visitor(request)
    form = await request.form()
    asked = pb.SetFilterRequest(
        request_id=str(form.get("request_id") or new_id()),
        project=name,
        name=str(form.get("name", "")).strip(),
        rule=str(form.get("rule", "")).strip(),
    )
    if not asked.rule:
        return await _shown(request, asked.name, problem="rule: say what the labels have in common")
    try:
        await who.call(who.backend.quality.SetFilter, asked)
    except NextlabelError as error:
        if error.code.name not in _WRONG:
            raise
        return await _shown(request, asked.name, asked.rule, problem=error.message)
    return RedirectResponse(f"/projects/{name}/filters", 303)


async def turn_filter(request: Request) -> Response:
    """Enable, disable or remove a filter."""
    name, turn = request.path_params["project"], request.path_params["turn"]
    who = visitor(request)
    of_filter = {"request_id": new_id(), "project": name, "name": request.path_params["filter"]}
    if turn == "remove":
        await who.call(who.backend.quality.RemoveFilter, pb.RemoveFilterRequest(**of_filter))
    elif turn in ("enable", "disable"):
        asked = pb.SetFilterRequest(**of_filter, disabled=turn == "disable")
        await who.call(who.backend.quality.SetFilter, asked)
    else:
        raise InvalidArgument.field("turn", f"expected enable, disable or remove, got {turn!r}")
    return RedirectResponse(f"/projects/{name}/filters", 303)


async def keep_item(request: Request) -> Response:
    """Bring an item back, or leave it to the filters again."""
    name = request.path_params["project"]
    who = visitor(request)
    form = await request.form()
    asked = pb.KeepItemsRequest(
        request_id=new_id(),
        project=name,
        item_ids=[str(form.get("item_id", ""))],
        release=one_of(_DECISIONS, str(form.get("decision", "")), "decision"),
    )
    await who.call(who.backend.quality.KeepItems, asked)
    return RedirectResponse(f"/projects/{name}/filters", 303)


async def _shown(
    request: Request,
    name: str,
    rule: str = "",
    *,
    tried: pb.ListFilterHitsResponse | None = None,
    problem: str = "",
) -> Response:
    project = request.path_params["project"]
    who = visitor(request)
    asked = pb.ListFiltersRequest(project=project, page_size=_MOST_FILTERS)
    filters = (await who.call(who.backend.quality.ListFilters, asked)).filters
    of_judges = pb.ListLabelJudgesRequest(project=project)
    judges = (await who.call(who.backend.quality.ListLabelJudges, of_judges)).judges
    of_project = projects_pb.GetProjectRequest(project=project)
    classes = (await who.call(who.backend.projects.GetProject, of_project)).project.label_space.classes
    return page(
        request,
        "filters.html",
        status=400 if problem else 200,
        project_name=project,
        filters=filters,
        judges=judges,
        a_class=classes[0].name if classes else "",
        name=name,
        rule=rule,
        tried=tried,
        problem=problem,
        left=request.query_params.get("left", ""),
        kept=request.query_params.get("kept", ""),
    )
