"""What the work has bought: the learning curve, and where a project stands."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from nextlabel.server.assessment.intervals import Estimate, wilson_interval
from nextlabel.server.domain.labeling.labels import Labels
from nextlabel.server.domain.labeling.standing import Standings
from nextlabel.server.ports.state_store import StateStore, Transaction
from nextlabel.server.tasks.answer_form import is_right
from nextlabel.server.values.labeling.answers import Outcome
from nextlabel.server.values.labeling.item_states import ItemState, NeedReason
from nextlabel.server.values.models import ModelVersion
from nextlabel.server.values.money.costs import Cost
from nextlabel.server.values.money.ledger import LedgerKind
from nextlabel.server.values.pool import ReferenceItem, Segment, Split
from nextlabel.server.values.projects.projects import Project
from nextlabel.server.values.runs.runs import NOT_ENDED, Run


@dataclass(frozen=True, slots=True)
class PoolCounts:
    """How many items there are of each sort.

    ``states`` counts the askable items, which are no holdout, gold, shadowed or deleted ones, by state: together they
    are ``pool``. ``needs`` counts those that need another answer, the ones given up included, by reason. ``unpaired``
    are single texts of which pairs are made.
    """

    pool: int
    states: Mapping[ItemState, int]
    needs: Mapping[NeedReason, int]
    holdout: int
    gold: int
    embedded: int
    awaiting_embedding: int
    unpaired: int = 0

    @property
    def without_answer(self) -> int:
        """Items of the pool without an answer that is of use."""
        return self.pool - self.states[ItemState.ANSWERED]

    def with_underway(self, embedded: int) -> PoolCounts:
        """Return the counts with items that are embedded, but not for good yet.

        The last one keeps waiting: nothing is embedded for good before all of its segment is.
        """
        underway = min(embedded, max(0, self.awaiting_embedding - 1))
        return replace(self, embedded=self.embedded + underway, awaiting_embedding=self.awaiting_embedding - underway)

    @property
    def askable(self) -> int:
        """Items of the pool that a run may still ask about; pairs that can be made of single texts are some."""
        pairs = self.unpaired * (self.unpaired - 1) // 2
        return max(self.pool, pairs) - self.states[ItemState.ANSWERED] - self.states[ItemState.GIVEN_UP]


@dataclass(frozen=True, slots=True)
class Overview:
    """Where a project stands. ``label_accuracy`` is estimated from the gold items, None without any answered."""

    counts: PoolCounts
    spent: Cost
    reserved: Cost
    latest: ModelVersion | None
    label_accuracy: Estimate | None
    active_runs: Sequence[Run]
    outcomes: dict[Outcome, int]


class Reports:
    """Reads; changes nothing, and opens no pool: every count is in the StateStore."""

    def __init__(self, store: StateStore, labels: Labels, standings: Standings) -> None:
        self._store = store
        self._labels = labels
        self._standings = standings

    async def learning_curve(self, project: Project, run: str = "") -> Sequence[ModelVersion]:
        """Return the evaluated model versions of a project or of one run, oldest first."""
        models = await self._store.read(lambda tx: tx.models.list(project.id))
        return [m for m in models if m.accuracy is not None and (not run or m.run == run)]

    async def pool_counts(self, project: Project) -> PoolCounts:
        """Count the items of a project by state."""
        standing = await self._standings.of(project)
        stored = await self._store.read(lambda tx: _stored(tx, project))
        splits = Counter(r.split for r in stored.references)
        unusable = {r.row for r in stored.references} | stored.deleted
        rows = standing.rows() - unusable
        states = standing.counts(rows)
        pool = stored.committed - len(unusable)
        awaiting = sum(s.row_count for s in stored.waiting)
        return PoolCounts(
            pool=pool,
            states={state: states[state] for state in ItemState} | {ItemState.UNLABELED: pool - len(rows)},
            needs=Counter(need.reason for row, need in standing.needs.items() if row in rows),
            holdout=splits[Split.HOLDOUT],
            gold=splits[Split.GOLD],
            embedded=stored.committed - awaiting - len(stored.deleted),
            awaiting_embedding=awaiting,
            unpaired=splits[Split.UNPAIRED],
        )

    async def overview(self, project: Project) -> Overview:
        """Return where a project stands."""

        def work(tx: Transaction) -> tuple[ModelVersion | None, Sequence[Run], Cost, Cost]:
            reserved = sum((r.remaining for r in tx.budgets.open_reservations(project.id)), start=Cost())
            spent = tx.budgets.total(project.id, LedgerKind.SETTLE)
            active = tx.runs.list(project.id, states=NOT_ENDED)
            return tx.models.latest(project.embeddings), active, spent, reserved

        latest, active, spent, reserved = await self._store.read(work)
        gold = await self._gold(project)
        by_row = await self._labels.rows(project)
        outcomes = Counter(a.outcome for given in by_row.values() for a in given)
        checked = [a for row in gold for a in by_row.get(row, ())]
        return Overview(
            counts=await self.pool_counts(project),
            spent=spent,
            reserved=reserved,
            latest=latest,
            label_accuracy=_share(sum(is_right(a.answer.body, gold[a.row], project) for a in checked), len(checked)),
            active_runs=active,
            outcomes=dict(outcomes),
        )

    async def _gold(self, project: Project) -> dict[int, str]:
        """Return the trusted labels of the gold items by row."""
        found = await self._store.read(lambda tx: tx.pool.references(project.id, Split.GOLD))
        return {r.row: r.label for r in found}


@dataclass(frozen=True, slots=True)
class _Stored:
    """What the StateStore knows of a pool."""

    committed: int
    waiting: Sequence[Segment]
    references: Sequence[ReferenceItem]
    deleted: set[int]


def _stored(tx: Transaction, project: Project) -> _Stored:
    return _Stored(
        committed=tx.pool.committed_rows(project.id),
        waiting=tx.pool.segments(project.id, embedded=False),
        references=tx.pool.references(project.id),
        deleted=set(tx.pool.deleted_rows(project.id)),
    )


def _share(hits: int, n: int) -> Estimate | None:
    return wilson_interval(hits, n) if n else None
