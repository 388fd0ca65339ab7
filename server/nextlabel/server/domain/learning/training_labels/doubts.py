"""What learner and neighbours say of labels that they have not seen."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from cachetools import LRUCache

from nextlabel.server.assessment.suspects import joined, neighbour_shares, wrong_probabilities
from nextlabel.server.domain.learning.training_labels.labeled import Labeled, LabeledItems
from nextlabel.server.learners.out_of_fold import out_of_fold
from nextlabel.server.ports.pool_store import Rows
from nextlabel.server.ports.system import Executor
from nextlabel.server.values.ids import ProjectId
from nextlabel.server.values.projects.projects import Project

FEWEST_LABELS = 30
MOST_KNOWN = 10_000
"""Labels that a learner is fitted on, and that are each other's neighbours: the square of it is the cost."""
MOST_JUDGED = 100_000
FEW_NEIGHBOURS = 2_000
"""Labels that may be neighbours of those that no learner is fitted on."""
CHANGED_SHARE = 0.01
"""Labels that may have changed before a list for people is made anew, which takes seconds where there are thousands."""
_KEPT = 8
Int64 = npt.NDArray[np.int64]
_SPREAD = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True, slots=True, eq=False)
class Doubts:
    """What learner and neighbours say of labels, by row: how probably each is wrong, and their own label.

    ``labels`` are those that the labels had, the ones included that were too many to be judged.
    """

    wrong: Mapping[int, float]
    own: Mapping[int, str]
    labels: Mapping[int, str]

    def hold(self, row: int, label: str) -> bool:
        """Return whether they are about this label, and not about one that it has replaced since."""
        return self.labels.get(row) == label


NO_DOUBTS = Doubts({}, {}, {})


@dataclass(frozen=True, slots=True)
class Doubting:
    """Judges all labels, those that filters name included: who is left out of training is judged as before.

    The learner is one of its own, fitted on other labels than it judges, and no published model version.
    """

    labeled: LabeledItems
    executor: Executor
    _kept: LRUCache[ProjectId, tuple[bytes, Doubts]] = field(init=False, default_factory=lambda: LRUCache(_KEPT))
    _under_way: dict[ProjectId, tuple[bytes, asyncio.Task[Doubts]]] = field(init=False, default_factory=dict)

    async def of(self, project: Project, every: Labeled | None = None) -> Doubts:
        """Return what they say, made anew only when labels have changed; of few labels, nothing.

        ``every`` are all labels, where the caller knows them.
        """
        labeled = await self.labeled.every(project) if every is None else every
        key = labeled.rows_N.tobytes() + labeled.training.labels_N.tobytes() + labeled.training.trusted_N.tobytes()
        kept = self._kept.get(project.id)
        if kept is not None and kept[0] == key:
            return kept[1]
        under_way = self._under_way.get(project.id)
        if under_way is None or under_way[0] != key:
            under_way = key, asyncio.create_task(self._judged(project.id, key, labeled))
            self._under_way[project.id] = under_way
        # Who stops waiting comes back, and then it is there.
        return await asyncio.shield(under_way[1])

    async def recent(self, project: Project) -> Doubts:
        """Return what they say, or said when at most one label in a hundred was another one, or none yet."""
        kept = self._kept.get(project.id)
        if kept is None:
            return await self.of(project)
        agreed = await self.labeled.usable(project)
        changed = sum(not kept[1].hold(row, found.label) for row, found in agreed.items())
        gone = max(0, len(kept[1].labels) + changed - len(agreed))
        if changed + gone > CHANGED_SHARE * len(agreed):
            return await self.of(project)
        return kept[1]

    async def _judged(self, project: ProjectId, key: bytes, labeled: Labeled) -> Doubts:
        try:
            doubts = await self.executor.run(lambda: _doubts(labeled))
            self._kept[project] = (key, doubts)
        finally:
            if self._under_way.get(project, (b"",))[0] == key:
                del self._under_way[project]
        return doubts

    def forget(self, project: ProjectId) -> None:
        """Drop what is kept of a deleted project."""
        self._kept.pop(project, None)


def _doubts(labeled: Labeled) -> Doubts:
    chosen, rank_n = _drawn(labeled.rows_N)
    known_n, training = rank_n < MOST_KNOWN, labeled.training
    labels_n = training.labels_N[chosen]
    names = [training.classes[c] for c in training.labels_N.tolist()]
    labels = dict(zip(labeled.rows_N.tolist(), names, strict=True))
    if len(chosen) < FEWEST_LABELS or len(np.unique(labels_n[known_n])) < 2:
        return Doubts({}, {}, labels)
    embeddings_nD = training.embeddings_ND[chosen]
    classes = len(training.classes)
    probabilities_nC = joined(
        out_of_fold(embeddings_nD, labels_n, classes, known_N=known_n),
        _shares(embeddings_nD, labels_n, classes, rank_n),
    )
    wrong_n = wrong_probabilities(probabilities_nC, labels_n, training.trusted_N[chosen].astype(np.int64))
    rows = labeled.rows_N[chosen].tolist()
    own = [training.classes[c] for c in probabilities_nC.argmax(axis=1).tolist()]
    return Doubts(dict(zip(rows, wrong_n.tolist(), strict=True)), dict(zip(rows, own, strict=True)), labels)


def _drawn(rows_N: Rows) -> tuple[Int64, Int64]:
    """Return the places of the n labels to judge, ascending, and their ranks in an order that looks random.

    It goes by the rows alone, so that what is judged does not flicker when labels come.
    """
    order = np.argsort(rows_N.astype(np.uint64) * _SPREAD, kind="stable")[:MOST_JUDGED]
    by_place = np.argsort(order, kind="stable")
    return order[by_place], by_place


def _shares(
    embeddings_nD: npt.NDArray[np.float32], labels_n: Int64, classes: int, rank_n: Int64
) -> npt.NDArray[np.float64]:
    known, others = np.flatnonzero(rank_n < MOST_KNOWN), np.flatnonzero(rank_n >= MOST_KNOWN)
    shares_nC = np.empty((len(labels_n), classes))
    shares_nC[known] = neighbour_shares(embeddings_nD[known], labels_n[known], classes)
    if len(others):
        few = np.flatnonzero(rank_n < FEW_NEIGHBOURS)
        both = np.concatenate([few, others])
        may_be = np.arange(len(both)) < len(few)
        found = neighbour_shares(embeddings_nD[both], labels_n[both], classes, known_N=may_be)
        shares_nC[others] = found[len(few) :]
    return shares_nC
