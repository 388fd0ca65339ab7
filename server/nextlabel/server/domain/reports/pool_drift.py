"""Whether the texts that came to a pool are like those that were there before."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Final

import numpy as np

from nextlabel.server.assessment.drift import DriftEvidence, drift_evidence
from nextlabel.server.domain.pool.pools import Pools, all_projects
from nextlabel.server.ports.state_store import StateStore, Transaction
from nextlabel.server.ports.system import Clock, Executor
from nextlabel.server.values.ids import ProjectId
from nextlabel.server.values.pool import Segment

FALSE_ALARMS: Final = 0.001
"""Probability that the first arrival which is compared raises an alarm while nothing changes; later ones have less."""
FEWEST_TEXTS: Final = 100
PAIRS: Final = 1_000
"""Texts of an arrival that are compared at most, with as many earlier ones."""
MOST_ARRIVALS: Final = 20
"""The newest ones, which are told of."""

_PAUSE = timedelta(seconds=10)


def false_alarms(comparison: int) -> float:
    """Return the probability of a false alarm that a project's comparison of this number, from 1, may have.

    It falls by the square, so that all that ever come add up to less than 1 %.

    >>> round(sum(map(false_alarms, range(1, 100_000))), 4)
    0.0095
    """
    return FALSE_ALARMS * (9 / (comparison + 8)) ** 2


@dataclass(frozen=True, slots=True)
class Arrival:
    """Texts that came without a longer pause than ten seconds, at least 100, beside the ``earlier`` ones.

    ``number`` counts the arrivals of a project from 1, the first one being what the others are compared with.
    """

    number: int
    at: datetime
    first_row: int
    texts: int
    earlier: int
    evidence: DriftEvidence

    @property
    def drifted(self) -> bool:
        """True when the texts are unlike the earlier ones, by a test that shares its error out among all arrivals."""
        return self.evidence.beyond(false_alarms(self.number - 1))


@dataclass(frozen=True, slots=True)
class _Span:
    """Rows of an arrival, ``stop`` excluded; ``last`` is when the last of them came."""

    first: int
    stop: int
    last: datetime
    embedded: bool

    def with_more(self, segment: Segment) -> _Span:
        stop = segment.first_row + segment.row_count
        return _Span(self.first, stop, segment.created_at, self.embedded and segment.embedded)

    @property
    def few(self) -> bool:
        """True when there are too few texts yet: they wait for more, however long that takes."""
        return self.stop - self.first < FEWEST_TEXTS

    def takes(self, segment: Segment) -> bool:
        """True when the segment came right after, or when there are too few texts yet."""
        return segment.created_at - self.last <= _PAUSE or self.few

    def is_whole(self, now: datetime) -> bool:
        """True when it will not grow any more, and every text has its embedding."""
        return self.embedded and not self.few and now - self.last > _PAUSE


@dataclass(frozen=True, slots=True)
class PoolDrift:
    """Compares each arrival with what came before it, once; what was found is kept in memory."""

    store: StateStore
    pools: Pools
    executor: Executor
    clock: Clock
    # By first row; None for arrivals with nothing in them to compare.
    _found: dict[ProjectId, dict[int, Arrival | None]] = field(init=False, default_factory=dict)
    _compared_rows: dict[ProjectId, int] = field(init=False, default_factory=dict)

    async def run(self, on_error: Callable[[BaseException], None], every_s: float = 5.0) -> None:
        """Compare what arrives until cancelled."""
        while True:
            try:
                await self.look(on_error)
            except Exception as error:  # noqa: BLE001  (the work outlives a failing database)
                on_error(error)
            await asyncio.sleep(every_s)

    async def look(self, on_error: Callable[[BaseException], None]) -> None:
        """Compare what has arrived in any project since the last look."""
        committed = await self.store.read(_committed)
        for project, rows in committed.items():
            try:
                if rows != self._compared_rows.get(project) and await self._compare(project):
                    self._compared_rows[project] = rows
            except Exception as error:  # noqa: BLE001  (one damaged pool must not hide the others' drift)
                on_error(error)

    def drifted(self, project: ProjectId) -> Sequence[Arrival]:
        """Return the arrivals that are known to be unlike what came before them, oldest first; compares nothing."""
        return [arrival for arrival in self._newest(project) if arrival.drifted]

    async def arrivals(self, project: ProjectId) -> Sequence[Arrival]:
        """Return the newest arrivals, up to 20, oldest first, after comparing those that were not yet.

        An arrival is compared ten seconds after its last text, when all its texts are embedded. The same texts give
        the same evidence on every server and after every start, so that asking again is no second look.
        """
        await self._compare(project)
        return self._newest(project)

    def _newest(self, project: ProjectId) -> Sequence[Arrival]:
        known = self._found.get(project, {})
        return [arrival for first in sorted(known) if (arrival := known[first]) is not None][-MOST_ARRIVALS:]

    async def _compare(self, project: ProjectId) -> bool:
        """Compare the newest arrivals that were not yet; return whether only further texts give more to compare."""
        spans, now = _spans(await self.store.read(lambda tx: tx.pool.segments(project))), self.clock.now()
        whole = list(takewhile(lambda span: span.is_whole(now), spans))
        known = self._found.setdefault(project, {})
        for number, span in list(enumerate(whole))[1:][-MOST_ARRIVALS:]:
            if span.first not in known:
                known[span.first] = await self._compared(project, span, number + 1)
        return all(span.few for span in spans[len(whole) :])

    def forget(self, project: ProjectId) -> None:
        """Drop what is kept of a deleted project."""
        self._found.pop(project, None)
        self._compared_rows.pop(project, None)

    async def _compared(self, project: ProjectId, span: _Span, number: int) -> Arrival | None:
        unusable = (await self.pools.open(project)).unusable_rows()
        earlier = np.setdiff1d(np.arange(span.first), unusable)
        new = np.setdiff1d(np.arange(span.first, span.stop), unusable)
        pairs = min(PAIRS, len(earlier), len(new))
        # Rows of holdout and gold, or deleted ones, may be all there is.
        if pairs < FEWEST_TEXTS:
            return None
        draw = np.random.default_rng([span.first, span.stop])
        after, before = draw.permutation(new)[:pairs], draw.permutation(earlier)[: pairs + PAIRS]
        of = await self.store.read(lambda tx: tx.projects.by_id(project))
        if of is None:
            return None
        embeddings = await self.pools.embeddings(of, np.concatenate([after, before]).tolist())
        of_new, of_earlier, further = np.split(embeddings, [pairs, 2 * pairs])
        evidence = await self.executor.run(lambda: drift_evidence(of_earlier, of_new, further))
        return Arrival(number, span.last, span.first, len(new), len(earlier), evidence)


def _committed(tx: Transaction) -> Mapping[ProjectId, int]:
    return {project: tx.pool.committed_rows(project) for project in all_projects(tx)}


def _spans(segments: Sequence[Segment]) -> Sequence[_Span]:
    """Return what arrived together, oldest first; the last one may still grow."""
    spans: list[_Span] = []
    for segment in sorted(segments, key=lambda one: one.first_row):
        if spans and spans[-1].takes(segment):
            spans[-1] = spans[-1].with_more(segment)
        else:
            spans.append(_Span(segment.first_row, segment.first_row, segment.created_at, True).with_more(segment))
    return spans
