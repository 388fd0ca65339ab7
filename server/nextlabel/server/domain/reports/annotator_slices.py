"""Whether annotators are as good in every part of the data, by a field of the metadata."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from nextlabel.server.assessment.intervals import Estimate
from nextlabel.server.assessment.slices import gap
from nextlabel.server.domain.labeling.labels import Labels
from nextlabel.server.domain.reports.annotator_reports import AnnotatorFigures, annotator_figures
from nextlabel.server.domain.reports.estimates.field_values import FieldValues
from nextlabel.server.ports.state_store import StateStore
from nextlabel.server.ports.system import Executor
from nextlabel.server.values.labeling.annotations import Annotation
from nextlabel.server.values.pool import Split
from nextlabel.server.values.projects.projects import Project

FEWEST: Final = 30
"""Items below which a slice is said to be too small to tell much."""

MOST_LOOKED_AT: Final = 20_000
"""Items of an annotator that are looked at, its newest ones, gold items first."""


@dataclass(frozen=True, slots=True)
class AnnotatorSlice:
    """An annotator on the items with the same value in a field; ``value`` is None for all rarer values together.

    All intervals hold for the slices of the annotator at once. ``right_gap`` and ``agreement_gap`` say how far the
    share of right answers about gold, and of agreement with others, is above that of all other slices; None where one
    of both has no items. ``few`` says that there are fewer than 30 gold items and fewer than 30 that others answered.
    """

    value: str | None
    figures: AnnotatorFigures
    right_gap: Estimate | None
    agreement_gap: Estimate | None
    few: bool


@dataclass(frozen=True, slots=True)
class AnnotatorSlices:
    """Tells how annotators do by slice; figures are made in the executor."""

    store: StateStore
    labels: Labels
    values: FieldValues
    executor: Executor

    async def of(self, project: Project, names: Sequence[str], field: str) -> Mapping[str, Sequence[AnnotatorSlice]]:
        """Return the slices of some annotators by a field, the most frequent first and the rest last.

        Intervals are widened so that all of an annotator's slices hold at once (Bonferroni): none stands out by being
        one of many.

        Raises:
            InvalidArgument: no item that they answered about has the field.
        """
        gold = await self.store.read(
            lambda tx: {one.row: one.label for one in tx.pool.references(project.id, Split.GOLD)}
        )
        own = await self.labels.by_annotator(project)
        by_row = {row: tuple(given) for row, given in (await self.labels.rows(project)).items()}
        found = {}
        for name in names:
            given = own.get(name, [])
            rows = {a.row for a in given if a.row in gold or len(by_row[a.row]) > 1}
            chosen = sorted(rows, key=lambda row: (row in gold, row))[-MOST_LOOKED_AT:]
            slices = await self.values.slices(project, field, chosen)
            found[name] = await self.executor.run(
                lambda name=name, given=given, slices=slices: _slices(project, name, given, gold, by_row, slices)  # type: ignore[misc]
            )
        return found


def _slices(
    project: Project,
    name: str,
    given: Sequence[Annotation],
    gold: Mapping[int, str],
    by_row: Mapping[int, Sequence[Annotation]],
    slices: Mapping[str | None, Sequence[int]],
) -> Sequence[AnnotatorSlice]:
    error = 0.05 / max(1, len(slices))
    place = {row: value for value, rows in slices.items() for row in rows}
    parts: dict[str | None, list[Annotation]] = {value: [] for value in slices}
    for one in given:
        if one.row in place:
            parts[place[one.row]].append(one)
    figures = {value: annotator_figures(project, name, part, gold, by_row, error) for value, part in parts.items()}
    right = {value: [hit for _, hit in found.right] for value, found in figures.items()}
    same = {value: [hit for _, hit in found.same] for value, found in figures.items()}
    return [
        AnnotatorSlice(
            value,
            found,
            _gap(right, value, error),
            _gap(same, value, error),
            len(found.right) < FEWEST and len({row for row, _ in found.same}) < FEWEST,
        )
        for value, found in figures.items()
    ]


def _gap(hits: Mapping[str | None, Sequence[bool]], value: str | None, error: float) -> Estimate | None:
    here = hits[value]
    elsewhere = [hit for other, some in hits.items() if other != value for hit in some]
    return gap(sum(here), len(here), sum(elsewhere), len(elsewhere), error)
