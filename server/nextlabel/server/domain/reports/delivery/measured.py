"""How many delivered labels are right, measured on the uniform draws that people labeled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence, Set
from dataclasses import dataclass, replace

import numpy as np

from nextlabel.server.assessment.consensus.by_type import consensus_of
from nextlabel.server.assessment.consensus.votes import Consensus
from nextlabel.server.assessment.estimates.clusters import FEW_LABELS, design_effect, widened
from nextlabel.server.assessment.estimates.figures import Figure
from nextlabel.server.assessment.intervals import Estimate
from nextlabel.server.domain.labeling.labels import Labels
from nextlabel.server.domain.learning.suggestions import LEARNER
from nextlabel.server.domain.learning.types.task_learner import PredictedAnswer
from nextlabel.server.domain.reports.delivery.deliveries import Deliveries
from nextlabel.server.domain.reports.delivery.judging import Judge
from nextlabel.server.domain.reports.delivery.labels import DeliveredLabel, DeliverySummary, LabelSource
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
        joined = await self.labels.consensus(project)
        agreed = {row: one.body for row, one in joined.items() if one.trusted}
        predict, drawn = await self._predictor(project, summary, agreed.keys())

        async def labeled(rows: Sequence[int]) -> Mapping[int, DeliveredLabel]:
            return await self._without_people(project, judge, await predict(rows), rows)

        async def read(rows: Sequence[int]) -> Mapping[int, Said]:
            found = await labeled(rows)
            return {row: Said(one.body, one.confidence) for row, one in found.items() if one.body is not None}

        figures = await self.accuracies.measured(project, read)
        if not figures:
            return ()
        labels = await labeled(list(agreed))
        right = {row for row, one in labels.items() if _same(project, one, joined[row])}
        effect = _effect(project, labels, joined, right, sorted(drawn))
        corrected = (len(agreed) - len(right)) / items
        return tuple(replace(one, estimate=_more(widened(one.estimate, effect), corrected)) for one in figures)

    async def _predictor(
        self, project: Project, summary: DeliverySummary, labeled: Set[int]
    ) -> tuple[Callable[[Sequence[int]], Awaitable[Mapping[int, PredictedAnswer]]], Set[int]]:
        """Return what says how the learner would have labeled rows without people; nothing where it labels none.

        Beside it, the draws on which the learners that say so were trained, each but for its own part.
        """
        version = summary.model_version
        few = FEW * sum(summary.items.values())
        used = summary.items[LabelSource.LEARNER] > few or summary.accepted_by == LEARNER
        newest = (
            await self.deliveries.store.read(lambda tx: tx.models.get(project.id, version))
            if used and version
            else None
        )
        if newest is None:
            return _nothing, frozenset()
        stream = await self.deliveries.store.read(lambda tx: audit_stream(tx, project.id))
        drawn = stream.drawn_rows & labeled
        models = await self.unseen.models(project, newest, drawn)

        async def predict(rows: Sequence[int]) -> Mapping[int, PredictedAnswer]:
            if models:
                return await self.unseen.predicted(project, models, rows)
            return await self.deliveries.predictions(project, version, rows)

        return predict, drawn if models else frozenset()

    async def _without_people(
        self, project: Project, judge: Judge, predicted: Mapping[int, PredictedAnswer], rows: Sequence[int]
    ) -> Mapping[int, DeliveredLabel]:
        by_row, joining = await self.labels.rows(project), await self.labels.joining(project)
        found = {}
        for row in rows:
            given = [one for one in by_row.get(row, ()) if not one.trusted]
            found[row] = judge.labeled(row, consensus_of(project, given, joining=joining), given, predicted.get(row))
        return found


async def _nothing(rows: Sequence[int]) -> Mapping[int, PredictedAnswer]:
    return {}


def _same(project: Project, label: DeliveredLabel, agreed: Consensus) -> bool:
    return label.body is not None and task_type(project.annotation_type).same(label.body, agreed.body, project)


def _effect(
    project: Project,
    labels: Mapping[int, DeliveredLabel],
    joined: Mapping[int, Consensus],
    right: Set[int],
    drawn: Sequence[int],
) -> float:
    """Return the design effect of draws that learners would label which were trained on the others."""
    kind = task_type(project.annotation_type)
    counted = Counter(kind.classes(one.body) for one in joined.values())
    place = {names: number for number, names in enumerate(counted)}
    classes = [kind.classes(joined[row].body) for row in drawn]
    learned_n = np.array([labels[row].source is LabelSource.LEARNER for row in drawn], np.bool_)
    few_n = learned_n & np.array([counted[names] < FEW_LABELS for names in classes], np.bool_)
    numbers = np.array([place[names] for names in classes], np.int64)
    return design_effect(np.array([row in right for row in drawn], np.bool_), numbers, learned_n, few_n)


def _more(estimate: Estimate, share: float) -> Estimate:
    """Return an accuracy where that share of the items, wrong before, is right."""
    value, low, high = (min(1.0, end + share) for end in (estimate.value, estimate.low, estimate.high))
    return Estimate(value, low, high, estimate.items)
