"""The real items that a writer is shown, and those that written texts are held against."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nextlabel.server.assessment.slices import value_of
from nextlabel.server.assessment.synthesis.gate import RealTexts
from nextlabel.server.domain.labeling.labels import Labels
from nextlabel.server.domain.learning.learning import Learning
from nextlabel.server.domain.learning.types.task_learners import task_learner
from nextlabel.server.domain.pool.pools import Pools, as_asked
from nextlabel.server.domain.synthesis.kinds import TextKind
from nextlabel.server.domain.synthesis.requests import SynthesisRequest
from nextlabel.server.ports.pool_store import StoredItem
from nextlabel.server.ports.system import Executor
from nextlabel.server.tasks.registry import type_of
from nextlabel.server.values.errors import FailedPrecondition
from nextlabel.server.values.labeling.answers import Body
from nextlabel.server.values.labeling.tasks import ItemToAnnotate
from nextlabel.server.values.projects.projects import Project
from nextlabel.server.values.synthesis import Target

_MOST_SEEDS = 1_000
_MOST_LOOKED_AT = 10_000
_MOST_RARE = 200

Float32 = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Seeds:
    """Real items of the pool, never of holdout or gold.

    Attributes:
        own: with the answer that texts are written for.
        own_nD: their embeddings, of unit length.
        of_boundary: of the class that texts could be mistaken for.
        rare: those that the learner is least sure of.
    """

    own: Sequence[ItemToAnnotate]
    own_nD: Float32
    of_boundary: Sequence[ItemToAnnotate]
    rare: Sequence[ItemToAnnotate]


@dataclass(frozen=True, slots=True, kw_only=True)
class RealTextSource:
    """Reads them from the pool."""

    pools: Pools
    labels: Labels
    learning: Learning
    executor: Executor

    async def seeds(self, project: Project, kind: TextKind, target: Target, request: SynthesisRequest) -> Seeds:
        """Return what a writer may be shown.

        Raises:
            FailedPrecondition: no item has what the request's metadata asks for.
        """
        own = await self._answered(project, request, lambda body: kind.shows(body, target, project))
        if not own and target is None:
            own = await self._having(project, await self._first_rows(project), request.metadata, _MOST_SEEDS)
        beside = request.boundary

        def of_other(body: Body) -> bool:
            return beside in type_of(body).classes(body)

        of_boundary = await self._answered(project, request, of_other) if beside else ()
        rare = await self._rare(project, kind, target, request) if request.rare else ()
        if request.metadata and not own and not rare:
            wanted = ", ".join(f"{name}={value}" for name, value in request.metadata.items())
            raise FailedPrecondition(
                f"no labeled item of what is to be written has {wanted}; label some, or leave metadata out",
                reason="NO_SUCH_ITEMS",
            )
        rows = [item.row for item in own]
        embeddings = await self.pools.embeddings(project, rows) if rows else None
        dimension = project.embedding_dimension
        own_nD = np.zeros((0, dimension), np.float32) if embeddings is None else unit(embeddings)
        return Seeds(own, own_nD, of_boundary, rare)

    async def held_against(self, project: Project, embeddings_MD: Float32, seeds: Seeds) -> RealTexts:
        """Return what M written texts, embedded at unit length, are compared with."""
        pool = await self.pools.open(project.id)
        rows = sorted(row for row, item in pool.references.items() if item.split.has_answer)
        items = await self.pools.items(project.id, rows)
        evaluating = await self.pools.embeddings(project, [item.row for item in items]) if items else None
        return RealTexts(
            evaluating=[item.text for item in items],
            evaluating_RD=embeddings_MD[:0] if evaluating is None else unit(evaluating),
            nearest_M=await self.executor.run(lambda: self._nearest(project, embeddings_MD)),
            lengths=[len(item.text) for item in seeds.own],
        )

    async def _answered(
        self, project: Project, request: SynthesisRequest, shows: Callable[[Body], bool]
    ) -> list[ItemToAnnotate]:
        """Return items with some answer and what the request's metadata asks for; trusted ones where there are any."""
        kept_back = set((await self.pools.open(project.id)).unusable_rows().tolist())
        agreed = await self.labels.consensus(project)
        found = [c for row, c in agreed.items() if row not in kept_back and shows(c.body)]
        trusted = [c for c in found if c.trusted] or found
        rows = sorted(c.row for c in trusted)[: _MOST_LOOKED_AT if request.metadata else _MOST_SEEDS]
        return await self._having(project, rows, request.metadata, _MOST_SEEDS)

    async def _first_rows(self, project: Project) -> list[int]:
        pool = await self.pools.open(project.id)
        known = np.setdiff1d(np.arange(pool.index.next_row)[:_MOST_LOOKED_AT], pool.unusable_rows())
        found: list[int] = known.tolist()
        return found

    async def _having(
        self, project: Project, rows: Sequence[int], metadata: Mapping[str, str], most: int
    ) -> list[ItemToAnnotate]:
        items = await self.pools.items(project.id, rows)
        return [as_asked(item) for item in items if _has(item, metadata)][:most]

    async def _rare(
        self, project: Project, kind: TextKind, target: Target, request: SynthesisRequest
    ) -> list[ItemToAnnotate]:
        """Return the unlabeled items that the learner is least sure of in what is to be written."""
        _, model = await self.learning.model(project)
        pool = await self.pools.open(project.id)
        labeled = np.fromiter(await self.labels.consensus(project), np.int64)
        apart = np.union1d(pool.unusable_rows(), labeled)
        most = _MOST_LOOKED_AT if request.metadata else _MOST_RARE

        def doubted() -> list[int]:
            found: list[tuple[float, int]] = []
            for block in self.pools.arrays.scan_embeddings(project.embeddings):
                embeddings_nD = block.embeddings_nD.astype(np.float32)
                probabilities_nC = task_learner(project).predict(model, embeddings_nD, None).probabilities_nC
                added = len(project.classes) - probabilities_nC.shape[1]
                known_nC = np.pad(probabilities_nC, ((0, 0), (0, added)))
                doubt_n = kind.doubt(known_nC, target, request.boundary, project)
                usable = np.flatnonzero(np.isfinite(doubt_n) & ~np.isin(block.rows_n, apart))
                found += zip((-doubt_n[usable]).tolist(), block.rows_n[usable].tolist(), strict=True)
                found = sorted(found)[:most]
            return [row for _, row in found]

        return await self._having(project, await self.executor.run(doubted), request.metadata, _MOST_RARE)

    def _nearest(self, project: Project, embeddings_MD: Float32) -> Float32:
        """Stream the pool past the texts: the cosine of each with the item that is most like it."""
        best_M = np.full(len(embeddings_MD), -1, np.float32)
        for block in self.pools.arrays.scan_embeddings(project.embeddings):
            best_M = np.maximum(best_M, (unit(block.embeddings_nD) @ embeddings_MD.T).max(axis=0))
        return best_M


def unit(embeddings_nD: npt.NDArray[np.floating]) -> Float32:
    """Return vectors of unit length; a vector of zeros stays one."""
    floats = np.asarray(embeddings_nD, np.float32)
    return np.asarray(floats / np.maximum(np.linalg.norm(floats, axis=1, keepdims=True), 1e-12), np.float32)


def _has(item: StoredItem, metadata: Mapping[str, str]) -> bool:
    fields = json.loads(item.metadata) if item.metadata and metadata else {}
    return all(value_of(fields, name) == value for name, value in metadata.items())
