"""How frequent each class is in a pool, or its mean score, told from the few labels by people of the audit stream."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from nextlabel.server.assessment.estimates.anytime import error_of_look
from nextlabel.server.assessment.estimates.figures import Figure, FigureKind
from nextlabel.server.assessment.estimates.pool_survey import PoolSurvey
from nextlabel.server.assessment.estimates.sampled_batches import SampledBatch, weighted_share
from nextlabel.server.assessment.slices import MOST_SLICES
from nextlabel.server.domain.labeling.labels import Labels
from nextlabel.server.domain.pool.pools import Pools
from nextlabel.server.domain.reports.estimates.audit_stream import AuditStream, audit_stream
from nextlabel.server.domain.reports.estimates.chosen_batches import ChosenBatch, chosen_batches
from nextlabel.server.domain.reports.estimates.field_values import FieldValues
from nextlabel.server.domain.reports.estimates.known_draws import SAME_POOL, KnownDraws
from nextlabel.server.domain.reports.estimates.pool_surveys import PoolSurveys
from nextlabel.server.ports.state_store import StateStore
from nextlabel.server.tasks.registry import type_of
from nextlabel.server.values.annotation_type import AnnotationType
from nextlabel.server.values.errors import FailedPrecondition
from nextlabel.server.values.labeling.answers import Score
from nextlabel.server.values.projects.projects import Project


@dataclass(frozen=True, slots=True)
class ClassShare:
    """The share of one class in the pool, by every way there is to tell."""

    label: str
    figures: tuple[Figure, ...]


@dataclass(frozen=True, slots=True)
class ClassShares:
    """The shares of all classes; they rest on ``draws``, and ``unanswered_draws`` wait for people.

    ``mean`` is the mean score instead where scores are asked for, by every way there is to tell. ``slices`` tells the
    same of parts of the pool.
    """

    shares: tuple[ClassShare, ...]
    draws: int
    unanswered_draws: int
    mean: tuple[Figure, ...] = ()
    slices: tuple[SliceShares, ...] = ()


@dataclass(frozen=True, slots=True)
class SliceShares:
    """The shares of the most frequent classes, or the mean score, of the items that have the same value in a field.

    ``value`` is None for all rarer values together.
    """

    value: str | None
    draws: int
    shares: tuple[ClassShare, ...]
    mean: tuple[Figure, ...]


class ShareReports:
    """Estimates class shares; arrays are worked on in the executor."""

    def __init__(self, store: StateStore, pools: Pools, labels: Labels, surveys: PoolSurveys) -> None:
        self._store = store
        self._labels = labels
        self._values = FieldValues(pools)
        self._surveys = surveys
        self._executor = surveys.executor

    async def shares(self, project: Project, by: str = "") -> ClassShares:
        """Estimate the share of each class, or the mean score; without a usable draw, there are no figures.

        With ``by``, a field of the metadata, they are estimated for each of its values too.

        Raises:
            FailedPrecondition: the project has neither classes nor scores.
            InvalidArgument: none of the items looked at has the field.
        """
        scores = project.annotation_type is AnnotationType.SCORE
        if not project.classes and not scores:
            raise FailedPrecondition(
                f"project {project.name} asks for {project.annotation_type.shown} annotations, which have no classes",
                reason="NO_CLASSES",
            )
        stream, chosen = await self._store.read(
            lambda tx: (audit_stream(tx, project.id), chosen_batches(tx, project.id))
        )
        agreed = await self._labels.consensus(project)
        trusted = {row: type_of(found.body).classes(found.body) for row, found in agreed.items() if found.trusted}
        deleted = await self._store.read(lambda tx: set(tx.pool.deleted_rows(project.id)))
        by_row = await self._labels.rows(project)
        usable = await self._surveys.known(project, stream, trusted.keys(), by_row)
        waiting = sum(row not in trusted and row not in deleted for row in stream.drawn_rows)
        if usable is None:
            return ClassShares(tuple(ClassShare(name, ()) for name in project.class_names), 0, waiting)
        seen = usable.seen
        if scores:
            worth = {r: c.body.value for r, c in agreed.items() if c.trusted and isinstance(c.body, Score)}
            values_SK = np.array([[worth[row]] for row in seen], np.float64)
        else:
            values_SK = np.array([[name in trusted[row] for name in project.class_names] for row in seen], np.float64)
        survey, sample = await self._surveys.of(project, usable, values_SK)
        parts = await self._values.slices(project, by, [*seen, *sample, *usable.unknown]) if by else {}
        picked = _of_whole_pool(chosen, stream, trusted, usable.pool_size)
        looked_at = [trusted.get(row, ()) for row in stream.picked_rows]

        def told() -> ClassShares:
            slices = _by_slice(project, survey, parts, usable, sample)
            if scores:
                return ClassShares(
                    (), len(usable.draws), waiting, _mean_score(project, survey, watched=True), tuple(slices)
                )
            shares = [
                ClassShare(name, (*figures, *_weighted(name, picked, trusted, looked_at)))
                for name, figures in zip(project.class_names, _shares(survey, watched=True), strict=True)
            ]
            return ClassShares(tuple(shares), len(usable.draws), waiting, (), tuple(slices))

        return await self._executor.run(told)


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
        and one.picks_before + one.candidates - one.audited >= SAME_POOL * pool_size
    ]


def _weighted(
    name: str,
    chosen: Sequence[ChosenBatch],
    trusted: Mapping[int, tuple[str, ...]],
    looked_at: Sequence[tuple[str, ...]],
) -> Sequence[Figure]:
    """Return a class's share by what strategies chose, weighted by its probabilities (LURE); none where none holds."""
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
    once = weighted_share(batches) if batches else None
    watched = weighted_share(batches, error_of_look(len(batches))) if batches else None
    if once is None or watched is None:
        return ()
    return Figure(FigureKind.WEIGHTED, once), Figure(FigureKind.WEIGHTED, watched, anytime=True)


def _shares(survey: PoolSurvey, *, watched: bool) -> Sequence[tuple[Figure, ...]]:
    return [survey.figures(column, share=True, watched=watched) for column in range(survey.values_SK.shape[1])]


def _mean_score(project: Project, survey: PoolSurvey, *, watched: bool) -> tuple[Figure, ...]:
    """Return the mean score; an interval ends where the range does."""
    low, high = project.score_range.minimum, project.score_range.maximum
    return tuple(
        replace(one, estimate=replace(one.estimate, low=max(one.estimate.low, low), high=min(one.estimate.high, high)))
        for one in survey.figures(0, share=False, watched=watched)
    )


def _by_slice(
    project: Project,
    survey: PoolSurvey,
    parts: Mapping[str | None, Sequence[int]],
    known: KnownDraws,
    sample: Sequence[int],
) -> Sequence[SliceShares]:
    """Return the figures of each value that was drawn, the most frequent values first and all rarer ones last."""
    found = []
    for value, rows in parts.items():
        unknown = int(np.isin(known.unknown, rows).sum())
        part = survey.part(np.isin(known.seen, rows), np.isin(sample, rows), unknown)
        if part is None:
            continue
        if project.annotation_type is AnnotationType.SCORE:
            found.append(SliceShares(value, len(part.draws), (), _mean_score(project, part, watched=False)))
            continue
        shares = [
            ClassShare(name, figures)
            for name, figures in zip(project.class_names, _shares(part, watched=False), strict=True)
        ]
        shares.sort(key=lambda one: -one.figures[0].estimate.value)
        found.append(SliceShares(value, len(part.draws), tuple(shares[:MOST_SLICES]), ()))
    return found
