"""Starting a run: what it would cost is shown before it is confirmed."""

from __future__ import annotations

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from nextlabel.server.values.errors import InvalidArgument
from nextlabel.server.web.boundary.rendering import page
from nextlabel.server.web.boundary.sessions import visitor
from nextlabel.v1 import project_service_pb2 as projects_pb
from nextlabel.v1 import run_service_pb2 as pb

_FIELDS = (
    "kind",
    "model",
    "base_url",
    "batch_size",
    "labels",
    "usd",
    "max_rounds",
    "accuracy",
    "items_per_request",
    "advice",
    "criticised",
    "refine_rounds",
    "guard",
)


async def form(request: Request) -> Response:
    """Ask what the run is to do."""
    criticised = request.query_params.get("criticised", "")
    kind = "anthropic" if criticised else "human"
    return await _show(request, {"kind": kind, "batch_size": "20", "criticised": criticised})


async def quote_or_start(request: Request) -> Response:
    """Show the quote of a run, or start it once it is confirmed."""
    name = request.path_params["project"]
    who = visitor(request)
    filled = await request.form()
    spec = _spec(filled)
    if filled.get("confirmed"):
        asked = pb.StartRunRequest(request_id=str(filled.get("request_id", "")), project=name, spec=spec)
        await who.call(who.backend.runs.StartRun, asked)
        return RedirectResponse(f"/projects/{name}", 303)
    quote = await who.call(who.backend.runs.QuoteRun, pb.QuoteRunRequest(project=name, spec=spec))
    return await _show(request, {key: str(filled.get(key, "")) for key in _FIELDS}, quote)


async def _show(request: Request, filled: dict[str, str], quote: pb.QuoteRunResponse | None = None) -> Response:
    name = request.path_params["project"]
    who = visitor(request)
    project = (await who.call(who.backend.projects.GetProject, projects_pb.GetProjectRequest(project=name))).project
    return page(request, "start.html", project=project, filled=filled, quote=quote)


def _spec(filled: FormData) -> pb.RunSpec:
    spec = pb.RunSpec(batch_size=_whole(filled, "batch_size"), max_rounds=_whole(filled, "max_rounds"))
    if labels := _whole(filled, "labels"):
        spec.limits.labels = labels
    if micro_usd := round(_number(filled, "usd") * 1e6):
        spec.limits.micro_usd = micro_usd
    if accuracy := _number(filled, "accuracy"):
        spec.targets.accuracy = accuracy
    if filled.get("criticised"):
        spec.items.criticised = True
    spec.advice = bool(filled.get("advice"))
    prompt = pb.PromptOptions(
        refine_rounds=_whole(filled, "refine_rounds"), items_per_request=_whole(filled, "items_per_request")
    )
    model, base_url = str(filled.get("model", "")).strip(), str(filled.get("base_url", "")).strip()
    match filled.get("kind"):
        case "human":
            spec.annotator.human.SetInParent()
        case "anthropic":
            spec.annotator.anthropic.MergeFrom(pb.AnthropicAnnotator(model=model, base_url=base_url, prompt=prompt))
        case "openai_compatible":
            asked = pb.OpenAiCompatibleAnnotator(model=model, base_url=base_url, prompt=prompt)
            spec.annotator.openai_compatible.MergeFrom(asked)
        case kind:
            raise InvalidArgument.field("kind", f"human, anthropic or openai_compatible, got {kind!r}")
    return spec


def _number(filled: FormData, field: str) -> float:
    text = str(filled.get(field, "")).strip()
    try:
        number = float(text or 0)
    except ValueError:
        number = -1.0
    if not 0 <= number < 1e9:
        raise InvalidArgument.field(field, f"expected a number from 0, got {text!r}")
    return number


def _whole(filled: FormData, field: str) -> int:
    number = _number(filled, field)
    if not number.is_integer():
        raise InvalidArgument.field(field, f"expected a whole number, got {number:g}")
    return int(number)
