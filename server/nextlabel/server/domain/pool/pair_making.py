"""Pairs of single texts that a project of preferences ranks, made when some are asked about.

A project of n texts has n (n - 1) / 2 pairs. They are made some hundreds at a time, in an order in which every text
stands in as many pairs as any other, and a strategy chooses among those that nobody was asked about. A pair's id is
named by the ids of its texts, so that none is made twice, whatever server makes it and whatever crash comes between.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from hashlib import sha256

import numpy as np
import numpy.typing as npt

from nextlabel.server.domain.pool.embedding import side_by_side
from nextlabel.server.domain.pool.incoming import IncomingItems
from nextlabel.server.domain.pool.index import hash_texts
from nextlabel.server.domain.pool.ingest import Ingest
from nextlabel.server.domain.pool.pools import KnownPool, Pools
from nextlabel.server.ports.pool_store import StoredItem
from nextlabel.server.ports.state_store import StateStore
from nextlabel.server.ports.system import Executor
from nextlabel.server.values.ids import ProjectId
from nextlabel.server.values.labeling.tasks import ItemToAnnotate
from nextlabel.server.values.limits import Limits
from nextlabel.server.values.pairs import TextPair, with_pair
from nextlabel.server.values.pool import Split
from nextlabel.server.values.projects.projects import Project

OPEN_PAIRS = 1_000
"""Pairs that nobody was asked about, for a strategy to choose among; more for batches above a tenth of it."""

MADE_OF = "made_of"
"""Field of a made pair's metadata: the ids of its two texts."""

Pair = tuple[int, int]
MadePair = tuple[str, StoredItem, StoredItem]


