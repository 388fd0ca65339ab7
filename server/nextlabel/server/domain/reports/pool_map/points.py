"""The pool in two dimensions: where items stand, what they are labeled or predicted to be, and which were picked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from cachetools import LRUCache

from nextlabel.server.assessment.consensus.votes import Consensus
from nextlabel.server.domain.labeling.labels import Labels
from nextlabel.server.domain.learning.learning import Learning
from nextlabel.server.domain.learning.types.task_learner import PredictedAnswer
from nextlabel.server.domain.pool.pools import Pools
from nextlabel.server.domain.reports.pool_map.layouts import PoolLayouts
from nextlabel.server.domain.reports.pool_map.sample import among, anchors, drawn, shown
from nextlabel.server.ports.pool_store import Rows
from nextlabel.server.ports.state_store import StateStore, Transaction
from nextlabel.server.ports.system import Executor
from nextlabel.server.values.errors import FailedPrecondition, InvalidArgument
from nextlabel.server.values.ids import ProjectId
from nextlabel.server.values.labeling.answers import Body
from nextlabel.server.values.labeling.batches import Pick
from nextlabel.server.values.pool import Segment
from nextlabel.server.values.projects.projects import Project

DEFAULT_POINTS = 2_000
MOST_POINTS = 5_000
_KEPT_POOLS = 4


@dataclass(frozen=True, slots=True)
class MapPoint:
    """An item on the map, at a place in [-1, 1]².

    ``body`` is the consensus of a labeled item, else what the learner predicts; None without either. ``confidence`` is
    in [0, 1], None where nothing says so, as for the label of a person. ``pick`` is that of the newest batch.
    """

    row: int
    item_id: str
    text: str
    x: float
    y: float
    body: Body | None
    labeled: bool
    confidence: float | None
    pick: Pick | None


@dataclass(frozen=True, slots=True)
class PoolMap:
    """Points of a map: picked items, labeled ones, then a sample of the pool.

    ``items`` are those of the pool that have an embedding, of which ``labeled`` have a label; ``waiting`` ones have no
    embedding yet. ``batch`` is the newest query batch, '' without one; ``model_version`` predicted, 0 without a model.
    """

    points: Sequence[MapPoint]
    items: int
    labeled: int
    waiting: int
    batch: str
    model_version: int


@dataclass(frozen=True, slots=True)
class _Predicted:
    """What a version predicts, by row."""

    version: int
    answers: Mapping[int, PredictedAnswer]


@dataclass(frozen=True, slots=True, eq=False)
class _Usable:
    """The embedded rows of a pool, ascending, what is drawn of them, and how many rows wait for their embedding.

    ``key`` is what it was made of; ``anchors`` are for the layout, the sample ``uniform`` is shown.
    """

    key: _UsableKey
    rows_n: Rows
    anchors: Rows
    uniform: Rows
    waiting: int

    @classmethod
    def among(cls, key: _UsableKey) -> _Usable:
        """Return what is usable of the rows of a pool."""
        of_pool = np.ones(key.size, np.bool_)
        of_pool[key.unusable[key.unusable < key.size]] = False
        embedded = of_pool.copy()
        for segment in key.unembedded:
            embedded[segment.first_row : segment.first_row + segment.row_count] = False
        rows_n = np.flatnonzero(embedded)
        waiting = int(of_pool.sum() - embedded.sum())
        return cls(key, rows_n, anchors(rows_n), drawn(rows_n, key.points), waiting)


@dataclass(frozen=True, slots=True, eq=False)
class _UsableKey:
    """The rows that a pool has, those that are no items to ask about or not embedded, and how many are drawn."""

    size: int
    unusable: Rows
    unembedded: Sequence[Segment]
    points: int

    def same(self, other: _UsableKey) -> bool:
        """Return whether the same is usable."""
        rest = (self.size, self.unembedded, self.points) == (other.size, other.unembedded, other.points)
        return rest and np.array_equal(self.unusable, other.unusable)


@dataclass(frozen=True, slots=True, eq=False)
class _Chosen:
    """The rows of a map, and the labels of the project, of which so many are of usable items."""

    usable: _Usable
    labeled: Mapping[int, Consensus]
    labeled_items: int
    rows: Rows


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolMaps:
    """Draws pools; what costs time is kept until it does not hold any more."""

    store: StateStore
    pools: Pools
    labels: Labels
    learning: Learning
    layouts: PoolLayouts
    executor: Executor
    _predicted: dict[ProjectId, _Predicted] = field(init=False, default_factory=dict)
    _usable: LRUCache[ProjectId, _Usable] = field(init=False, default_factory=lambda: LRUCache(_KEPT_POOLS))

    async def of(self, project: Project, points: int = 0) -> PoolMap:
        """Return up to so many points of a pool, by default 2,000; the same ones at every look.

        Raises:
            InvalidArgument: more points than 5,000, or fewer than none.
        """
        if not 0 <= points <= MOST_POINTS:
            raise InvalidArgument.field(
                "max_points", f"from 1 to {MOST_POINTS}, or 0 for {DEFAULT_POINTS}, got {points}"
            )
        pool = await self.pools.open(project.id)
        consensus = dict(await self.labels.consensus(project))
        segments, picks = await self.store.read(
            lambda tx: (tx.pool.segments(project.id, embedded=False), _newest_picks(tx, project.id))
        )
        picked = {pick.row: pick for pick in picks}
        key = _UsableKey(pool.index.next_row, pool.unusable_rows(), segments, points or DEFAULT_POINTS)
        kept = self._usable.get(project.id)
        chosen = await self.executor.run(
            lambda: _chosen(kept if kept and kept.key.same(key) else _Usable.among(key), consensus, picked)
        )
        self._usable[project.id] = chosen.usable
        stored = await self.pools.items(project.id, chosen.rows.tolist())
        rows = [item.row for item in stored]
        usable, labeled = chosen.usable, chosen.labeled
        places_p2 = np.zeros((0, 2), np.float32)
        if rows:
            places_p2 = await self.layouts.places(project, usable.anchors, rows)
        predicted = await self._predictions(project, [row for row in rows if row not in labeled])
        return PoolMap(
            points=[
                MapPoint(
                    row=item.row,
                    item_id=item.item_id,
                    text=item.text,
                    x=x,
                    y=y,
                    body=_body(labeled.get(item.row), predicted.answers.get(item.row)),
                    labeled=item.row in labeled,
                    confidence=_confidence(labeled.get(item.row), predicted.answers.get(item.row)),
                    pick=picked.get(item.row),
                )
                for item, (x, y) in zip(stored, places_p2.tolist(), strict=True)
            ],
            items=len(usable.rows_n),
            labeled=chosen.labeled_items,
            waiting=usable.waiting,
            batch=picks[0].batch if picks else "",
            model_version=predicted.version,
        )

    def forget(self, project: ProjectId) -> None:
        """Drop what is kept of a deleted project."""
        self.layouts.forget(project)
        self._predicted.pop(project, None)
        self._usable.pop(project, None)

    async def _predictions(self, project: Project, rows: Sequence[int]) -> _Predicted:
        """Return what the newest model predicts for embedded rows; nothing without a model.

        Advice that came since the model was trained counts from the next version on.
        """
        newest = await self.store.read(lambda tx: tx.models.latest(project.embeddings))
        if newest is None:
            return _Predicted(0, {})
        kept = self._predicted.get(project.id)
        known = {} if kept is None or kept.version != newest.version else kept.answers
        if missing := [row for row in rows if row not in known]:
            embeddings_nD = await self.pools.embeddings(project, missing)
            try:
                _, _, answers = await self.learning.answers(project, embeddings_nD, newest.version, missing)
            except FailedPrecondition:
                # Its file is damaged: the next training makes a new one, and the map does without.
                return _Predicted(0, {})
            known = {row: known[row] for row in rows if row in known} | dict(zip(missing, answers, strict=True))
        self._predicted[project.id] = found = _Predicted(newest.version, known)
        return found


def _newest_picks(tx: Transaction, project: ProjectId) -> Sequence[Pick]:
    for batch in reversed(tx.labeling.batches(project)):
        if picks := tx.labeling.picks(batch.id):
            return picks
    return ()


def _chosen(usable: _Usable, consensus: Mapping[int, Consensus], picked: Iterable[int]) -> _Chosen:
    labeled = {row: agreed for row, agreed in consensus.items() if not agreed.split}
    count = len(among(labeled, usable.rows_n))
    rows = shown(usable.rows_n, picked, labeled, usable.uniform, usable.key.points)
    return _Chosen(usable, labeled, count, rows)


def _body(agreed: Consensus | None, predicted: PredictedAnswer | None) -> Body | None:
    if agreed is not None:
        return agreed.body
    return None if predicted is None else predicted.body


def _confidence(agreed: Consensus | None, predicted: PredictedAnswer | None) -> float | None:
    if agreed is not None:
        return agreed.confidence
    return None if predicted is None else predicted.probability
