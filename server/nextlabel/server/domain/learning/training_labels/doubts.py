"""What learner and neighbours say of labels that they have not seen."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from cachetools import LRUCache

from nextlabel.server.domain.learning.training_labels.doubts_by_type import JUDGES
from nextlabel.server.domain.learning.training_labels.labeled import Labeled, LabeledItems
from nextlabel.server.ports.derived import Arrays, DerivedArrays, NothingDerived
from nextlabel.server.ports.pool_store import Rows
from nextlabel.server.ports.system import Executor
from nextlabel.server.tasks.answer_form import shown_answer
from nextlabel.server.values.ids import ProjectId
from nextlabel.server.values.labeling.answers import Score
from nextlabel.server.values.projects.projects import Project

FEWEST_LABELS = 30
MOST_KNOWN = 10_000
"""Labels that a learner is fitted on, and that are each other's neighbours: the square of it is the cost."""
MOST_JUDGED = 100_000
CHANGED_SHARE = 0.01
"""Labels that may have changed before a list for people is made anew, which takes seconds where there are thousands."""
_KEPT = 8
_NAME = "doubts"
Int64 = npt.NDArray[np.int64]
_SPREAD = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True, slots=True, eq=False)
class Doubts:
    """What learner and neighbours say of labels, by row: how probably each is wrong, and their own label.

    ``labels`` are those that the labels had, the ones included that were too many to be judged; ``scores`` are their
    own ones where labels are scores.
    """

    wrong: Mapping[int, float]
    own: Mapping[int, str]
    labels: Mapping[int, str]
    scores: Mapping[int, float] = field(default_factory=dict)

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
    derived: DerivedArrays = field(default_factory=NothingDerived)
    _kept: LRUCache[ProjectId, tuple[bytes, Doubts]] = field(init=False, default_factory=lambda: LRUCache(_KEPT))
    _under_way: dict[ProjectId, tuple[bytes, asyncio.Task[Doubts]]] = field(init=False, default_factory=dict)

    async def of(self, project: Project, every: Labeled | None = None) -> Doubts:
        """Return what they say, made anew only when labels have changed; of few labels, nothing.

        ``every`` are all labels, where the caller knows them.
        """
        labeled = await self.labeled.every(project) if every is None else every
        key = await self.executor.run(lambda: _made_of(labeled))
        kept = await self._last(project)
        if kept is not None and kept[0] == key:
            return kept[1]
        under_way = self._under_way.get(project.id)
        if under_way is None or under_way[0] != key:
            under_way = key, asyncio.create_task(self._judged(project, key, labeled))
            self._under_way[project.id] = under_way
        # Who stops waiting comes back, and then it is there.
        return await asyncio.shield(under_way[1])

    async def recent(self, project: Project) -> Doubts:
        """Return what they say, or said when at most one label in a hundred was another one, or none yet."""
        kept = await self._last(project)
        if kept is None:
            return await self.of(project)
        agreed = await self.labeled.usable(project)
        changed = sum(not kept[1].hold(row, shown_answer(found.body)) for row, found in agreed.items())
        gone = max(0, len(kept[1].labels) + changed - len(agreed))
        if changed + gone > CHANGED_SHARE * len(agreed):
            return await self.of(project)
        return kept[1]

    async def _last(self, project: Project) -> tuple[bytes, Doubts] | None:
        """Return what was made last, before the server was started too, and what of."""
        kept = self._kept.get(project.id)
        if kept is None and (found := await self.derived.find(project.id, _NAME)) is not None:
            kept = self._kept.setdefault(project.id, (found["made_of"].tobytes(), _from_arrays(found)))
        return kept

    async def _judged(self, project: Project, key: bytes, labeled: Labeled) -> Doubts:
        try:
            doubts = await self.executor.run(lambda: _doubts(labeled, project))
            self._kept[project.id] = (key, doubts)
            await self.derived.keep(project.id, _NAME, _as_arrays(doubts, key))
        finally:
            if self._under_way.get(project.id, (b"",))[0] == key:
                del self._under_way[project.id]
        return doubts

    def forget(self, project: ProjectId) -> None:
        """Drop what is kept of a deleted project."""
        self._kept.pop(project, None)


def _doubts(labeled: Labeled, project: Project) -> Doubts:
    chosen, rank_n = _drawn(labeled.rows_N)
    labels = {row: shown_answer(one.body) for row, one in zip(labeled.rows_N.tolist(), labeled.consensus, strict=True)}
    judge = JUDGES.get(project.annotation_type)
    if judge is None or len(chosen) < FEWEST_LABELS:
        return Doubts({}, {}, labels)
    training = labeled.training.take(chosen)
    found = judge(labeled.embeddings_ND[chosen], training, rank_n < MOST_KNOWN, rank_n)
    if found is None:
        return Doubts({}, {}, labels)
    rows = labeled.rows_N[chosen].tolist()
    own = [shown_answer(body) for body in found.own]
    scores = {row: body.value for row, body in zip(rows, found.own, strict=True) if isinstance(body, Score)}
    return Doubts(
        dict(zip(rows, found.wrong_n.tolist(), strict=True)), dict(zip(rows, own, strict=True)), labels, scores
    )


def _made_of(labeled: Labeled) -> bytes:
    told = repr([(one.row, shown_answer(one.body), one.trusted) for one in labeled.consensus])
    digest = hashlib.sha256(told.encode(errors="surrogatepass"))
    digest.update(np.ascontiguousarray(labeled.embeddings_ND).data)
    return digest.digest()


def _as_arrays(doubts: Doubts, made_of: bytes) -> Arrays:
    said = json.dumps([[*doubts.own.items()], [*doubts.labels.items()]]).encode()
    return {
        "made_of": np.frombuffer(made_of, np.uint8),
        "rows_n": np.fromiter(doubts.wrong, np.int64, len(doubts.wrong)),
        "wrong_n": np.fromiter(doubts.wrong.values(), np.float64, len(doubts.wrong)),
        "scored_m": np.fromiter(doubts.scores, np.int64, len(doubts.scores)),
        "scores_m": np.fromiter(doubts.scores.values(), np.float64, len(doubts.scores)),
        "said": np.frombuffer(said, np.uint8),
    }


def _from_arrays(arrays: Arrays) -> Doubts:
    own, labels = json.loads(arrays["said"].tobytes())
    return Doubts(
        wrong=dict(zip(arrays["rows_n"].tolist(), arrays["wrong_n"].tolist(), strict=True)),
        own=dict(own),
        labels=dict(labels),
        scores=dict(zip(arrays["scored_m"].tolist(), arrays["scores_m"].tolist(), strict=True)),
    )


def _drawn(rows_N: Rows) -> tuple[Int64, Int64]:
    """Return the places of the n labels to judge, ascending, and their ranks in an order that looks random.

    It goes by the rows alone, so that what is judged does not flicker when labels come.
    """
    order = np.argsort(rows_N.astype(np.uint64) * _SPREAD, kind="stable")[:MOST_JUDGED]
    by_place = np.argsort(order, kind="stable")
    return order[by_place], by_place