@dataclass(frozen=True, slots=True)
class PairMaking:
    """Makes pairs of a project's single texts."""

    store: StateStore
    pools: Pools
    ingest: Ingest
    executor: Executor
    new_id: Callable[[], str]
    limits: Limits

    async def replenish(self, project: Project, open_pairs: int, asked: int) -> int:
        """Make pairs where less than half of those are open that a batch of ``asked`` is chosen from; return how many.

        The caller keeps other selections of the project out.
        """
        wanted = max(OPEN_PAIRS, 10 * asked)
        pool = await self.pools.open(project.id)
        if open_pairs >= wanted / 2 or not pool.unpaired:
            return 0
        texts = await self._ready(pool)
        found = await self.executor.run(lambda: _new_pairs(pool, texts, wanted - open_pairs))
        made = 0
        for start in range(0, len(found), self.limits.batch_items):
            pairs = await self._pairs(project, found[start : start + self.limits.batch_items])
            receipt = await (await self.ingest.add(project, f"pairs/{self.new_id()}", 1, _incoming(*pairs)))
            made += receipt.accepted
        return made

    async def next_ones(self, project: Project, count: int) -> list[ItemToAnnotate]:
        """Return the pairs that would be made next as annotators will see them; they have no rows yet."""
        pool = await self.pools.open(project.id)
        texts = await self._ready(pool)
        found = await self.executor.run(lambda: _new_pairs(pool, texts, count))
        items, embeddings_nD = await self._pairs(project, found)
        return [
            ItemToAnnotate(made, -1, "", alternatives=(a.text, b.text), embedding=tuple(map(float, vector)))
            for (made, a, b), vector in zip(items, embeddings_nD, strict=True)
        ]

    @asynccontextmanager
    async def with_pairs(self, project: ProjectId, item_ids: Sequence[str]) -> AsyncIterator[Sequence[str]]:
        """Keep pairs from being made, and return the ids with those of all pairs that were made of some texts."""
        if not (await self.pools.open(project)).unpaired:
            yield item_ids
            return
        async with self.pools.selecting(project):
            yield [*item_ids, *await self._made_of(project, item_ids)]

    async def _made_of(self, project: ProjectId, item_ids: Sequence[str]) -> Sequence[str]:
        pool = await self.pools.open(project)
        async with pool.writing:
            await self.pools.catch_up(pool)
        gone = set(item_ids)
        texts = [item.item_id for item in pool.references.values() if item.split is Split.UNPAIRED]

        def made() -> Sequence[str]:
            ids = [pair_id(one, other) for one in texts if one in gone for other in texts if one != other]
            rows, _ = pool.find(hash_texts(ids))
            known = [name for name, row in zip(ids, rows.tolist(), strict=True) if row >= 0]
            return [name for name in dict.fromkeys(known) if name not in gone]

        return await self.executor.run(made)

    async def _ready(self, pool: KnownPool) -> list[tuple[int, str]]:
        """Return row and id of the texts that have an embedding, one of each wording, in an order that says nothing."""
        waiting = await self.store.read(lambda tx: tx.pool.segments(pool.project, embedded=False))
        by_wording = {
            item.text_hash: (row, item.item_id)
            for row, item in sorted(pool.references.items(), reverse=True)
            if item.split is Split.UNPAIRED and not any(s.first_row <= row < s.first_row + s.row_count for s in waiting)
        }
        return [by_wording[wording] for wording in sorted(by_wording)]

    async def _pairs(self, project: Project, pairs: Sequence[Pair]) -> tuple[list[MadePair], npt.NDArray[np.float16]]:
        """Return pairs by the rows of their texts, and their embeddings; those of deleted texts are left out."""
        stored = {item.row: item for item in await self.pools.items(project.id, sorted({r for p in pairs for r in p}))}
        both = [(stored[one], stored[other]) for one, other in pairs if one in stored and other in stored]
        if not both:
            return [], np.zeros((0, 0), np.float16)
        embeddings_nD = await self.pools.embeddings(project, list(stored))
        texts_nD = _unit(embeddings_nD[:, : embeddings_nD.shape[1] // 2])
        place = {row: i for i, row in enumerate(stored)}
        sides = [place[item.row] for pair in both for item in pair]
        return [(pair_id(a.item_id, b.item_id), a, b) for a, b in both], side_by_side(texts_nD[sides])


def pair_id(one: str, other: str) -> str:
    """Return the id of the pair of two texts, whichever comes first.

    >>> pair_id("a", "b") == pair_id("b", "a")
    True
    """
    return "pair-" + sha256("\0".join(sorted((one, other))).encode()).hexdigest()[:32]


def in_order(texts: int) -> Iterator[list[Pair]]:
    """Yield all pairs of texts from 0 on, each once, in blocks in which every text stands equally often.

    The texts are on a circle, and those some steps apart are paired. The steps come in an order by their hashes: random
    circulant graphs of few of them join all texts by short ways, which is what rankings need of pairs. In a block every
    text comes first in one pair and second in another, so that neither says anything of it.

    >>> [sorted(map(sorted, block)) for block in in_order(4)]
    [[[0, 1], [0, 3], [1, 2], [2, 3]], [[0, 2], [1, 3]]]
    """
    steps = np.arange(1, texts // 2 + 1)
    for step in steps[np.argsort(hash_texts(list(map(str, steps.tolist()))), kind="stable")].tolist():
        size = texts // 2 if 2 * step == texts else texts
        yield [(i, (i + step) % texts) for i in range(size)]


def _new_pairs(pool: KnownPool, texts: Sequence[tuple[int, str]], count: int) -> list[Pair]:
    """Return the rows of the first ``count`` pairs that were never made."""
    found: list[Pair] = []
    for block in in_order(len(texts)):
        keys_n = hash_texts([pair_id(texts[a][1], texts[b][1]) for a, b in block])
        rows_n, _ = pool.index.find(keys_n)
        found += [(texts[a][0], texts[b][0]) for (a, b), row in zip(block, rows_n.tolist(), strict=True) if row < 0]
        if len(found) >= count:
            break
    return found[:count]


def _incoming(pairs: Sequence[MadePair], embeddings_nD: npt.NDArray[np.float16]) -> IncomingItems:
    kept = [
        with_pair(json.dumps({MADE_OF: [a.item_id, b.item_id]}, ensure_ascii=False), TextPair(a.text, b.text))
        for _, a, b in pairs
    ]
    plain = [""] * len(pairs)
    return IncomingItems([made for made, _, _ in pairs], plain, kept, [Split.POOL] * len(pairs), plain, embeddings_nD)


def _unit(embeddings_nD: npt.NDArray[np.float16]) -> npt.NDArray[np.float16]:
    wide = embeddings_nD.astype(np.float32)
    lengths = np.linalg.norm(wide, axis=1, keepdims=True)
    return np.asarray(wide / np.maximum(lengths, 1e-12), np.float16)
