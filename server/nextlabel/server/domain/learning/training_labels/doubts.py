"""What learner and neighbours say of labels that they have not seen."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from nextlabel.server.assessment.suspects import joined, neighbour_shares, wrong_probabilities
from nextlabel.server.domain.learning.training_labels.labeled import Labeled, LabeledItems
from nextlabel.server.learners.out_of_fold import out_of_fold
from nextlabel.server.ports.system import Executor
from nextlabel.server.values.ids import ProjectId
from nextlabel.server.values.projects.projects import Project

FEWEST_LABELS = 30
MOST_LABELS = 10_000
"""Labels that learner and neighbours look at, of which the second look at each other: the square of it is the cost."""
_KEPT = 8


@dataclass(frozen=True, slots=True, eq=False)
class Doubts:
    """What learner and neighbours say of labels, by row: how probably each is wrong, and their own label."""

    wrong: Mapping[int, float]
    own: Mapping[int, str]


NO_DOUBTS = Doubts({}, {})


@dataclass(frozen=True, slots=True)
class Doubting:
    """Judges all labels, those that filters name included: who is left out of training is judged as before.

    The learner is one of its own, fitted on other labels than it judges, and no published model version.
    """

    labeled: LabeledItems
    executor: Executor
    _kept: OrderedDict[ProjectId, tuple[bytes, Doubts]] = field(init=False, default_factory=OrderedDict)

    async def of(self, project: Project, every: Labeled | None = None) -> Doubts:
        """Return what they say, made anew only when labels have changed; of few labels, nothing.

        ``every`` are all labels, where the caller knows them.
        """
        labeled = await self.labeled.every(project) if every is None else every
        key = labeled.rows_N.tobytes() + labeled.training.labels_N.tobytes() + labeled.training.trusted_N.tobytes()
        kept = self._kept.get(project.id)
        if kept is not None and kept[0] == key:
            return kept[1]
        doubts = await self.executor.run(lambda: _doubts(labeled))
        self._kept[project.id] = (key, doubts)
        while len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return doubts

    def forget(self, project: ProjectId) -> None:
        """Drop what is kept of a deleted project."""
        self._kept.pop(project, None)


def _doubts(labeled: Labeled) -> Doubts:
    rows_N, training = labeled.rows_N, labeled.training
    if len(rows_N) > MOST_LABELS:
        chosen = np.sort(np.random.default_rng(len(rows_N)).choice(len(rows_N), MOST_LABELS, replace=False))
    else:
        chosen = np.arange(len(rows_N))
    labels_n = training.labels_N[chosen]
    if len(chosen) < FEWEST_LABELS or len(np.unique(labels_n)) < 2:
        return NO_DOUBTS
    embeddings_nD = training.embeddings_ND[chosen]
    classes = len(training.classes)
    probabilities_nC = joined(
        out_of_fold(embeddings_nD, labels_n, classes), neighbour_shares(embeddings_nD, labels_n, classes)
    )
    wrong_n = wrong_probabilities(probabilities_nC, labels_n, training.trusted_N[chosen].astype(np.int64))
    rows = rows_N[chosen].tolist()
    own = [training.classes[c] for c in probabilities_nC.argmax(axis=1).tolist()]
    return Doubts(dict(zip(rows, wrong_n.tolist(), strict=True)), dict(zip(rows, own, strict=True)))
