"""How frequent each class is in a pool, or its mean score, told from the few labels by people of the audit stream."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from nextlabel.server.assessment.estimates.cross_fit import Features, cross_fitted
from nextlabel.server.assessment.estimates.figures import Figure, FigureKind
from nextlabel.server.assessment.estimates.pool_mean import Draws, pool_mean
from nextlabel.server.assessment.estimates.prediction_powered import Predictions, prediction_powered_mean
from nextlabel.server.assessment.estimates.sampled_batches import SampledBatch, weighted_share
from nextlabel.server.assessment.intervals import Estimate
from nextlabel.server.domain.labeling.labels import Labels
from nextlabel.server.domain.pool.pools import Pools
from nextlabel.server.domain.reports.estimates.audit_stream import AuditedItem, AuditStream, audit_stream
from nextlabel.server.domain.reports.estimates.chosen_batches import ChosenBatch, chosen_batches
from nextlabel.server.ports.state_store import StateStore
from nextlabel.server.ports.system import Executor
from nextlabel.server.tasks.registry import type_of
from nextlabel.server.values.annotation_type import AnnotationType
from nextlabel.server.values.errors import FailedPrecondition
from nextlabel.server.values.labeling.answers import Score
from nextlabel.server.values.projects.projects import Project

Float64 = npt.NDArray[np.float64]

MAX_SAMPLE = 10_000
"""Items of the pool whose predictions stand for all; more would narrow no interval by a visible amount."""

FEWEST_FOR_PREDICTIONS = 20
_SAME_POOL = 0.99


@dataclass(frozen=True, slots=True)
class ClassShare:
    """The share of one class in the pool, by every way there is to tell."""

    label: str
    figures: tuple[Figure, ...]


@dataclass(frozen=True, slots=True)
class ClassShares:
    """The shares of all classes; they rest on ``draws``, and ``unanswered_draws`` wait for people.

    ``mean`` is the mean score instead where scores are asked for, by every way there is to tell.
    """

    shares: tuple[ClassShare, ...]
    draws: int
    unanswered_draws: int
    mean: tuple[Figure, ...] = ()

    def joined(self, weighted: Mapping[str, Figure | None]) -> ClassShares:
        """Return them with a figure more for those classes that have one."""
        shares = [
            ClassShare(one.label, one.figures if (more := weighted[one.label]) is None else (*one.figures, more))
            for one in self.shares
        ]
        return ClassShares(tuple(shares), self.draws, self.unanswered_draws)


class ShareReports:
    """Estimates class shares; arrays are worked on in the executor."""

    def __init__(self, store: StateStore, pools: Pools, labels: Labels, executor: Executor) -> None:
        self._store = store
        self._pools = pools
        self._labels = labels
        self._executor = executor

    async def shares(self, project: Project) -> ClassShares:
        """Estimate the share of each class, or the mean score; without a usable draw, there are no figures.

        Raises:
            FailedPrecondition: the project has neither classes nor scores.
        """
        scores = project.annotation_type is AnnotationType.SCORE
        if not project.classes and not scores:
            raise FailedPrecondition(
                f"project {project.name} asks for {project.annotation_type.value} annotations, which have no classes",
                reason="NO_CLASSES",
            )
        stream, chosen = await self._store.read(
            lambda tx: (audit_stream(tx, project.id), chosen_batches(tx, project.id))
        )
        agreed = await self._labels.consensus(project)
        trusted = {row: type_of(found.body).classes(found.body) for row, found in agreed.items() if found.trusted}
        deleted = await self._store.read(lambda tx: set(tx.pool.deleted_rows(project.id)))
        worth = {r: c.body.value for r, c in agreed.items() if c.trusted and isinstance(c.body, Score)}
        usable = _usable(stream, trusted)
        waiting = sum(d.row not in trusted and d.row not in deleted for d in stream.draws)
        if not usable:
            return ClassShares(tuple(ClassShare(name, ()) for name in project.class_names), 0, waiting)
        seen = stream.picked_rows[: usable[-1].picks_before + 1]
        embeddings = await self._embeddings(project, usable, seen, deleted)
        if scores:
            values_S = np.array([worth[row] for row in seen], np.float64)
            mean = await self._executor.run(lambda: _mean_score(project, usable, values_S, embeddings))
            return ClassShares((), len(usable), waiting, mean)
        picked = _of_whole_pool(chosen, stream, trusted, usable[-1].pool_size)
        looked_at = [trusted.get(row, ()) for row in stream.picked_rows]
        return await self._executor.run(
            lambda: _shares(project, usable, [trusted[r] for r in seen], embeddings, waiting).joined(
                {name: _weighted(name, picked, trusted, looked_at) for name in project.class_names}
            )
        )

    async def _embeddings(
        self, project: Project, usable: Sequence[AuditedItem], seen: Sequence[int], deleted: set[int]
    ) -> _Embeddings | None:
        """Return what predictions are made from; None with too few draws, or while items wait for embeddings."""
        waiting = await self._store.read(lambda tx: tx.pool.segments(project.id, embedded=False))
        if len(usable) < FEWEST_FOR_PREDICTIONS or waiting or deleted.intersection(seen):
            return None
        pool = await self._pools.open(project.id)
        excluded = np.union1d(pool.unusable_rows(), np.fromiter(seen, np.int64, len(seen)))
        others = np.setdiff1d(np.arange(pool.index.next_row), excluded)
        if not len(others):
            return None
        sample = np.sort(np.random.default_rng(len(others)).permutation(others)[:MAX_SAMPLE])
        of_seen = await self._pools.embeddings(project.id, list(seen))
        of_sample = await self._pools.embeddings(project.id, sample.tolist())
        return _Embeddings(of_seen.astype(np.float64), of_sample.astype(np.float64), len(others))


@dataclass(frozen=True, slots=True, eq=False)
class _Embeddings:
    """Embeddings of the items looked at and of a sample of the ``others``."""

    seen_SD: npt.NDArray[np.float64]
    sample_UD: npt.NDArray[np.float64]
    others: int


def _usable(stream: AuditStream, trusted: Mapping[int, tuple[str, ...]]) -> Sequence[AuditedItem]:
    """Return the draws with a label by people, from the pool as it is now, where all picked before have one too.

    What was picked before could not be drawn, so it has to be known; a pool that has grown since is another one.
    """
    unknown = next((i for i, row in enumerate(stream.picked_rows) if row not in trusted), len(stream.picked_rows))
    newest = max((d.pool_size for d in stream.draws), default=0)
    return [d for d in stream.draws if d.picks_before < unknown and d.pool_size >= _SAME_POOL * newest]


def _of_whole_pool(
    chosen: Sequence[ChosenBatch], stream: AuditStream, trusted: Mapping[int, tuple[str, ...]], pool_size: int
) -> Sequence[ChosenBatch]:
    """Return the batches that people have labeled, and all that was picked before, out of the pool as it is now."""
    unknown = next((i for i, row in enumerate(stream.picked_rows) if row not in trusted), len(stream.picked_rows))
    place = {row: i for i, row in enumerate(stream.picked_rows)}
    return [
        one
        for one in chosen
        if all(one.picks_before <= place[row] < unknown for row in one.rows)
        and one.picks_before + one.candidates - one.audited >= _SAME_POOL * pool_size
    ]


def _weighted(
    name: str,
    chosen: Sequence[ChosenBatch],
    trusted: Mapping[int, tuple[str, ...]],
    looked_at: Sequence[tuple[str, ...]],
) -> Figure | None:
    """Return a class's share by what strategies chose, weighted by its probabilities (LURE); None where none holds."""
    batches = [
        SampledBatch(
            hits_k=np.array([name in trusted[row] for row in one.rows], np.bool_),
            probabilities_k=np.array(one.probabilities, np.float64),
            candidates=one.candidates - one.audited,
            known=one.picks_before,
            known_hits=sum(name in labels for labels in looked_at[: one.picks_before]),
        )
        for one in chosen
        if one.candidates - one.audited >= len(one.rows)
    ]
    found = weighted_share(batches) if batches else None
    return None if found is None else Figure(FigureKind.WEIGHTED, found)


