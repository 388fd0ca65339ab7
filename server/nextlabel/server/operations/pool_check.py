"""Holds the pool's arrays against what the database says was committed to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nextlabel.server.ports.pool_store import PoolStore, Rows
from nextlabel.server.ports.state_store import Transaction
from nextlabel.server.values.projects import Project


@dataclass(frozen=True, slots=True)
class CommittedPool:
    """What the database promises of one project's pool: rows in ascending order, deleted ones left out.

    The rows of ``embedded_m`` are among those of ``rows_n``; ``model_version`` is the newest one, 0 for none.
    """

    project: Project
    rows_n: Rows
    embedded_m: Rows
    model_version: int


@dataclass(frozen=True, slots=True)
class PoolGap:
    """Committed rows that the arrays of one project do not have: a loss, or a copy taken at a bad moment."""

    project: str
    items: int
    embeddings: int

    def __str__(self) -> str:
        return f"project {self.project}: {self.items} items and {self.embeddings} embeddings are missing"


def committed_pools(tx: Transaction) -> list[CommittedPool]:
    """Return what the database promises, by project name."""
    return [_committed(tx, project) for project in tx.projects.every()]


def find_gap(arrays: PoolStore, pool: CommittedPool) -> PoolGap | None:
    """Read a project's arrays from end to end; None when every committed row is there.

    Rows beyond the committed ones are no gap: they are what an unfinished upload leaves, removed at the next start.

    Raises:
        DataLoss: a file of the arrays is missing or damaged.
        Unavailable: a file of the arrays cannot be read.
    """
    project = pool.project.id
    items = _joined([block.rows_n for block in arrays.scan_keys(project)])
    embeddings = _joined([block.rows_n.copy() for block in arrays.scan_embeddings(project)])
    lost_items = len(np.setdiff1d(pool.rows_n, items))
    lost_embeddings = len(np.setdiff1d(pool.embedded_m, embeddings))
    if not lost_items and not lost_embeddings:
        return None
    return PoolGap(pool.project.name, lost_items, lost_embeddings)


def _committed(tx: Transaction, project: Project) -> CommittedPool:
    deleted = np.asarray(tx.pool.deleted_rows(project.id), np.int64)
    segments = tx.pool.segments(project.id)
    latest = tx.models.latest(project.id)
    return CommittedPool(
        project,
        np.setdiff1d(_joined([np.arange(s.first_row, s.first_row + s.row_count) for s in segments]), deleted),
        np.setdiff1d(
            _joined([np.arange(s.first_row, s.first_row + s.row_count) for s in segments if s.embedded]), deleted
        ),
        latest.version if latest else 0,
    )


def _joined(parts: Sequence[Rows]) -> Rows:
    return np.concatenate(parts) if parts else np.empty(0, np.int64)
