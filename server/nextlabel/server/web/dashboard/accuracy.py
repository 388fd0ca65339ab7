"""How good model and labels are, and how frequent classes are in the pool: every figure with its kind and interval."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from nextlabel.client.transport.connection import LONG_CALL_S
from nextlabel.server.values.errors import InvalidArgument
from nextlabel.server.web.boundary.rendering import page
from nextlabel.server.web.boundary.sessions import visitor
from nextlabel.server.web.dashboard.curves import or_why
from nextlabel.v1 import project_service_pb2 as projects_pb
from nextlabel.v1 import quality_service_pb2 as pb
from nextlabel.v1.report_service_pb2 import Estimate

_KINDS = {
    pb.FIGURE_KIND_HOLDOUT: "holdout",
    pb.FIGURE_KIND_GOLD: "gold",
    pb.FIGURE_KIND_AUDIT: "audit draws",
    pb.FIGURE_KIND_WEIGHTED: "chosen, weighted",
    pb.FIGURE_KIND_PREDICTION_POWERED: "draws and predictions",
}
_SOURCES = {
    pb.LABEL_SOURCE_PEOPLE: "people",
    pb.LABEL_SOURCE_LLM: "LLMs",
    pb.LABEL_SOURCE_LEARNER: "learner",
}
_MOST_CLASSES = 30
_LEFT = 222


@dataclass(frozen=True, slots=True)
class ToldFigure:
    """A figure of one kind: for one look, and with the interval that may be watched; one of both may be missing."""

    of: str
    kind: str
    once: Estimate | None
    watched: Estimate | None

    @property
    def estimate(self) -> Estimate:
        """The figure itself, which is the same in both."""
        found = self.once or self.watched
        assert found is not None
        return found


@dataclass(frozen=True, slots=True)
class PictureScale:
    """Places of figures from left to right in a picture whose scale begins at ``least`` and ends at ``most``."""

    least: float
    most: float

    def x(self, value: float) -> float:
        """Return where a figure stands, in the units of the picture."""
        return round(_LEFT + 280 * (value - self.least) / (self.most - self.least), 1)


@dataclass(frozen=True, slots=True)
class Picture:
    """Figures below each other on one scale, which are ``shown`` as people read them."""

    rows: Sequence[ToldFigure]
    axis: PictureScale
    shown: Callable[[float], str]


async def show(request: Request) -> Response:
    """Show the page, which asks for its parts itself."""
    name = request.path_params["project"]
    who = visitor(request)
    await who.call(who.backend.projects.GetProject, projects_pb.GetProjectRequest(project=name))
    return page(request, "accuracy.html", project_name=name, by=_by(request))


async def accuracy(request: Request) -> Response:
    """Return the part with the accuracies of newest model, labels and annotators, and those of parts of the data."""
    who, by = visitor(request), _by(request)
    name = request.path_params["project"]
    asked = pb.GetAccuracyRequest(project=name, by=by)
    found = await or_why(who.call(who.backend.quality.GetAccuracy, asked, LONG_CALL_S))
    if isinstance(found, str):
        return page(request, "accuracy_part.html", why_none=found)
    rows = [*told("model", found.model), *told("labels", found.labels)]
    rows += [row for one in found.annotators for row in told(f"{one.annotator} on the pool", one.figures)]
    slices = [(one, {row.kind: row.estimate for row in told("", one.drawn)}) for one in found.slices]
    return page(
        request, "accuracy_part.html", project_name=name, picture=shares_picture(rows, 1.0), slices=slices, by=by
    )


async def shares(request: Request) -> Response:
    """Return the part with the shares of classes in the pool, or its mean score, and those of parts of the pool."""
    who, by = visitor(request), _by(request)
    name = request.path_params["project"]
    asked = pb.GetClassSharesRequest(project=name, by=by)
    found = await or_why(who.call(who.backend.quality.GetClassShares, asked, LONG_CALL_S))
    if isinstance(found, str):
        return page(request, "shares_part.html", why_none=found)
    slices = [(one, _of_pool(one)) for one in found.slices]
    picture = _of_pool(found)
    return page(request, "shares_part.html", project_name=name, found=found, picture=picture, slices=slices, by=by)


async def joining(request: Request) -> Response:
    """Return the part with the ways to join answers, compared on gold."""
    who = visitor(request)
    asked = pb.CompareConsensusRequest(project=request.path_params["project"])
    found = await or_why(who.call(who.backend.quality.CompareConsensus, asked, LONG_CALL_S))
    if isinstance(found, str):
        return page(request, "joining_part.html", why_none=found)
    rows = [row for one in found.methods if one.HasField("on_gold") for row in told(one.name, [one.on_gold])]
    return page(request, "joining_part.html", found=found, picture=shares_picture(rows, 1.0))


async def delivery(request: Request) -> Response:
    """Return the part with what all labels of the pool are worth together, and which may stand under a promise."""
    who, promise = visitor(request), _share(request.query_params.get("promise", "95"))
    asked = pb.GetDeliveryRequest(project=request.path_params["project"], accuracy=promise)
    found = await or_why(who.call(who.backend.quality.GetDelivery, asked, LONG_CALL_S))
    if isinstance(found, str):
        return page(request, "delivery_part.html", why_none=found)
    rows = [ToldFigure(one.annotator, "gold", one.accuracy, None) for one in found.tested]
    if found.HasField("expected_accuracy"):
        rows.insert(0, ToldFigure("all labels", "expected", found.expected_accuracy, None))
    rows += told("all labels", found.measured_accuracy)
    items = [(_SOURCES.get(one.source, "nobody"), one.items) for one in found.items if one.items]
    total = sum(count for _, count in items)
    return page(request, "delivery_part.html", found=found, picture=shares_picture(rows, 1.0), items=items, total=total)


def _share(percent: str) -> float:
    try:
        share = float(percent) / 100
    except ValueError:
        share = 0.0
    if not 0 < share < 1:
        raise InvalidArgument.field("promise", f"expected per cent, above 0 and below 100; got {percent!r}")
    return share


def told(of: str, figures: Iterable[pb.Figure]) -> list[ToldFigure]:
    """Return figures by their kind, in their order, each once."""
    by_kind: dict[int, dict[bool, Estimate]] = {}
    for one in figures:
        by_kind.setdefault(one.kind, {})[one.anytime] = one.estimate
    return [
        ToldFigure(of, _KINDS.get(kind, str(kind)), both.get(False), both.get(True))  # type: ignore[call-overload]
        for kind, both in by_kind.items()
    ]


def _of_pool(found: pb.GetClassSharesResponse | pb.SliceShares) -> Picture | None:
    """Return a picture of mean scores, or of the shares of the most frequent classes."""
    if found.mean_score:
        rows = told("mean score", found.mean_score)
        ends = [end for one in rows for each in (one.once, one.watched) if each for end in (each.low, each.high)]
        return Picture(rows, PictureScale(min(ends), max(max(ends), min(ends) + 1e-6)), lambda value: f"{value:.3g}")
    known = [one for one in found.shares if one.figures]
    most = sorted(known, key=lambda one: -one.figures[0].estimate.value)[:_MOST_CLASSES]
    return shares_picture([row for one in most for row in told(one.label, one.figures)])


def shares_picture(rows: Sequence[ToldFigure], most: float = 0.0) -> Picture | None:
    """Return shares on a scale from 0 to ``most``, or to the highest end of an interval; None without any."""
    if not rows:
        return None
    most = most or max(each.high for one in rows for each in (one.once, one.watched) if each)
    return Picture(rows, PictureScale(0.0, most), lambda value: f"{100 * value:.1f} %")


def _by(request: Request) -> str:
    return request.query_params.get("by", "").strip()
