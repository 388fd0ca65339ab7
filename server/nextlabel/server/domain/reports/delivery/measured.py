"""How many delivered labels are right, measured on the uniform draws that people labeled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from nextlabel.server.assessment.consensus.by_type import consensus_of
from nextlabel.server.assessment.estimates.figures import Figure
from nextlabel.server.assessment.intervals import Estimate
from nextlabel.server.domain.labeling.labels import Labels
from nextlabel.server.domain.learning.suggestions import LEARNER
from nextlabel.server.domain.reports.delivery.deliveries import Deliveries
from nextlabel.server.domain.reports.delivery.labels import LabelSource
from nextlabel.server.domain.reports.estimates.annotator_accuracy import AnnotatorAccuracies, Said
from nextlabel.server.tasks.registry import task_type
from nextlabel.server.values.projects.projects import Project


@dataclass(frozen=True, slots=True)
class MeasuredDeliveries:
    """Measures a delivery by what it would have said of items before people labeled them."""

    deliveries: Deliveries
    accuracies: AnnotatorAccuracies
    labels: Labels

    async def of(self, project: Project, accuracy: float) -> tuple[Figure, ...]:
        """Return the accuracy of all labels, people's taken as right; nothing where it cannot be measured.

        That is where the learner labels items: it was trained on people's labels of the draws, which tell nothing of
        it any more. ``accuracy`` is what the delivery promises.
        """
        key, summary = await self.deliveries.found(project, accuracy)
        items = sum(summary.items.values())
        if not items or summary.items[LabelSource.LEARNER] or summary.accepted_by == LEARNER:
            return ()

        async def read(rows: Sequence[int]) -> Mapping[int, Said]:
            return await self._without_people(project, key, accuracy, rows)

        figures = await self.accuracies.measured(project, read)
        if not figures:
            return ()
        agreed = {row: one.body for row, one in (await self.labels.consensus(project)).items() if one.trusted}
        said = await read(list(agreed))
        kind = task_type(project.annotation_type)
        corrected = sum(row not in said or not kind.same(said[row].body, body, project) for row, body in agreed.items())
        return tuple(replace(one, estimate=_more(one.estimate, corrected / items)) for one in figures)

    async def _without_people(
        self, project: Project, key: str, accuracy: float, rows: Sequence[int]
    ) -> Mapping[int, Said]:
        judge = await self.deliveries.judge(project, accuracy, key)
        by_row, joining = await self.labels.rows(project), await self.labels.joining(project)
        found = {}
        for row in rows:
            given = [one for one in by_row.get(row, ()) if not one.trusted]
            label = judge.labeled(row, consensus_of(project, given, joining=joining), given, None)
            if label.body is not None:
                found[row] = Said(label.body, label.confidence)
        return found


def _more(estimate: Estimate, share: float) -> Estimate:
    """Return an accuracy where that share of the items, wrong before, is right."""
    value, low, high = (min(1.0, end + share) for end in (estimate.value, estimate.low, estimate.high))
    return Estimate(value, low, high, estimate.items)
