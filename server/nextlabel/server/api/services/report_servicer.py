"""ReportService over the domain."""

# ruff: noqa: N802 -- the methods are named by the API

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from nextlabel.server.api.messages.assessment.quality import annotator_report, arrival, estimate
from nextlabel.server.api.messages.assessment.rankings import (
    MOST_ANNOTATORS,
    RANKING_MODELS,
    ranked_text,
    ranking_annotator,
)
from nextlabel.server.api.messages.assessment.source_curves import ahead_of, source_curves
from nextlabel.server.api.messages.assessment.source_pictures import source_points
from nextlabel.server.api.messages.labeling.annotations import cost_message
from nextlabel.server.api.messages.models import curve_point
from nextlabel.server.api.messages.pool_maps import drawn_point, pool_map_message
from nextlabel.server.api.messages.projects import counts_message
from nextlabel.server.api.messages.runs.events import outcome_counts
from nextlabel.server.api.messages.values import check_picture_fits, fitting, full_page
from nextlabel.server.api.reading.project_finder import ProjectFinder
from nextlabel.server.api.reading.run_messages import RunMessages
from nextlabel.server.domain.reports.annotator_slices import AnnotatorSlice, AnnotatorSlices
from nextlabel.server.domain.reports.annotators import AnnotatorReports
from nextlabel.server.domain.reports.estimates.forecasts import Forecasts
from nextlabel.server.domain.reports.estimates.random_control import RandomControl
from nextlabel.server.domain.reports.estimates.source_curves import SourceCurves
from nextlabel.server.domain.reports.pool_drift import PoolDrift
from nextlabel.server.domain.reports.pool_map.points import PoolMaps
from nextlabel.server.domain.reports.ranking import Rankings
from nextlabel.server.domain.reports.reports import Reports
from nextlabel.server.domain.runs.runs import Runs
from nextlabel.server.plots.learning_curves import Axis, CurvePoint, Measure, learning_curve_spec, thinned
from nextlabel.server.plots.palettes import DARK, LIGHT
from nextlabel.server.plots.pool_maps import MapColor, pool_map_spec
from nextlabel.server.plots.rendering import PlotFormat, render
from nextlabel.server.ports.state_store import StateStore
from nextlabel.server.ports.system import Executor
from nextlabel.server.values.errors import InvalidArgument
from nextlabel.server.values.models import ModelVersion
from nextlabel.server.values.projects.projects import Project
from nextlabel.v1 import report_service_pb2 as pb
from nextlabel.v1.learning_curve_pb2 import LearningCurvePoint
from nextlabel.v1.report_service_pb2_grpc import ReportServiceServicer

_FORMATS = {
    pb.PLOT_FORMAT_UNSPECIFIED: PlotFormat.VEGA_LITE,
    pb.PLOT_FORMAT_VEGA_LITE: PlotFormat.VEGA_LITE,
    pb.PLOT_FORMAT_SVG: PlotFormat.SVG,
    pb.PLOT_FORMAT_PNG: PlotFormat.PNG,
}
_AXES = {
    pb.CURVE_AXIS_UNSPECIFIED: Axis.LABELS,
    pb.CURVE_AXIS_LABELS: Axis.LABELS,
    pb.CURVE_AXIS_TOKENS: Axis.TOKENS,
    pb.CURVE_AXIS_USD: Axis.USD,
    pb.CURVE_AXIS_SECONDS: Axis.SECONDS,
}
_MEASURES = {
    pb.CURVE_MEASURE_UNSPECIFIED: Measure.ACCURACY,
    pb.CURVE_MEASURE_ACCURACY: Measure.ACCURACY,
    pb.CURVE_MEASURE_MACRO_F1: Measure.MACRO_F1,
}
_COLORS = {
    pb.MAP_COLOR_UNSPECIFIED: MapColor.LABEL,
    pb.MAP_COLOR_LABEL: MapColor.LABEL,
    pb.MAP_COLOR_CONFIDENCE: MapColor.CONFIDENCE,
    pb.MAP_COLOR_PICK: MapColor.PICK,
}
_X_VALUES: Mapping[Axis, Callable[[ModelVersion], float]] = {
    Axis.LABELS: lambda version: version.known_labels,
    Axis.TOKENS: lambda version: version.spent.tokens,
    Axis.USD: lambda version: version.spent.micro_usd / 1e6,
    Axis.SECONDS: lambda version: version.seconds,
}
# More cannot be told apart in a picture, and would not fit into a reply.
_MAX_POINTS = 5_000

