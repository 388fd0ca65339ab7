"""Which rows a selection may take: never asked ones first, then what needs another answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nextlabel.server.domain.labeling.needs import Asker
from nextlabel.server.domain.labeling.standing import Standings
from nextlabel.server.domain.pool.pools import KnownPool
from nextlabel.server.ports.pool_store import PoolStore, Rows
from nextlabel.server.ports.state_store import StateStore, Transaction
from nextlabel.server.values.ids import EmbeddingsId, project_of
from nextlabel.server.values.limits import Limits
from nextlabel.server.values.projects.projects import Project
from nextlabel.strategies import Block


@dataclass(frozen=True, slots=True)
class UsableRows:
    """Says which rows may be asked: none of ``excluded``, which ascend, only those that are true in ``within_N``."""

    excluded: Rows
    pool_rows: int
    within_N: npt.NDArray[np.bool_] | None

    @classmethod
    def of(cls, excluded: Rows, pool_rows: int, within: Rows | None) -> UsableRows:
        """Return those below ``pool_rows`` that are not excluded and, where ``within`` is given, in it."""
        within_N = None
        if within is not None:
            within_N = np.zeros(pool_rows, np.bool_)
            within_N[within[within < pool_rows]] = True
        return cls(excluded, pool_rows, within_N)

    def __call__(self, rows_n: Rows) -> npt.NDArray[np.bool_]:
        """Return a truth value for each row, shape (n,)."""
        usable: npt.NDArray[np.bool_] = rows_n < self.pool_rows
        if len(self.excluded):
            at = np.minimum(np.searchsorted(self.excluded, rows_n), len(self.excluded) - 1)
            usable &= self.excluded[at] != rows_n
        if self.within_N is not None and len(self.within_N):
            usable &= self.within_N[np.minimum(rows_n, self.pool_rows - 1)]
        return usable


class AskableRows:
    """The rows that may be asked, as strategies stream them: embedded, not excluded, no holdout or gold.

    ``pool_rows`` is the size of the pool that they are taken from; what is added meanwhile is not looked at.
    Where ``within`` is given, rows that are not in it are left out too.
    """

    def __init__(
        self, arrays: PoolStore, embeddings: EmbeddingsId, excluded: Rows, pool_rows: int, within: Rows | None = None
    ) -> None:
        self._arrays = arrays
        self._embeddings = embeddings
        self._excluded = excluded
        self._usable = UsableRows.of(excluded, pool_rows, within)
        self.pool_rows = pool_rows
        self._length: int | None = None

    def within(self, rows: Rows) -> AskableRows:
        """Return those of them that are among ``rows``."""
        return AskableRows(self._arrays, self._embeddings, self._excluded, self.pool_rows, rows)

    def __len__(self) -> int:
        if self._length is None:
            self._length = sum(
                int(self._usable(b.rows_n).sum()) for b in self._arrays.scan_embeddings(self._embeddings)
            )
        return self._length

    def blocks(self) -> Iterator[Block]:
        """Yield all candidates, in the same order at every pass."""
        for block in self._arrays.scan_embeddings(self._embeddings):
            usable = self._usable(block.rows_n)
            if usable.all():
                yield Block(block.rows_n, block.embeddings_nD)
            elif usable.any():
                yield Block(block.rows_n[usable], block.embeddings_nD[usable])

    def has(self, rows: Rows) -> bool:
        """Return whether all of ``rows``, which are embedded, are among these."""
        return bool(self._usable(rows).all())

    def take(self, rows: Rows) -> npt.NDArray[np.float16]:
        """Return embeddings in the order of ``rows``."""
        return self._arrays.embeddings(self._embeddings, rows.tolist())

    def item_ids(self, rows: Rows) -> Sequence[str]:
        """Return item ids in the order of ``rows``."""
        return [item.item_id for item in self._arrays.items(project_of(self._embeddings), rows.tolist())]

    def ids_by_row(self, rows: Rows) -> Mapping[int, str]:
        """Return the item ids of rows; those that were deleted meanwhile are left out."""
        return {item.row: item.item_id for item in self._arrays.items(project_of(self._embeddings), rows.tolist())}


@dataclass(frozen=True, slots=True)
class Asking:
    """Who asks, and how often at most about an item within its run."""

    asker: Asker
    times: int = 1


@dataclass(frozen=True, slots=True)
class Askable:
    """Finds the rows that a selection may take, and makes of them what ``rows`` does."""

    store: StateStore
    arrays: PoolStore
    standings: Standings
    limits: Limits
    rows: Callable[[PoolStore, EmbeddingsId, Rows, int], AskableRows] = AskableRows

    async def in_turn(
        self, project: Project, pool: KnownPool, asking: Asking, *, candidates: bool = False
    ) -> Sequence[AskableRows]:
        """Return the rows to select from; the later ones are for when the earlier ones have none left.

        With ``candidates`` only its own answers keep an annotator from an item: every one may write a text of it.

        What was asked in vain waits until nothing is left that was never asked, and so does, for a run, what was put
        aside for people who lease.
        """
        run = asking.asker.run
        standing = await self.standings.of(project)
        again = self.standings.askable(standing, asking.asker)

        def asked(tx: Transaction) -> tuple[Sequence[int], Sequence[int]]:
            return (
                tx.labeling.picked_rows(project.id, run),
                tx.labeling.picked_rows(project.id, run, times=asking.times),
            )

        asked_by_run, asked_enough = await self.store.read(asked) if run else ((), ())
        answered = standing.answered
        if candidates:
            own = asking.asker.annotator
            answered = {row for row in answered if any(a.annotator == own for a in standing.annotations[row])}
        barred = {*answered, *(standing.needs.keys() - again), *standing.taken(), *asked_enough}
        later = {*again, *asked_by_run, *(standing.picked if run else ())} - barred
        first = self._rows(project, pool, barred | later)
        return [first, self._rows(project, pool, barred)] if later else [first]

    async def count(self, project: Project, pool: KnownPool) -> int:
        """Return how many rows nobody was asked about yet, those that wait for their embedding included."""
        known = (await self.standings.of(project)).rows()
        return pool.index.next_row - len(np.union1d(pool.unusable_rows(), np.fromiter(known, np.int64)))

    def any_rows(self, project: Project, pool: KnownPool) -> AskableRows:
        """Return the whole pool, for strategies that look for answers to check."""
        return self._rows(project, pool, ())

    def _rows(self, project: Project, pool: KnownPool, excluded: Iterable[int]) -> AskableRows:
        rows = np.union1d(pool.unusable_rows(), np.fromiter(excluded, np.int64))
        return self.rows(self.arrays, project.embeddings, rows, pool.index.next_row)
