"""How accurate the newest model and the labels are, by every way there is to tell."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from nextlabel.server.assessment.consensus.by_type import consensus_of
from nextlabel.server.assessment.estimates.anytime import anytime_share, error_of_look
from nextlabel.server.assessment.estimates.figures import Figure, FigureKind
from nextlabel.server.assessment.estimates.sampled_batches import SampledBatch, weighted_share
from nextlabel.server.assessment.intervals import Estimate, wilson_interval
from nextlabel.server.domain.labeling.labels import Labels
from nextlabel.server.domain.learning.learning import Learning
from nextlabel.server.domain.pool.pools import Pools
from nextlabel.server.domain.reports.estimates.audit_stream import AuditedItem, AuditStream, audit_stream
from nextlabel.server.domain.reports.estimates.chosen_batches import chosen_batches
from nextlabel.server.domain.reports.estimates.known_draws import without_pick
from nextlabel.server.domain.reports.estimates.pool_features import PoolFeatures
from nextlabel.server.domain.reports.estimates.predicted_accuracy import Judgement, PredictedAccuracy, SurveyedModels
from nextlabel.server.ports.state_store import StateStore
from nextlabel.server.tasks.answer_form import is_right
from nextlabel.server.tasks.registry import task_type
from nextlabel.server.values.errors import FailedPrecondition, NotFound
from nextlabel.server.values.labeling.answers import Body
from nextlabel.server.values.models import ModelVersion
from nextlabel.server.values.pool import Split
from nextlabel.server.values.projects.projects import Project

RECENT_MODELS = 5
"""Models whose audit draws count for the newest one; older ones were worse or better."""


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Figures about the newest model, and about the labels that annotators other than people gave."""

    model: tuple[Figure, ...]
    labels: tuple[Figure, ...]


