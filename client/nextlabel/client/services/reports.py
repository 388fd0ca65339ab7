"""Reports: what the labels bought and how good the annotators are."""

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from nextlabel.client.literals import AxisName, MapColorName, MeasureName, PlotFormName
from nextlabel.client.messages.enums import enum_value
from nextlabel.client.messages.names import several_texts
from nextlabel.client.transport.calls import Mode, Scope, Service, project_call
from nextlabel.client.transport.connection import LONG_CALL_S
from nextlabel.v1 import report_service_pb2 as pb
from nextlabel.v1.report_service_pb2_grpc import ReportServiceStub

if TYPE_CHECKING:
    from nextlabel.v1.report_service_pb2_grpc import ReportServiceAsyncStub


class Reports(Service[Mode, Scope]):
    """Reports on projects, runs and annotators."""

    @cached_property
    def _stub(self) -> "ReportServiceAsyncStub":
        return ReportServiceStub(self._connection.channel)

    @project_call
    async def learning_curve(self, project: str, *, run: str = "") -> pb.LearningCurve:
        """The learning curve of a run, or of the project over all its runs."""
        request = pb.GetLearningCurveRequest(project=project, run=run)
        curve: pb.LearningCurve | None = None
        while True:
            page = await self._connection.unary(self._stub.GetLearningCurve, request)
            if curve is None:
                curve = page.learning_curve
            else:
                curve.points.extend(page.learning_curve.points)
            if not page.next_page_token:
                return curve
            request.page_token = page.next_page_token

    @project_call
    async def plot(
        self,
        project: str,
        *,
        runs: Sequence[str] = (),
        form: PlotFormName = "svg",
        axis: AxisName = "labels",
        measure: MeasureName = "accuracy",
        dark: bool = False,
        by_source: bool = False,
        person_usd: float = 0.0,
        timeout_s: float = LONG_CALL_S,
    ) -> bytes:
        """The learning curves of some runs, or of the project, as a picture.

        With `by_source` those of `source_curves`, one for each source, over labels or usd; `person_usd` is
        what a label by a person costs.

        `form` is svg, png or vega_lite; `axis` labels, tokens, usd or seconds; `measure` accuracy or macro_f1.
        `dark` draws light on dark.
        """
        request = pb.RenderLearningCurveRequest(
            project=project,
            runs=several_texts(runs, "runs"),
            format=enum_value(pb.PlotFormat, form, "form"),
            axis=enum_value(pb.CurveAxis, axis, "axis"),
            measure=enum_value(pb.CurveMeasure, measure, "measure"),
            dark=dark,
            by_source=by_source,
            person_micro_usd=round(person_usd * 1_000_000),
        )
        return (await self._connection.unary(self._stub.RenderLearningCurve, request, timeout_s=timeout_s)).content

    @project_call
    async def forecast(
        self, project: str, *, run: str = "", more_labels: int = 0, more_usd: float = 0.0
    ) -> pb.GetForecastResponse:
        """What more labels, or more dollars, would bring by the learning curve so far; give one of the two.

        Needs five points of the curve, measured on a holdout.
        """
        request = pb.GetForecastRequest(
            project=project, run=run, more_labels=more_labels, more_micro_usd=round(more_usd * 1_000_000)
        )
        return await self._connection.unary(self._stub.GetForecast, request)

    @project_call
    async def random_control(self, project: str, *, timeout_s: float = LONG_CALL_S) -> pb.GetRandomControlResponse:
        """What the labels that strategies chose saved against as many audit draws, in accuracy, labels and money.

        Needs a holdout and 20 labels of each kind; takes a while.
        """
        request = pb.GetRandomControlRequest(project=project)
        return await self._connection.unary(self._stub.GetRandomControl, request, timeout_s=timeout_s)

    @project_call
    async def source_curves(
        self,
        project: str,
        *,
        more_labels: int = 0,
        more_usd: float = 0.0,
        person_usd: float = 0.0,
        timeout_s: float = LONG_CALL_S,
    ) -> pb.GetSourceCurvesResponse:
        """What labels of people, of LLMs and of others bought: curves, what a point of accuracy cost, and forecasts.

        Forecasts are for 200 labels and 5 dollars more unless said otherwise; `person_usd` is what a label by a person
        costs. Needs a holdout, and trains learners when labels have come since the last call.
        """
        request = pb.GetSourceCurvesRequest(
            project=project,
            more_labels=more_labels,
            more_micro_usd=round(more_usd * 1_000_000),
            person_micro_usd=round(person_usd * 1_000_000),
        )
        return await self._connection.unary(self._stub.GetSourceCurves, request, timeout_s=timeout_s)

    @project_call
    async def ranking(
        self, project: str, *, by_learner: bool = False, timeout_s: float = LONG_CALL_S
    ) -> pb.GetRankingResponse:
        """How the texts of a project of preferences rank, the best first, with what each annotator's answers are worth.

        With `by_learner`, texts that are alike are expected to be about as good, or each as good as the newest model
        says, before anyone compared them.
        """
        request = pb.GetRankingRequest(project=project, by_learner=by_learner)
        found = await self._connection.unary(self._stub.GetRanking, request, timeout_s=timeout_s)
        while found.next_page_token:
            request.page_token = found.next_page_token
            found.next_page_token = ""
            found.MergeFrom(await self._connection.unary(self._stub.GetRanking, request, timeout_s=timeout_s))
        return found

    @project_call
    async def pool_map(self, project: str, *, points: int = 0, timeout_s: float = LONG_CALL_S) -> pb.PoolMap:
        """The pool in two dimensions, by up to 5,000 points, 2,000 by default: neighbours have texts that are alike.

        The points are the newest picks, labeled items and a uniform sample, the same ones at every call. The first
        call takes seconds.
        """
        request = pb.GetPoolMapRequest(project=project, max_points=points)
        return (await self._connection.unary(self._stub.GetPoolMap, request, timeout_s=timeout_s)).map

    @project_call
    async def plot_pool_map(
        self,
        project: str,
        *,
        points: int = 0,
        form: PlotFormName = "svg",
        color: MapColorName = "label",
        dark: bool = False,
        timeout_s: float = LONG_CALL_S,
    ) -> bytes:
        """The map of the pool as a picture.

        `form` is svg, png or vega_lite; `color` label, confidence or pick; `dark` draws light on dark.
        """
        request = pb.RenderPoolMapRequest(
            project=project,
            max_points=points,
            format=enum_value(pb.PlotFormat, form, "form"),
            color=enum_value(pb.MapColor, color, "color"),
            dark=dark,
        )
        return (await self._connection.unary(self._stub.RenderPoolMap, request, timeout_s=timeout_s)).content

    @project_call
    async def annotators(self, project: str, *, annotator: str = "", by: str = "") -> Sequence[pb.AnnotatorReport]:
        """How each annotator does, or one of them; with `by`, a field of the metadata, in each part of the data too."""
        request = pb.GetAnnotatorReportRequest(project=project, annotator=annotator, by=by)
        pages = self._connection.pages(self._stub.GetAnnotatorReport, request, lambda page: page.annotators)
        return [report async for page in pages for report in page]

    @project_call
    async def overview(self, project: str) -> pb.Overview:
        """The figures of the project at a glance."""
        request = pb.GetOverviewRequest(project=project)
        return (await self._connection.unary(self._stub.GetOverview, request)).overview
