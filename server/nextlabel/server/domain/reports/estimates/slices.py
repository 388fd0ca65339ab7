"""How accurate model and labels are in each part of the data, by a field of the metadata."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

import numpy as np

from nextlabel.server.assessment.consensus.votes import Consensus
from nextlabel.server.assessment.estimates.figures import Figure, FigureKind
from nextlabel.server.assessment.intervals import Estimate, wilson_interval
from nextlabel.server.assessment.slices import MOST_SLICES, gap
from nextlabel.server.domain.labeling.labels import Labels
from nextlabel.server.domain.reports.estimates.accuracy import AccuracyReports
from nextlabel.server.domain.reports.estimates.field_values import FieldValues
from nextlabel.server.domain.reports.estimates.predicted_accuracy import SurveyedModels
from nextlabel.server.ports.state_store import StateStore
from nextlabel.server.tasks.answer_form import is_right
from nextlabel.server.tasks.registry import type_of
from nextlabel.server.values.errors import InvalidArgument
from nextlabel.server.values.pool import ReferenceItem, Split
from nextlabel.server.values.projects.projects import Project

MOST_LOOKED_AT: Final = 10_000
"""Items of the holdout, gold items and labels that are looked at, random ones of more."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class SliceFigure:
    """Accuracy in a slice, and how far it is above that everywhere else."""

    figure: Figure
    gap: Estimate | None


@dataclass(frozen=True, slots=True)
class Slice:
    """Items that have the same value in a field; ``value`` is None for all rarer values together.

    ``model`` is the newest model on the holdout, ``given`` the labels that LLMs and learner gave gold items; None
    where there are no such items. ``drawn`` tells of the last few models by the audit draws of the slice, alone and
    joined with predictions where that says more; its intervals are for one look, and each holds by itself. ``labels``
    counts the labels that were looked at, and ``classes`` those of the most frequent classes.
    """

    value: str | None
    model: SliceFigure | None
    given: SliceFigure | None
    labels: int
    classes: Mapping[str, int]
    drawn: Sequence[Figure] = ()


class SliceReports:
    """Tells figures by slice."""

    def __init__(self, store: StateStore, values: FieldValues, labels: Labels, accuracy: AccuracyReports) -> None:
        self._store = store
        self._values = values
        self._labels = labels
        self._accuracy = accuracy

    async def slices(self, project: Project, field: str) -> Sequence[Slice]:
        """Return the slices by a field, the most frequent first and the rest last.

        Intervals of gaps hold for all slices together (Bonferroni), so that none stands out by being one of many.

        Raises:
            InvalidArgument: no item of holdout, gold or with a label has the field.
        """
        holdout = await self._references(project, Split.HOLDOUT)
        on_holdout = await self._right(project, holdout)
        on_gold = _some(await self._accuracy.labels_on_gold(project))
        agreed = _some(await self._agreed(project))
        answered = {row: type_of(one.body).classes(one.body) for row, one in agreed.items()}
        of = await self._values.slices(project, field, [*holdout, *on_gold, *answered])
        error = 0.05 / max(1, len(of))
        drawn = await self._on_draws(project, field)
        return [
            Slice(
                value,
                _measured(FigureKind.HOLDOUT, on_holdout, rows, error),
                _measured(FigureKind.GOLD, on_gold, rows, error),
                sum(row in answered for row in rows),
                dict(Counter(name for row in rows for name in answered.get(row, ())).most_common(MOST_SLICES)),
                () if value is None else drawn.get(value, ()),
            )
            for value, rows in of.items()
        ]

    async def _on_draws(self, project: Project, field: str) -> Mapping[str, Sequence[Figure]]:
        """Return the accuracy of the last few models on the draws of each value that is frequent among them."""
        right, surveyed = await self._accuracy.on_draws(project)
        try:
            of = await self._values.slices(project, field, [*right, *(surveyed.sampled if surveyed else ())])
        except InvalidArgument:
            return {}
        return {value: _of_part(rows, right, surveyed) for value, rows in of.items() if value is not None}

    async def _agreed(self, project: Project) -> Mapping[int, Consensus]:
        deleted = await self._store.read(lambda tx: set(tx.pool.deleted_rows(project.id)))
        agreed = await self._labels.consensus(project)
        return {row: found for row, found in agreed.items() if row not in deleted}

    async def _references(self, project: Project, split: Split) -> Mapping[int, ReferenceItem]:
        items = await self._store.read(lambda tx: tx.pool.references(project.id, split))
        return _some({item.row: item for item in items})

    async def _right(self, project: Project, known: Mapping[int, ReferenceItem]) -> Mapping[int, bool]:
        """Return whether the newest model is right, by row; nothing without one."""
        versions = await self._store.read(lambda tx: tx.models.list(project.id))
        if not versions or not known:
            return {}
        predicted = await self._accuracy.answers(project, versions[-1].version, list(known))
        return {
            row: is_right(body, item.label, project)
            for (row, item), body in zip(known.items(), predicted, strict=False)
        }


def _of_part(rows: Sequence[int], right: Mapping[int, bool], surveyed: SurveyedModels | None) -> Sequence[Figure]:
    """Return the accuracy on the draws among some rows, joined with predictions where these were made."""
    if surveyed is not None:
        part = surveyed.survey.part(np.isin(surveyed.drawn, rows), np.isin(surveyed.sampled, rows))
        return () if part is None else part.figures(0, share=True, watched=False)
    hits = [right[row] for row in rows if row in right]
    return [Figure(FigureKind.AUDIT, wilson_interval(sum(hits), len(hits)))] if hits else ()


def _some(by_row: Mapping[int, T]) -> Mapping[int, T]:
    """Return random ones of too many, the same at every call."""
    if len(by_row) <= MOST_LOOKED_AT:
        return by_row
    rows = np.fromiter(by_row, np.int64, len(by_row))
    chosen = np.random.default_rng(len(rows)).permutation(rows)[:MOST_LOOKED_AT]
    return {row: by_row[row] for row in np.sort(chosen).tolist()}


def _measured(kind: FigureKind, right: Mapping[int, bool], rows: Sequence[int], error: float) -> SliceFigure | None:
    here = [right[row] for row in rows if row in right]
    if not here:
        return None
    hits, n = sum(here), len(here)
    apart = gap(hits, n, sum(right.values()) - hits, len(right) - n, error)
    return SliceFigure(Figure(kind, wilson_interval(hits, n)), apart)