class AccuracyReports:
    """Tells accuracies; a figure that cannot be told from what there is, is left out."""

    def __init__(self, store: StateStore, pools: Pools, labels: Labels, learning: Learning) -> None:
        self._store = store
        self._pools = pools
        self._labels = labels
        self._learning = learning
        self._predicted = PredictedAccuracy(pools, learning, PoolFeatures(pools, learning.advice))

    async def accuracy(self, project: Project) -> Accuracy:
        """Return the figures of a project."""
        versions = await self._store.read(lambda tx: tx.models.list(project.id))
        model = [*_on_holdout(versions), *await self._on_audit(project), *await self._on_chosen(project)]
        return Accuracy(tuple(model), tuple(await self._labels_on_gold(project)))

    async def _on_audit(self, project: Project) -> Sequence[Figure]:
        """Judge models by the draws made before they could be trained on them.

        The draws of a batch are uniform among what nobody has looked at, so this is the accuracy there, of the last
        few models taken together. Each such window begins a sequence of looks of its own, and all windows share the
        error of those figures that may be watched.
        """
        stream, judgements, error = await self._judged(project)
        hits = [hit for one in judgements for hit in one.right]
        if not hits:
            return []
        counted = [
            Figure(FigureKind.AUDIT, wilson_interval(sum(hits), len(hits))),
            Figure(FigureKind.AUDIT, anytime_share(sum(hits), len(hits), error), anytime=True),
        ]
        early = without_pick(stream, await self._labels.rows(project))
        return [
            *counted,
            *await self._predicted.figures(project, stream, judgements, counted, error=error, without_pick=early),
        ]

    async def on_draws(self, project: Project) -> tuple[Mapping[int, bool], SurveyedModels | None]:
        """Return whether the last few models are right on their audit draws, by row, and that joined with predictions.

        The latter is None where it cannot be told.
        """
        stream, judgements, _ = await self._judged(project)
        right = {draw.row: hit for one in judgements for draw, hit in zip(one.draws, one.right, strict=True)}
        early = without_pick(stream, await self._labels.rows(project))
        return right, await self._predicted.surveyed(project, stream, judgements, early)

    async def _judged(self, project: Project) -> tuple[AuditStream, Sequence[Judgement], float]:
        """Return which of their draws the last few models predict right, and how often a watched figure may miss."""
        stream = await self._store.read(lambda tx: audit_stream(tx, project.id))
        deleted = await self._store.read(lambda tx: set(tx.pool.deleted_rows(project.id)))
        agreed = await self._labels.consensus(project)
        judged: defaultdict[int, list[AuditedItem]] = defaultdict(list)
        for draw in stream.draws:
            if draw.model_version and draw.row in agreed and agreed[draw.row].trusted and draw.row not in deleted:
                judged[draw.model_version].append(draw)
        versions = sorted(judged)
        recent = versions[-RECENT_MODELS:]
        right = {
            version: await self._right(project, version, {d.row: agreed[d.row].body for d in judged[version]})
            for version in recent
        }
        judgements = [Judgement(version, judged[version], right[version]) for version in recent if right[version]]
        return stream, judgements, error_of_look(len(versions) - len(recent) + 1)

    async def _on_chosen(self, project: Project) -> Sequence[Figure]:
        """Judge the last few models by what they chose, weighted by its probabilities: the same figure as on the draws.

        Errors are what is weighted, as they are where models are unsure and choose most.
        """
        batches = await self._store.read(lambda tx: chosen_batches(tx, project.id))
        deleted = await self._store.read(lambda tx: set(tx.pool.deleted_rows(project.id)))
        agreed = await self._labels.consensus(project)
        known = [b for b in batches if all(r in agreed and agreed[r].trusted and r not in deleted for r in b.rows)]
        recent = sorted({batch.model_version for batch in known})[-RECENT_MODELS:]
        judged = []
        for batch in (one for one in known if one.model_version in recent):
            right = await self._right(project, batch.model_version, {row: agreed[row].body for row in batch.rows})
            if right:
                wrong_k = ~np.array(right, np.bool_)
                judged.append(SampledBatch(wrong_k, np.array(batch.probabilities), batch.candidates))
        once = weighted_share(judged) if judged else None
        watched = weighted_share(judged, error_of_look(len(known))) if judged else None
        if once is None or watched is None:
            return []
        return [
            Figure(FigureKind.WEIGHTED, _complement(once)),
            Figure(FigureKind.WEIGHTED, _complement(watched), anytime=True),
        ]

    async def answers(self, project: Project, version: int, rows: Sequence[int]) -> Sequence[Body]:
        """Return what a model says of rows; nothing where its file is damaged."""
        embeddings = await self._pools.embeddings(project, rows)
        try:
            _, _, predicted = await self._learning.answers(project, embeddings.astype(np.float32), version, rows)
        except (NotFound, FailedPrecondition):
            return []
        return [one.body for one in predicted]

    async def _right(self, project: Project, version: int, answers: Mapping[int, Body]) -> Sequence[bool]:
        predicted = await self.answers(project, version, list(answers))
        kind = task_type(project.annotation_type)
        return [kind.same(body, true, project) for body, true in zip(predicted, answers.values(), strict=False)]

    async def labels_on_gold(self, project: Project) -> Mapping[int, bool]:
        """Return whether the label that LLMs and learner gave is right, by row of the gold items that have one."""
        gold = await self._store.read(lambda tx: tx.pool.references(project.id, Split.GOLD))
        by_row, joining = await self._labels.rows(project), await self._labels.joining(project)
        found = {}
        for item in gold:
            given = [a for a in by_row.get(item.row, ()) if not a.trusted]
            agreed = consensus_of(project, given, joining=joining)
            if agreed is not None:
                found[item.row] = is_right(agreed.body, item.label, project)
        return found

    async def _labels_on_gold(self, project: Project) -> Sequence[Figure]:
        found = await self.labels_on_gold(project)
        hits = sum(found.values())
        return [Figure(FigureKind.GOLD, anytime_share(hits, len(found)), anytime=True)] if found else []


def _complement(wrong: Estimate) -> Estimate:
    return Estimate(1 - wrong.value, 1 - wrong.high, 1 - wrong.low, wrong.items)


def _on_holdout(versions: Sequence[ModelVersion]) -> Sequence[Figure]:
    """Return the newest model's accuracy for one look, and with an interval that allows for the looks before."""
    evaluated = [v for v in versions if v.accuracy is not None and v.evaluation.get("items")]
    if not evaluated:
        return []
    newest = evaluated[-1]
    items = int(newest.evaluation["items"])
    hits = round((newest.accuracy or 0.0) * items)
    spent = error_of_look(len(evaluated))
    return [
        Figure(FigureKind.HOLDOUT, wilson_interval(hits, items)),
        Figure(FigureKind.HOLDOUT, wilson_interval(hits, items, spent), anytime=True),
    ]
