"""The embeddings that every training needs again: of what evaluates, and of a sample of the pool."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from nextlabel.server.domain.pool.pools import Pools
from nextlabel.server.learners.single_label.learner import MAX_POOL_SAMPLE
from nextlabel.server.ports.pool_store import Rows
from nextlabel.server.ports.state_store import StateStore
from nextlabel.server.tasks.registry import task_type
from nextlabel.server.values.ids import EmbeddingsId, ProjectId, project_of
from nextlabel.server.values.labeling.answers import Body
from nextlabel.server.values.pool import Split
from nextlabel.server.values.projects.projects import Project


@dataclass(frozen=True, slots=True, eq=False)
class EvaluationSet:
    """Rows of n holdout or gold items, their embeddings, (n, D), and their true answers."""

    rows: Sequence[int]
    embeddings_nD: npt.NDArray[np.float32]
    bodies: Sequence[Body]


@dataclass(frozen=True, slots=True, eq=False)
class PoolSample:
    """M rows of a pool, in order, and their embeddings, (M, D)."""

    rows_M: Rows
    embeddings_MD: npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Samples:
    """Reads embeddings once and keeps them until they are not those wanted any more."""

    store: StateStore
    pools: Pools
    _of_pools: dict[EmbeddingsId, tuple[int, PoolSample]] = field(init=False, default_factory=dict)
    _of_splits: dict[tuple[EmbeddingsId, Split], tuple[Sequence[int], npt.NDArray[np.float32]]] = field(
        init=False, default_factory=dict
    )

    async def evaluation_set(self, project: Project, split: Split, classes: Sequence[str]) -> EvaluationSet | None:
        """Return the embedded items of a split whose answer names none but these classes; None without any."""
        pool = await self.pools.open(project.id)
        kind, known = task_type(project.annotation_type), set(classes)
        answers: dict[int, Body] = {
            r.row: body
            for r in pool.references.values()
            if r.split is split and (body := kind.parsed(r.label)) is not None and known.issuperset(kind.classes(body))
        }
        rows = np.fromiter(answers, np.int64, len(answers))
        rows = rows[await self.embedded(project.id, rows)]
        if not len(rows):
            return None
        read = rows.tolist()
        matrix = await self._of_split(project, split, read)
        return EvaluationSet(read, matrix, [answers[row] for row in read])

    async def of_pool(self, project: Project) -> PoolSample:
        """Return a uniform sample of the pool, drawn anew only when the pool has grown."""
        pool = await self.pools.open(project.id)
        size = pool.index.next_row
        kept = self._of_pools.get(project.embeddings)
        if kept is None or kept[0] != size:
            rng = np.random.default_rng(size)
            rows = np.sort(rng.choice(size, min(size, 2 * MAX_POOL_SAMPLE), replace=False)) if size else np.arange(0)
            rows = rows[~np.isin(rows, pool.unusable_rows())]
            rows = rows[await self.embedded(project.id, rows)][:MAX_POOL_SAMPLE]
            matrix = np.zeros((0, project.embedding_dimension), np.float32)
            if len(rows):
                matrix = (await self.pools.embeddings(project, rows.tolist())).astype(np.float32)
            kept = self._of_pools[project.embeddings] = (size, PoolSample(rows, matrix))
        return kept[1]

    async def embedded(self, project: ProjectId, rows_n: Rows) -> npt.NDArray[np.bool_]:
        """Return for n rows whether they have an embedding."""
        waiting = await self.store.read(lambda tx: tx.pool.segments(project, embedded=False))
        embedded = np.ones(len(rows_n), np.bool_)
        for segment in waiting:
            embedded &= ~((rows_n >= segment.first_row) & (rows_n < segment.first_row + segment.row_count))
        return embedded

    def forget(self, project: ProjectId) -> None:
        """Drop what is kept of a deleted project."""
        for of in [of for of in self._of_pools if project_of(of) == project]:
            del self._of_pools[of]
        for key in [key for key in self._of_splits if project_of(key[0]) == project]:
            del self._of_splits[key]

    async def _of_split(self, project: Project, split: Split, rows: Sequence[int]) -> npt.NDArray[np.float32]:
        kept = self._of_splits.get((project.embeddings, split))
        if kept is None or kept[0] != rows:
            kept = (rows, (await self.pools.embeddings(project, rows)).astype(np.float32))
            self._of_splits[project.embeddings, split] = kept
        return kept[1]
