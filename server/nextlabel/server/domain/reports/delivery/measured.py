"""How many delivered labels are right, measured on the uniform draws that people labeled."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence, Set
from dataclasses import dataclass, replace

from nextlabel.server.assessment.consensus.by_type import consensus_of
from nextlabel.server.assessment.estimates.figures import Figure
from nextlabel.server.assessment.intervals import Estimate
from nextlabel.server.domain.labeling.labels import Labels
from nextlabel.server.domain.learning.suggestions import LEARNER
from nextlabel.server.domain.learning.types.task_learner import PredictedAnswer
from nextlabel.server.domain.reports.delivery.deliveries import Deliveries
from nextlabel.server.domain.reports.delivery.judging import Judge
from nextlabel.server.domain.reports.delivery.labels import DeliverySummary, LabelSource
from nextlabel.server.domain.reports.delivery.unseen import UnseenPredictions
from nextlabel.server.domain.reports.estimates.annotator_accuracy import AnnotatorAccuracies, Said
from nextlabel.server.domain.reports.estimates.audit_stream import audit_stream
from nextlabel.server.tasks.registry import task_type
from nextlabel.server.values.projects.projects import Project

FEW = 0.005
"""Share of the labels up to which those of the learner count as wrong: no learners are trained for so few."""


@dataclass(frozen=True, slots=True)
class MeasuredDeliveries:
    """Measures a delivery by what it would have said of items before people labeled them."""

    deliveries: Deliveries
    accuracies: AnnotatorAccuracies
    labels: Labels
    unseen: UnseenPredictions

    async def of(self, project: Project, accuracy: float) -> tuple[Figure, ...]:
        """Return the accuracy of all labels, people's taken as right; nothing where it cannot be measured.

        Where the learner labels items, what counts is what learners say of the draws that have not seen people's labels
        of them. ``accuracy`` is what the delivery promises.
        """
        key, summary = await self.deliveries.found(project, accuracy)
        items = sum(summary.items.values())
        if not items:
            return ()
        judge = await self.deliveries.judge(project, accuracy, key)
        agreed = {row: one.body for row, one in (await self.labels.consensus(project)).items() if one.trusted}
        predict = await self._predictor(project, summary, agreed.keys())

        async def read(rows: Sequence[int]) -> Mapping[int, Said]:
            return await self._without_people(project, judge, await predict(rows), rows)

        figures = await self.accuracies.measured(project, read)
        if not figures:
            return ()
        said = await read(list(agreed))
        kind = task_type(project.annotation_type)
        corrected = sum(row not in said or not kind.same(said[row].body, body, project) for row, body in agreed.items())
        return tuple(replace(one, estimate=_more(one.estimate, corrected / items)) for one in figures)

    async def _predictor(
        self, project: Project, summary: DeliverySummary, labeled: Set[int]
    ) -> Callable[[Sequence[int]], Awaitable[Mapping[int, PredictedAnswer]]]:
        """Return what says how the learner would have labeled rows without people; nothing where it labels none."""
        version = summary.model_version
        few = FEW * sum(summary.items.values())
        used = summary.items[LabelSource.LEARNER] > few or summary.accepted_by == LEARNER
        newest = (
            await self.deliveries.store.read(lambda tx: tx.models.get(project.id, version))
            if used and version
            else None
        )
        if newest is None:
            return _nothing
        stream = await self.deliveries.store.read(lambda tx: audit_stream(tx, project.id))
        models = await self.unseen.models(project, newest, stream.drawn_rows & labeled)

        async def predict(rows: Sequence[int]) -> Mapping[int, PredictedAnswer]:
            if models:
                return await self.unseen.predicted(project, models, rows)
            return await self.deliveries.predictions(project, version, rows)

        return predict

    async def _without_people(
        self, project: Project, judge: Judge, predicted: Mapping[int, PredictedAnswer], rows: Sequence[int]
    ) -> Mapping[int, Said]:
        by_row, joining = await self.labels.rows(project), await self.labels.joining(project)
        found = {}
        for row in rows:
            given = [one for one in by_row.get(row, ()) if not one.trusted]
            label = judge.labeled(row, consensus_of(project, given, joining=joining), given, predicted.get(row))
            if label.body is not None:
                found[row] = Said(label.body, label.confidence)
        return found


async def _nothing(rows: Sequence[int]) -> Mapping[int, PredictedAnswer]:
    return {}


def _more(estimate: Estimate, share: float) -> Estimate:
    """Return an accuracy where that share of the items, wrong before, is right."""
    value, low, high = (min(1.0, end + share) for end in (estimate.value, estimate.low, estimate.high))
    return Estimate(value, low, high, estimate.items)