def _shares(
    project: Project,
    usable: Sequence[AuditedItem],
    seen: Sequence[tuple[str, ...]],
    embeddings: _Embeddings | None,
    waiting: int,
) -> ClassShares:
    shares = []
    for name in project.class_names:
        values_S = np.array([name in labels for labels in seen], np.float64)
        found = _told(usable, values_S, embeddings, share=True)
        shares.append(ClassShare(name, tuple(Figure(kind, one) for kind, one in found.items())))
    return ClassShares(tuple(shares), len(usable), waiting)


def _mean_score(
    project: Project, usable: Sequence[AuditedItem], values_S: Float64, embeddings: _Embeddings | None
) -> tuple[Figure, ...]:
    """Return the mean score of the pool; an interval ends where the range does."""
    low, high = project.score_range.minimum, project.score_range.maximum
    return tuple(
        Figure(kind, replace(one, low=max(one.low, low), high=min(one.high, high)))
        for kind, one in _told(usable, values_S, embeddings, share=False).items()
    )


def _told(
    usable: Sequence[AuditedItem], values_S: Float64, embeddings: _Embeddings | None, *, share: bool
) -> dict[FigureKind, Estimate]:
    """Return the mean of a value over the pool by the draws alone, and with predictions where these say more."""
    draws = Draws.uniform([d.picks_before for d in usable], [d.remaining for d in usable])
    alone = pool_mean(draws, values_S, share=share)
    found = {FigureKind.AUDIT: alone}
    if embeddings is not None:
        joined = prediction_powered_mean(draws, values_S, _predictions(draws, values_S, embeddings), share=share)
        if joined != alone:
            found[FigureKind.PREDICTION_POWERED] = joined
    return found


def _predictions(draws: Draws, values_S: npt.NDArray[np.float64], embeddings: _Embeddings) -> Predictions:
    """Predict from the draws alone: which other items were looked at depends on labels."""
    drawn = draws.positions_M
    rest = np.setdiff1d(np.arange(len(values_S)), drawn)
    targets = np.concatenate([embeddings.seen_SD[rest], embeddings.sample_UD])
    of_drawn, of_targets = cross_fitted(_features(embeddings.seen_SD[drawn]), values_S[drawn], _features(targets))
    seen_S = np.empty(len(values_S))
    seen_S[drawn], seen_S[rest] = of_drawn, of_targets[: len(rest)]
    return Predictions(seen_S, of_targets[len(rest) :], embeddings.others)


def _features(embeddings_nD: npt.NDArray[np.float64]) -> Features:
    return Features(np.zeros((len(embeddings_nD), 0)), embeddings_nD)
