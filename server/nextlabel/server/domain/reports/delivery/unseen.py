"""What a learner says of items whose labels by people it has not seen, where the newest model has seen them."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Hashable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace

import numpy as np
from cachetools import LRUCache

from nextlabel.server.assessment.consensus.by_type import consensus_of
from nextlabel.server.assessment.consensus.votes import Consensus
from nextlabel.server.domain.labeling.labels import Labels
from nextlabel.server.domain.learning.learning import Learning
from nextlabel.server.domain.learning.training_labels.labeled import Labeled
from nextlabel.server.domain.learning.types.task_learner import PredictedAnswer
from nextlabel.server.domain.learning.types.task_learners import learner_spec, task_learner
from nextlabel.server.learners.model import Model
from nextlabel.server.learners.persistence import TrainedModel
from nextlabel.server.ports.pool_store import Rows
from nextlabel.server.values.ids import ProjectId
from nextlabel.server.values.labeling.annotations import Annotation
from nextlabel.server.values.models import ModelVersion
from nextlabel.server.values.projects.projects import Project

FEWEST_FOLDS = 5
MOST_FOLDS = 20
_LEFT_OUT = 0.01
_KEPT = 2
_SPREAD = 2_654_435_761


def folds_for(draws: int, labels: int) -> int:
    """Return in how many folds draws are left out: a learner that misses 1 % of its labels is about as good.

    Where that takes too many, each learner misses more, and is a little worse.
    """
    return min(MOST_FOLDS, max(FEWEST_FOLDS, math.ceil(draws / max(1.0, _LEFT_OUT * labels))))


def fold_of(row: int, folds: int) -> int:
    """Return the fold of a row, which says nothing of its label (multiplicative hashing, Knuth 1973)."""
    return (row * _SPREAD % 2**32) * folds >> 32


@dataclass(frozen=True, slots=True)
class UnseenPredictions:
    """Trains the project's learner anew, each time without people's labels of other draws, a fifth of them at most.

    Every item, drawn or not, is predicted by the learner of its fold: drawn items are then predicted as all others are.
    """

    labels: Labels
    learning: Learning
    _kept: LRUCache[ProjectId, tuple[Hashable, Sequence[TrainedModel]]] = field(
        init=False, default_factory=lambda: LRUCache(_KEPT)
    )
    _training: asyncio.Lock = field(init=False, default_factory=asyncio.Lock)

    def forget(self, project: ProjectId) -> None:
        """Drop what is kept of a deleted project."""
        self._kept.pop(project, None)

    async def models(self, project: Project, version: ModelVersion, drawn: Set[int]) -> Sequence[TrainedModel]:
        """Return the learner of each fold, trained on what there was for a version; none where that saw no draw.

        ``drawn`` are the draws that people have labeled.
        """
        key = project, version.version, await self.labels.revision(project), frozenset(drawn)
        async with self._training:
            kept = self._kept.get(project.id)
            if kept is None or kept[0] != key:
                kept = self._kept[project.id] = key, await self._trained(project, version, drawn)
        return kept[1]

    async def predicted(
        self, project: Project, models: Sequence[TrainedModel], rows: Sequence[int]
    ) -> Mapping[int, PredictedAnswer]:
        """Return what the learner of its fold says of each row that is embedded."""
        rows_n = np.array(rows, np.int64)
        rows_n = rows_n[await self.learning.samples.embedded(project.id, rows_n)]
        found: dict[int, PredictedAnswer] = {}
        for fold, model in enumerate(models):
            own = [row for row in rows_n.tolist() if fold_of(row, len(models)) == fold]
            if own:
                embeddings_nD = (await self.learning.pools.embeddings(project, own)).astype(np.float32)
                advice = await self.learning.advice.heard(project.id, own, model)
                _, answers = await self.learning.hearing(project, model, embeddings_nD, advice)
                found.update(zip(own, answers, strict=True))
        return found

    async def _trained(self, project: Project, version: ModelVersion, drawn: Set[int]) -> Sequence[TrainedModel]:
        by_row, joining = await self.labels.rows(project), await self.labels.joining(project)

        def before(row: int, *, people: bool) -> Consensus | None:
            given = [a for a in by_row.get(row, ()) if a.created_at <= version.created_at and (people or not a.trusted)]
            return consensus_of(project, given, joining=joining)

        seen = {row for row in drawn if any(_by_people(a, version) for a in by_row.get(row, ()))}
        if not seen:
            return ()
        labeled = await self.learning.labeled(project)
        late = {
            row
            for row in labeled.rows_N.tolist()
            if any(a.created_at > version.created_at for a in by_row.get(row, ()))
        }
        models = []
        chosen = await self._choice(project, version)
        folds = folds_for(len(seen), len(labeled.rows_N) - len(late))
        for fold in range(folds):
            left_out = {row for row in seen if fold_of(row, folds) == fold}
            changed = {row: before(row, people=row not in left_out) for row in left_out | late}
            models.append(await self._train(project, labeled, changed, chosen))
        return models

    async def _choice(self, project: Project, version: ModelVersion) -> TrainedModel | None:
        """Return a version without what it learned of items: for its choice among ways to learn, which takes long."""
        _, model = await self.learning.model(project, version.version)
        if not isinstance(model, Model):
            return None
        return replace(model, linear=None, description=replace(model.description, advice=None))

    async def _train(
        self,
        project: Project,
        labeled: Labeled,
        changed: Mapping[int, Consensus | None],
        chosen: TrainedModel | None,
    ) -> TrainedModel:
        """Train on labels of which some are others, or are left out."""
        agreed = [
            (place, found)
            for place, (row, own) in enumerate(zip(labeled.rows_N.tolist(), labeled.consensus, strict=True))
            if (found := changed.get(row, own)) is not None
        ]
        places = np.array([place for place, _ in agreed], np.int64)
        rows: Rows = labeled.rows_N[places]
        learner, beside = task_learner(project), await self.learning.beside(project, rows.tolist())

        def train() -> TrainedModel:
            training = learner.training(labeled.embeddings_ND[places], [found for _, found in agreed], project)
            model: TrainedModel = learner.train(training, beside, learner_spec(project), 0, chosen)
            return model

        return await self.learning.executor.run(train)


def _by_people(annotation: Annotation, version: ModelVersion) -> bool:
    return annotation.trusted and annotation.answer.body is not None and annotation.created_at <= version.created_at
