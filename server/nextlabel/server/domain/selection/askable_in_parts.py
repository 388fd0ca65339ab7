"""Rows that may be asked, computed on where a cluster is: in parts of about a fragment, cut where tiles are cut."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from typing_extensions import override

from nextlabel.server.domain.selection.askable import AskableRows, UsableRows
from nextlabel.server.ports.cluster import Cluster
from nextlabel.server.ports.fragments import FragmentedStore, Fragments, StoredEmbeddings
from nextlabel.server.ports.pool_store import PoolStore, Rows
from nextlabel.server.values.ids import EmbeddingsId
from nextlabel.strategies import Block, Pool, PoolError
from nextlabel.strategies.passes.tiles import TILE_ROWS

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Part:
    """Positions ``start … stop - 1`` of the stored order, ``length`` of them of rows that may be asked."""

    start: int
    stop: int
    length: int


@dataclass(frozen=True, slots=True)
class PartRows:
    """The rows of a part as strategies stream them. Ids are not known where parts are computed on."""

    embeddings: StoredEmbeddings
    usable: UsableRows
    part: Part

    def __len__(self) -> int:
        return self.part.length

    def blocks(self) -> Iterator[Block]:
        """Yield the part's rows in the stored order."""
        for block in self.embeddings.scan(self.part.start, self.part.stop):
            usable = self.usable(block.rows_n)
            if usable.all():
                yield Block(block.rows_n, block.embeddings_nD)
            elif usable.any():
                yield Block(block.rows_n[usable], block.embeddings_nD[usable])

    def take(self, rows: Rows) -> Any:
        """Raise: a part is only streamed."""
        raise PoolError("rows: a part of a pool is only streamed")

    def item_ids(self, rows: Rows) -> Sequence[str]:
        """Raise: a part knows no ids."""
        raise PoolError("item_ids: a part of a pool knows none")


@dataclass(frozen=True, slots=True)
class OnPart:
    """Work on one part, as it travels."""

    embeddings: StoredEmbeddings
    usable: UsableRows
    work: Callable[[Pool], Any]

    def __call__(self, part: Part) -> Any:
        """Return what the work makes of the part."""
        return self.work(PartRows(self.embeddings, self.usable, part))


@dataclass(frozen=True, slots=True)
class Cut:
    """How one version of the embeddings is cut into parts; part i begins in fragment ``homes[i]``."""

    embeddings: StoredEmbeddings
    parts: Sequence[Part] = ()
    homes: Sequence[int] = ()

    @property
    def length(self) -> int:
        """How many rows may be asked."""
        return sum(part.length for part in self.parts)


def cut(stored: Fragments, usable: UsableRows) -> Cut:
    """Cut at the first tile that begins in each fragment, so that tiles are those of a single pass over all rows."""
    starts, before, homes = [0], [0], [0]
    position = seen = 0
    for number, size in enumerate(stored.sizes):
        usable_n = np.flatnonzero(usable(stored.rows_at(position, position + size)))
        skipped = -seen % TILE_ROWS
        if seen + skipped > before[-1] and skipped < len(usable_n):
            starts.append(position + int(usable_n[skipped]))
            before.append(seen + skipped)
            homes.append(number)
        position += size
        seen += len(usable_n)
    if not seen:
        return Cut(stored.embeddings)
    stops, lengths = [*starts[1:], position], np.diff([*before, seen]).tolist()
    parts = [Part(*values) for values in zip(starts, stops, lengths, strict=True)]
    return Cut(stored.embeddings, parts, homes)


@dataclass(frozen=True, slots=True)
class PartSource:
    """Where parts are read and computed on."""

    store: FragmentedStore
    cluster: Cluster


class AskableInParts(AskableRows):
    """A `PoolInParts` of the rows that may be asked: passes over them run on a cluster, everything else here."""

    def __init__(
        self,
        arrays: PoolStore,
        embeddings: EmbeddingsId,
        excluded: Rows,
        pool_rows: int,
        within: Rows | None = None,
        *,
        source: PartSource,
    ) -> None:
        super().__init__(arrays, embeddings, excluded, pool_rows, within)
        self._given_within = within
        self._source = source
        self._cut: Cut | None = None

    @override
    def __len__(self) -> int:
        if self._length is None:
            with self._source.store.fragments(self._embeddings) as stored:
                self._length = 0 if stored is None else self._parts(stored).length
        return self._length

    @override
    def within(self, rows: Rows) -> AskableRows:
        return AskableInParts(self._arrays, self._embeddings, self._excluded, self.pool_rows, rows, source=self._source)

    def without(self, rows: Rows) -> AskableInParts:
        """Return the rows that are left when some more are excluded."""
        excluded = np.union1d(self._excluded, rows)
        return AskableInParts(
            self._arrays, self._embeddings, excluded, self.pool_rows, self._given_within, source=self._source
        )

    def row_numbers(self) -> Iterator[Rows]:
        """Yield all rows in the stored order, without reading embeddings."""
        with self._source.store.fragments(self._embeddings) as stored:
            position = 0
            if stored is not None:
                for size in stored.sizes:
                    rows_n = stored.rows_at(position, position + size)
                    yield rows_n[self._usable(rows_n)]
                    position += size

    def map_parts(self, work: Callable[[Pool], Result]) -> Iterator[Result]:
        """Yield ``work`` of every part in order, computed by the cluster."""
        with self._source.store.fragments(self._embeddings) as stored:
            if stored is not None:
                found = self._parts(stored)
                on_part = OnPart(found.embeddings, self._usable, work)
                yield from self._source.cluster.map(on_part, found.parts, found.homes)

    def _parts(self, stored: Fragments) -> Cut:
        if self._cut is None or self._cut.embeddings != stored.embeddings:
            self._cut = cut(stored, self._usable)
        return self._cut
