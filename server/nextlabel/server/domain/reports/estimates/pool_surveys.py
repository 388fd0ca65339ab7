"""Surveys of a pool: what is known of the items that people labeled, beside predictions for all others."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence, Set
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from nextlabel.server.assessment.estimates.cross_fit import Features
from nextlabel.server.assessment.estimates.pool_survey import FEWEST_FOR_PREDICTIONS, PoolSurvey
from nextlabel.server.domain.pool.pools import Pools
from nextlabel.server.domain.reports.estimates.audit_stream import AuditStream
from nextlabel.server.domain.reports.estimates.known_draws import KnownDraws, known_draws
from nextlabel.server.domain.reports.estimates.pool_features import PoolFeatures
from nextlabel.server.ports.state_store import StateStore
from nextlabel.server.ports.system import Executor
from nextlabel.server.values.annotation_type import AnnotationType
from nextlabel.server.values.labeling.annotations import Annotation
from nextlabel.server.values.projects.projects import Project

MAX_SAMPLE = 10_000
"""Items of the pool whose predictions stand for all; more would narrow no interval by a visible amount."""

Float64 = npt.NDArray[np.float64]
ReadFeatures = Callable[[Sequence[int], Sequence[int]], Awaitable[Sequence[Features] | None]]


@dataclass(frozen=True, slots=True)
class PoolSurveys:
    """Makes surveys; arrays are worked on in the executor."""

    store: StateStore
    pools: Pools
    features: PoolFeatures
    executor: Executor

    async def known(
        self,
        project: Project,
        stream: AuditStream,
        known: Set[int],
        by_row: Mapping[int, Sequence[Annotation]],
    ) -> KnownDraws | None:
        """Return the draws among the ``known`` rows, answers about gold and about deleted items left out."""
        apart = set((await self.pools.open(project.id)).unusable_rows().tolist())
        return known_draws(stream, known, {row: given for row, given in by_row.items() if row not in apart})

    async def of(
        self, project: Project, known: KnownDraws, values_SK: Float64, read: ReadFeatures | None = None
    ) -> tuple[PoolSurvey, Sequence[int]]:
        """Return the survey of numbers of the rows seen, and the rows that stand for all others.

        It is without predictions where there are few draws, while items wait for embeddings, and where ``read``, which
        reads what the rows seen and the others are predicted from, returns None.
        """
        draws, sample, others = known.uniform(), *await self._others(project, known)
        survey = PoolSurvey.alone(draws, values_SK, len(sample), others)
        deleted = await self.store.read(lambda tx: set(tx.pool.deleted_rows(project.id)))
        waiting = await self.store.read(lambda tx: tx.pool.segments(project.id, embedded=False))
        if (
            len(known.draws) >= FEWEST_FOR_PREDICTIONS
            and sample
            and not waiting
            and not deleted.intersection(known.seen)
        ):
            found = await (read or (lambda *rows: self.features.of(project, *rows)))(known.seen, sample)
            if found is not None:
                seen, rest = found
                survey = await self.executor.run(lambda: PoolSurvey.predicted(draws, values_SK, seen, rest, others))
        limits = (0.0, 1.0)
        if read is None and project.annotation_type is AnnotationType.SCORE:
            limits = (project.score_range.minimum, project.score_range.maximum)
        return replace(survey, unknown=len(known.unknown), untold=known.passed_over, limits=limits), sample

    async def _others(self, project: Project, known: KnownDraws) -> tuple[Sequence[int], int]:
        """Return a uniform sample of the rows that were left for a further draw, and how many there are."""
        pool = await self.pools.open(project.id)
        looked_at = np.array([*known.seen, *known.unknown], np.int64)
        others = np.setdiff1d(np.arange(pool.index.next_row), np.union1d(pool.unusable_rows(), looked_at))
        return np.sort(np.random.default_rng(len(others)).permutation(others)[:MAX_SAMPLE]).tolist(), len(others)
