"""What more labels would bring, by the learning curve so far."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nextlabel.server.assessment.stopping.forecast import FEWEST_POINTS, Forecast, forecast
from nextlabel.server.domain.reports.reports import Reports
from nextlabel.server.values.errors import FailedPrecondition, InvalidArgument
from nextlabel.server.values.models import ModelVersion
from nextlabel.server.values.projects.projects import Project

MOST_LABELS = 1_000_000
OUTLOOK_LABELS = 200
"""How many more labels the end of a run tells of."""


@dataclass(frozen=True, slots=True)
class Outlook:
    """A forecast for ``more_labels`` more; ``micro_usd`` is what they would cost at what labels have cost so far."""

    more_labels: int
    micro_usd: int
    points: int
    forecast: Forecast


@dataclass(frozen=True, slots=True)
class Forecasts:
    """Extends learning curves."""

    reports: Reports

    async def outlook(self, project: Project, run: str = "", more_labels: int = 0, more_micro_usd: int = 0) -> Outlook:
        """Forecast what more labels, or more money at the price of labels so far, would bring.

        Raises:
            InvalidArgument: not exactly one of both is given, or it is out of range.
            FailedPrecondition: there are too few points; or no label has cost anything.
        """
        if (more_labels > 0) == (more_micro_usd > 0) or not 0 <= more_labels <= MOST_LABELS:
            raise InvalidArgument.field("more_labels", f"give it, from 1 to {MOST_LABELS:,}, or more_micro_usd")
        curve = await self.reports.learning_curve(project, run)
        return _outlook(project, curve, more_labels or _labels_for(curve, more_micro_usd))

    async def of_run(self, project: Project, run: str) -> str:
        """Say for people what going on with a run would be expected to bring; '' where nothing can be said."""
        try:
            found = await self.outlook(project, run, OUTLOOK_LABELS)
        except FailedPrecondition:
            return ""
        gain = found.forecast.gain
        return (
            f"{found.more_labels} more labels are forecast to gain {100 * gain.value:.1f} points of accuracy "
            f"({100 * gain.low:.1f} to {100 * gain.high:.1f})"
        )


def _outlook(project: Project, curve: Sequence[ModelVersion], more_labels: int) -> Outlook:
    points = [v for v in curve if v.accuracy is not None and v.evaluation.get("items")]
    different = len({v.known_labels for v in points})
    if different < FEWEST_POINTS:
        raise FailedPrecondition(
            f"a forecast for {project.name} needs models of {FEWEST_POINTS} different numbers of labels, evaluated on "
            f"a holdout, and there are {different}: train more often, or let a run train each round",
            reason="TOO_FEW_POINTS",
        )
    newest = max(points, key=lambda v: (v.known_labels, v.version))
    found = forecast(
        [v.known_labels for v in points],
        [v.accuracy or 0.0 for v in points],
        int(newest.evaluation["items"]),
        newest.known_labels + more_labels,
    )
    assert found is not None
    return Outlook(more_labels, round(newest.label_micro_usd * more_labels), len(points), found)


def _labels_for(curve: Sequence[ModelVersion], micro_usd: int) -> int:
    newest = curve[-1] if curve else None
    if newest is None or not newest.spent.micro_usd or not newest.known_labels:
        raise FailedPrecondition(
            "no label has cost anything so far, so that money cannot be turned into labels; give more_labels",
            reason="NO_PRICE",
        )
    return min(MOST_LABELS, max(1, round(micro_usd * newest.known_labels / newest.spent.micro_usd)))
