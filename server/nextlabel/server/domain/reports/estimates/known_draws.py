"""Which uniform draws tell of a pool: those that people labeled, with all else that was looked at before."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np

from nextlabel.server.assessment.estimates.pool_mean import Draws
from nextlabel.server.domain.reports.estimates.audit_stream import AuditedItem, AuditStream
from nextlabel.server.values.labeling.annotations import Annotation

SAME_POOL = 0.99
"""Share of the items that there were for the newest draw: a draw from fewer is one from another pool."""


@dataclass(frozen=True, slots=True)
class KnownDraws:
    """Draws with a label, among the rows ``seen`` whose label was known up to the last of them, in that order.

    ``positions`` are the draws' places in it. Of ``unknown`` rows, picked up to there too, the label is not known: they
    could not be drawn any more, so that the draws tell nothing of them. Neither do they of a share ``passed_over`` of
    all others, that of the draws up to there which nobody labeled.
    """

    draws: tuple[AuditedItem, ...]
    positions: tuple[int, ...]
    seen: tuple[int, ...]
    unknown: tuple[int, ...]
    passed_over: float = 0.0

    def uniform(self) -> Draws:
        """Return the draws as estimates take them; there has to be one."""
        return Draws.uniform(self.positions, [draw.remaining for draw in self.draws])

    @property
    def pool_size(self) -> int:
        """Items that the last draw was made from, with those that were known, or picked, before."""
        return self.positions[-1] + self.draws[-1].remaining + len(self.unknown)


def without_pick(stream: AuditStream, by_row: Mapping[int, Sequence[Annotation]]) -> Mapping[int, datetime]:
    """Return when rows were first answered that nothing has picked, such as those with labels from a file."""
    picked = set(stream.picked_rows)
    return {row: given[0].created_at for row, given in by_row.items() if given and row not in picked}


def known_draws(stream: AuditStream, known: Set[int], by_row: Mapping[int, Sequence[Annotation]]) -> KnownDraws | None:
    """Return the draws among the ``known`` rows that tell most of the pool; None without one.

    ``by_row`` has everybody's annotations of items that may be drawn. Of a batch that others than people have answered
    the draws count only where all of them are known: which of them people looked at again may depend on the answers.
    Of any other batch they count up to the first that waits. What is known without a pick, as labels from a file are,
    could not be drawn afterwards.

    Draws that were made for people count all, and those among them that nobody labeled stand for as large a share of
    the pool of which nothing is known.

    Where draws end, and which kind of them counts, is chosen without looking at labels: more draws make an interval
    narrower, and what was picked before them without becoming known makes it wider by its share.
    """
    early = sorted((when, row) for row, when in without_pick(stream, by_row).items())
    of_batches = _Walk(stream.picked_rows, known, early).until(_complete(stream.draws, known, by_row))
    drawn = [draw.row for draw in stream.for_people]
    labeled = sorted((when, row) for row, when in _by_people(by_row).items() if row not in {*drawn})
    walk = _Walk(drawn, known, labeled)
    for_people = walk.until([draw for draw in stream.for_people if draw.row in known])
    for_people = [
        replace(met, passed_over=1 - (n + 1) / (met.draw.picks_before + 1)) for n, met in enumerate(for_people)
    ]
    told = [one for found in (of_batches, for_people) if (one := _most_telling(found)) is not None]
    return min(told, key=lambda one: one[0])[1] if told else None


def _most_telling(found: Sequence[_Met]) -> tuple[float, KnownDraws] | None:
    """Return the draws up to where they tell most, with about how wide an interval they leave."""
    if not found:
        return None
    newest = max(one.size for one in found)
    kept = [one for one in found if one.size >= SAME_POOL * newest]
    widths = [2 / np.sqrt(n + 1) + one.unknown / one.size + one.passed_over for n, one in enumerate(kept)]
    end = int(np.argmin(widths))
    kept = kept[: end + 1]
    last = kept[-1]
    seen, unknown = last.walk.rows(last)
    draws, positions = tuple(one.draw for one in kept), tuple(one.position for one in kept)
    return widths[end], KnownDraws(draws, positions, seen, unknown, last.passed_over)


def _by_people(by_row: Mapping[int, Sequence[Annotation]]) -> Mapping[int, datetime]:
    """Return when rows were first labeled by people."""
    first = (
        (row, next((a for a in given if a.trusted and a.answer.body is not None), None))
        for row, given in by_row.items()
    )
    return {row: one.created_at for row, one in first if one is not None}


@dataclass(frozen=True, slots=True)
class _Met:
    """A draw with how many rows were known, and not known, when it was made; ``passed_over`` as in `KnownDraws`."""

    walk: _Walk
    draw: AuditedItem
    position: int
    unknown: int
    passed_over: float = 0.0

    @property
    def size(self) -> int:
        return self.position + self.unknown + self.draw.remaining


class _Walk:
    """Goes through what was looked at in the order of the draws: picks, and what was answered without one."""

    def __init__(self, picked_rows: Sequence[int], known: Set[int], early: Sequence[tuple[datetime, int]]) -> None:
        self._picked_rows = picked_rows
        self._known = known
        self._early = early
        self._seen: list[int] = []
        self._unknown: list[int] = []

    def until(self, draws: Sequence[AuditedItem]) -> Sequence[_Met]:
        """Return each draw where it is met."""
        found, place, entered = [], 0, 0
        for draw in draws:
            for row in self._picked_rows[place : draw.picks_before]:
                self._look_at(row)
            while entered < len(self._early) and self._early[entered][0] <= draw.time:
                self._look_at(self._early[entered][1])
                entered += 1
            place = draw.picks_before
            found.append(_Met(self, draw, len(self._seen), len(self._unknown)))
        return found

    def _look_at(self, row: int) -> None:
        (self._seen if row in self._known else self._unknown).append(row)

    def rows(self, last: _Met) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Return the rows that are known, with the last draw, and those that are not."""
        return (*self._seen[: last.position], last.draw.row), tuple(self._unknown[: last.unknown])


def _complete(
    draws: Sequence[AuditedItem], known: Set[int], by_row: Mapping[int, Sequence[Annotation]]
) -> Sequence[AuditedItem]:
    batches: defaultdict[str, list[AuditedItem]] = defaultdict(list)
    for draw in draws:
        batches[draw.batch].append(draw)
    found: list[AuditedItem] = []
    for drawn in batches.values():
        waiting = [place for place, draw in enumerate(drawn) if draw.row not in known]
        if not waiting:
            found += drawn
        elif not any(_by_others(by_row.get(drawn[place].row, ())) for place in waiting):
            found += drawn[: waiting[0]]
    return found


def _by_others(given: Sequence[Annotation]) -> bool:
    return any(one.answer.body is not None and not one.trusted for one in given)
