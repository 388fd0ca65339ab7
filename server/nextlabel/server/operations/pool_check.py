"""Holds the pool's arrays against what the database says was committed to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from nextlabel.server.domain.pool.index import hash_texts
from nextlabel.server.domain.pool.soundness import damaged_items
from nextlabel.server.ports.pool_store import PoolStore, Rows
from nextlabel.server.ports.state_store import Transaction
from nextlabel.server.values.ids import EmbeddingsId
from nextlabel.server.values.pool import ReferenceItem
from nextlabel.server.values.projects.projects import Project

_SHOWN = 5
_BLOCK = 4_096
_ALL_ROWS = 1 << 62
# Embeddings are stored in 16 bits, at unit length.
_UNIT_TOLERANCE = 0.02


@dataclass(frozen=True, slots=True)
class CommittedPool:
    """What the database promises of one project's pool: rows in ascending order, deleted ones left out.

    The rows of ``embedded_m`` are among those of ``rows_n``; ``model_version`` is the newest one, 0 for none.
    ``taking_over`` is the embedding model that is under way to embed them anew, '' for none.
    """

    project: Project
    rows_n: Rows
    embedded_m: Rows
    model_version: int
    references: Mapping[int, ReferenceItem]
    taking_over: str = ""


def totals(pools: Sequence[CommittedPool]) -> tuple[int, int, int]:
    """Return how many projects, items and embeddings these are."""
    return len(pools), sum(len(pool.rows_n) for pool in pools), sum(len(pool.embedded_m) for pool in pools)


@dataclass(frozen=True, slots=True)
class PoolGap:
    """Committed rows that the arrays of one project lack, a loss or a copy taken at a bad moment, or have damaged.

    ``damaged`` are ids of items whose content is not what was committed, ``damaged_embeddings`` rows whose embedding
    is not of unit length, ``damaged_files`` names of files in the project's folder that are not as they were written.
    """

    project: str
    items: int
    embeddings: int
    damaged: Sequence[str]
    damaged_embeddings: int
    damaged_files: Sequence[str]

    def __str__(self) -> str:
        found = [f"{self.items} items and {self.embeddings} embeddings are missing"]
        if self.damaged:
            shown = ", ".join(map(repr, self.damaged[:_SHOWN]))
            found.append(f"the content of {len(self.damaged)} items is damaged ({shown})")
        if self.damaged_embeddings:
            found.append(f"{self.damaged_embeddings} embeddings are damaged")
        if self.damaged_files:
            found.append(f"{len(self.damaged_files)} files are damaged ({', '.join(self.damaged_files[:_SHOWN])})")
        return f"project {self.project}: {'; '.join(found)}"


def committed_pools(tx: Transaction) -> list[CommittedPool]:
    """Return what the database promises, by project name."""
    return [_committed(tx, project) for project in tx.projects.every()]


def find_gap(arrays: PoolStore, pool: CommittedPool) -> PoolGap | None:
    """Read a project's arrays from end to end; None when every committed row is there as it was committed.

    Rows beyond the committed ones are no gap: they are what an unfinished upload leaves, removed at the next start.

    Raises:
        DataLoss: a file of the arrays is missing or damaged.
        Unavailable: a file of the arrays cannot be read.
    """
    project = pool.project.id
    keys = list(arrays.scan_keys(project))
    items = _joined([block.rows_n for block in keys])
    hashes = np.concatenate([block.content_hashes_n for block in keys]) if keys else np.empty(0, np.uint64)
    embedded, bad_embeddings = _embedded(arrays, pool.project.embeddings, pool.embedded_m)
    lost_items = len(np.setdiff1d(pool.rows_n, items))
    lost_embeddings = len(np.setdiff1d(pool.embedded_m, embedded))
    damaged = _damaged_items(arrays, pool, dict(zip(items.tolist(), hashes.tolist(), strict=True)))
    files = arrays.damaged_files(pool.project.embeddings)
    if not (lost_items or lost_embeddings or damaged or bad_embeddings or files):
        return None
    return PoolGap(pool.project.name, lost_items, lost_embeddings, damaged, bad_embeddings, files)


def _embedded(arrays: PoolStore, of: EmbeddingsId, committed_m: Rows) -> tuple[Rows, int]:
    """Return the rows that have an embedding, and how many of the committed ones are not of unit length."""
    rows, bad = [], 0
    for block in arrays.scan_embeddings(of):
        rows.append(block.rows_n.copy())
        vectors = block.embeddings_nD.astype(np.float32)
        with np.errstate(over="ignore", invalid="ignore"):
            squared = np.vecdot(vectors, vectors)
        wrong = ~(np.abs(squared - 1.0) <= _UNIT_TOLERANCE)
        bad += int(np.isin(block.rows_n[wrong], committed_m).sum())
    return _joined(rows), bad


def _damaged_items(arrays: PoolStore, pool: CommittedPool, hashes: Mapping[int, int]) -> list[str]:
    """Return the ids of committed items whose content does not have the hash that was committed with it."""
    committed = set(pool.rows_n.tolist())
    stored = (item for item in arrays.scan_items(pool.project.id, 0, _ALL_ROWS) if item.row in committed)
    damaged: list[str] = []
    while part := list(islice(stored, _BLOCK)):
        sure = [item for item in part if item.row in hashes]
        committed_n = np.fromiter((hashes[item.row] for item in sure), np.uint64, len(sure))
        keys_n = hash_texts([item.item_id for item in sure])
        damaged += [item.item_id for item in damaged_items(sure, keys_n, committed_n, pool.references)]
    return damaged


def _committed(tx: Transaction, project: Project) -> CommittedPool:
    deleted = np.asarray(tx.pool.deleted_rows(project.id), np.int64)
    segments = tx.pool.segments(project.id)
    latest = tx.models.latest(project.embeddings)
    other = tx.projects.re_embedding(project.id)
    return CommittedPool(
        project,
        np.setdiff1d(_joined([np.arange(s.first_row, s.first_row + s.row_count) for s in segments]), deleted),
        np.setdiff1d(
            _joined([np.arange(s.first_row, s.first_row + s.row_count) for s in segments if s.embedded]), deleted
        ),
        latest.version if latest else 0,
        {r.row: r for r in tx.pool.references(project.id)},
        other.model if other and other.underway else "",
    )


def _joined(parts: Sequence[Rows]) -> Rows:
    return np.concatenate(parts) if parts else np.empty(0, np.int64)