E = TypeVar("E")
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportServicer(ReportServiceServicer):
    """Translates calls about reports."""

    store: StateStore
    finder: ProjectFinder
    reports: Reports
    annotators: AnnotatorReports
    annotator_slices: AnnotatorSlices
    forecasts: Forecasts
    random_control: RandomControl
    source_curves: SourceCurves
    rankings: Rankings
    maps: PoolMaps
    drift: PoolDrift
    runs: Runs
    run_messages: RunMessages
    executor: Executor

    async def GetLearningCurve(self, request: pb.GetLearningCurveRequest, context: Any) -> pb.GetLearningCurveResponse:
        """Return the learning curve of a project or of one run."""
        project = await self.finder.project(request.project)
        strategy = ""
        if request.run:
            run = await self.store.read(lambda tx: self.runs.get(tx, project, request.run))
            strategy = run.spec.strategy.name
        versions = await self.reports.learning_curve(project, request.run)
        points, token = full_page(versions, request.page_token, request.page_size, curve_point)
        curve = pb.LearningCurve(project=project.name, run=request.run, strategy=strategy, points=points)
        return pb.GetLearningCurveResponse(learning_curve=curve, next_page_token=token)

    async def RenderLearningCurve(
        self, request: pb.RenderLearningCurveRequest, context: Any
    ) -> pb.RenderLearningCurveResponse:
        """Draw learning curves, one line for each run."""
        plot_format = _known(_FORMATS, request.format, "format")
        axis = _known(_AXES, request.axis, "axis")
        measure = _known(_MEASURES, request.measure, "measure")
        project = await self.finder.project(request.project)
        if request.by_source:
            ahead = ahead_of(pb.GetSourceCurvesRequest(person_micro_usd=request.person_micro_usd))
            points = source_points(await self.source_curves.of(project, ahead), axis, measure, list(request.runs))
        else:
            points = await self._curves(project, request.runs, axis, measure)
        spec = learning_curve_spec(points, axis, measure, project.name, DARK if request.dark else LIGHT)
        content, media_type = await self.executor.run(lambda: render(spec, plot_format))
        return pb.RenderLearningCurveResponse(content=content, media_type=media_type)

    async def _curves(
        self, project: Project, runs: Sequence[str], axis: Axis, measure: Measure
    ) -> Sequence[CurvePoint]:
        points: list[CurvePoint] = []
        for run_id in runs or ("",):
            series = project.name if not run_id else await self._series(project, run_id)
            curve = await self.reports.learning_curve(project, run_id)
            points += _points(series, thinned(curve, _MAX_POINTS // (len(runs) or 1)), axis, measure)
        return points

    async def _series(self, project: Project, run_id: str) -> str:
        run = await self.store.read(lambda tx: self.runs.get(tx, project, run_id))
        return f"{run.spec.strategy.name} ({run.id[:8]})"

    async def GetForecast(self, request: pb.GetForecastRequest, context: Any) -> pb.GetForecastResponse:
        """Return what more labels would bring."""
        project = await self.finder.project(request.project)
        if request.run:
            await self.store.read(lambda tx: self.runs.get(tx, project, request.run))
        found = await self.forecasts.outlook(project, request.run, request.more_labels, request.more_micro_usd)
        return pb.GetForecastResponse(
            more_labels=found.more_labels,
            micro_usd=found.micro_usd,
            points=found.points,
            accuracy=estimate(found.forecast.accuracy),
            gain=estimate(found.forecast.gain),
        )

    async def GetRandomControl(self, request: pb.GetRandomControlRequest, context: Any) -> pb.GetRandomControlResponse:
        """Return what choosing items saved against drawing them at random."""
        found = await self.random_control.compare(await self.finder.project(request.project))
        return pb.GetRandomControlResponse(
            labels=found.labels,
            chosen_accuracy=found.savings.chosen,
            random_accuracy=found.savings.at_random,
            gain=estimate(found.savings.gain),
            saved_labels=estimate(found.savings.saved),
            label_micro_usd=found.label_micro_usd,
            reached=found.savings.reached,
        )

    async def GetSourceCurves(self, request: pb.GetSourceCurvesRequest, context: Any) -> pb.GetSourceCurvesResponse:
        """Return what the labels of each source bought."""
        project = await self.finder.project(request.project)
        return source_curves(await self.source_curves.of(project, ahead_of(request)))

    async def GetRanking(self, request: pb.GetRankingRequest, context: Any) -> pb.GetRankingResponse:
        """Return how texts rank by comparisons."""
        project = await self.finder.project(request.project)
        found = await self.rankings.of(project, by_learner=request.by_learner)
        texts, token = full_page(found.texts, request.page_token, request.page_size, ranked_text)
        annotators = () if request.page_token else found.annotators[:MOST_ANNOTATORS]
        return pb.GetRankingResponse(
            texts=texts,
            annotators=map(ranking_annotator, annotators),
            tie_odds=found.tie,
            model=RANKING_MODELS[found.model],
            next_page_token=token,
        )

    async def GetPoolMap(self, request: pb.GetPoolMapRequest, context: Any) -> pb.GetPoolMapResponse:
        """Return the pool in two dimensions."""
        project = await self.finder.project(request.project)
        found = await self.maps.of(project, request.max_points)
        return pb.GetPoolMapResponse(map=pool_map_message(project.name, found))

    async def RenderPoolMap(self, request: pb.RenderPoolMapRequest, context: Any) -> pb.RenderPoolMapResponse:
        """Draw the map of a pool."""
        plot_format = _known(_FORMATS, request.format, "format")
        color = _known(_COLORS, request.color, "color")
        project = await self.finder.project(request.project)
        found = await self.maps.of(project, request.max_points)

        def draw() -> tuple[bytes, str]:
            palette = DARK if request.dark else LIGHT
            return render(pool_map_spec(list(map(drawn_point, found.points)), color, palette), plot_format)

        content, media_type = await self.executor.run(draw)
        check_picture_fits(content, "max_points")
        return pb.RenderPoolMapResponse(content=content, media_type=media_type)

    async def GetAnnotatorReport(
        self, request: pb.GetAnnotatorReportRequest, context: Any
    ) -> pb.GetAnnotatorReportResponse:
        """Return how each annotator does."""
        project = await self.finder.project(request.project)
        found = await self.annotators.of(project, request.annotator)
        slices: Mapping[str, Sequence[AnnotatorSlice]] = {}
        if request.by:
            slices = await self.annotator_slices.of(project, [one.annotator for one in found], request.by)
        annotators, token = full_page(
            found,
            request.page_token,
            request.page_size,
            lambda one: annotator_report(one, slices.get(one.annotator, ())),
        )
        return pb.GetAnnotatorReportResponse(annotators=annotators, next_page_token=token)

    async def GetOverview(self, request: pb.GetOverviewRequest, context: Any) -> pb.GetOverviewResponse:
        """Return a project at a glance."""
        project = await self.finder.project(request.project)
        overview = await self.reports.overview(project)
        newest_first = await self.run_messages.messages(project, [*reversed(overview.active_runs)])
        message = pb.Overview(
            project=project.name,
            counts=counts_message(overview.counts),
            spent=cost_message(overview.spent),
            reserved=cost_message(overview.reserved),
            latest=_latest(overview.latest),
            label_accuracy=estimate(overview.label_accuracy),
            active_runs=fitting(newest_first),
            outcomes=outcome_counts(overview.outcomes),
            drifted=[arrival(one) for one in self.drift.drifted(project.id)],
        )
        return pb.GetOverviewResponse(overview=message)


def _known(table: Mapping[E, T], value: E, field: str) -> T:
    if value not in table:
        raise InvalidArgument.field(field, f"{value} is none of the values of this enumeration")
    return table[value]


def _latest(version: ModelVersion | None) -> LearningCurvePoint | None:
    return None if version is None or version.accuracy is None else curve_point(version)


def _points(series: str, curve: Sequence[ModelVersion], axis: Axis, measure: Measure) -> list[CurvePoint]:
    x = _X_VALUES[axis]
    return [
        CurvePoint(
            series,
            x(version),
            getattr(version, measure.value) or 0.0,
            *version.evaluation.get(f"{measure.value}_interval", ()),
        )
        for version in curve
    ]
