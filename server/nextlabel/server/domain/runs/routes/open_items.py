"""Which items of a plan are still open when a member's turn comes: those whose labels have not been repeated yet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nextlabel.server.assessment.routing.cascades import PERSON, Bools, GoldAnswers, Places, Route, follow
from nextlabel.server.domain.labeling.labels import Labels
from nextlabel.server.domain.pool.pools import Pools
from nextlabel.server.domain.reports.delivery.deliveries import Deliveries
from nextlabel.server.domain.reports.routing import gold_answers
from nextlabel.server.domain.runs.routes.planning import PlannedRoutes
from nextlabel.server.domain.selection.review_queue import ReviewQueue
from nextlabel.server.ports.pool_store import Rows
from nextlabel.server.values.labeling.answers import Label
from nextlabel.server.values.projects.projects import Project
from nextlabel.server.values.runs.runs import Run

_BLOCK = 16_384
_UNASKED = -2


@dataclass(frozen=True, slots=True)
class Contradictions:
    """Of ``asked`` items a member's answers left ``open``, as they repeat no label; of gold on the same ways, too."""

    asked: int
    open: int
    gold_asked: int
    gold_open: int


@dataclass(frozen=True, slots=True)
class RouteStandings:
    """Follows the ways of a plan by the answers that its run has brought."""

    pools: Pools
    labels: Labels
    deliveries: Deliveries
    review: ReviewQueue

    async def open_for(self, project: Project, run: Run, planned: PlannedRoutes, member: str) -> Rows:
        """Return the rows that a member is to be asked about, those first of which the learner is least sure.

        People come first to those where a look is expected to bring most, by what orders the review list. What people
        have labeled meanwhile, and what was deleted, is not open.
        """
        learned = await self._learned(project, planned, member)
        given = await self._given(project, run)
        done = await self.done(project)
        found: list[int] = []
        for way, rows in _ways_of(planned, member):
            _, open_n = _followed(way[: way.index(member)], rows, learned, given)
            found += [row for row in rows[open_n].tolist() if row not in done]
        wrong = {row: 1 - sure for row, sure in learned.sure.items()}
        gains = await self.review.gains(project, found, wrong) if member == PERSON else [0.0] * len(found)
        first = sorted(zip(found, gains, strict=True), key=lambda one: (-one[1], learned.sure.get(one[0], 0.0), one[0]))
        return np.array([row for row, _ in first], np.int64)

    async def contradictions(self, project: Project, run: Run, planned: PlannedRoutes, member: str) -> Contradictions:
        """Return how often a member's answers repeated no label given before, and how often on gold."""
        learned = await self._learned(project, planned, member)
        given = await self._given(project, run)
        asked = still_open = 0
        for way, rows in _ways_of(planned, member):
            asked_n, open_n = _followed(way[: way.index(member) + 1], rows, learned, given)
            asked, still_open = asked + int(asked_n.sum()), still_open + int(open_n.sum())
        return Contradictions(asked, still_open, *await self._on_gold(project, planned, member))

    async def done(self, project: Project) -> set[int]:
        """Return the rows that nobody has to be asked about any more: labeled by people, or deleted."""
        agreed = await self.labels.consensus(project)
        deleted = (await self.pools.open(project.id)).deleted
        return {row for row, one in agreed.items() if one.trusted} | deleted

    async def _learned(self, project: Project, planned: PlannedRoutes, member: str) -> _Learned:
        place = {name: number for number, name in enumerate(project.class_names)}
        found = _Learned({}, {})
        rows = np.concatenate([np.zeros(0, np.int64), *(rows for _, rows in _ways_of(planned, member))])
        for start in range(0, len(rows), _BLOCK):
            block = np.sort(rows)[start : start + _BLOCK].tolist()
            answers = await self.deliveries.predictions(project, planned.said.model_version, block)
            for row, answer in answers.items():
                found.sure[row] = answer.probability or 0.0
                found.place[row] = place[answer.body.name] if isinstance(answer.body, Label) else -1
        return found

    async def _given(self, project: Project, run: Run) -> Mapping[str, Mapping[int, int]]:
        """Return the places of the classes that annotators have given in a run, -1 for an answer without use."""
        place = {name: number for number, name in enumerate(project.class_names)}
        found: dict[str, dict[int, int]] = {}
        for row, answers in (await self.labels.rows(project)).items():
            for one in answers:
                if one.run == run.id:
                    found.setdefault(one.annotator, {})[row] = place.get(one.label or "", -1)
        return found

    async def _on_gold(self, project: Project, planned: PlannedRoutes, member: str) -> tuple[int, int]:
        """Return how many gold items a member is asked about, and how many its answers leave open."""
        evidence, _ = await self.deliveries.evidence(project, planned.said.model_version)
        gold = gold_answers(evidence, list(planned.prices))
        ways_G = _nearest_way(planned, evidence.predicted_N, gold.sure_G)
        asked = still_open = 0
        for number, way in enumerate(planned.said.ways):
            if member in way:
                followed = follow((*way[: way.index(member) + 1], PERSON), gold.subset(ways_G == number))
                asked += int(followed.asked_SG[way.index(member)].sum())
                still_open += int(followed.by_person_G.sum())
        return asked, still_open


@dataclass(frozen=True, slots=True)
class _Learned:
    """How sure the plan's model is of its label, and the label's place, by row."""

    sure: dict[int, float]
    place: dict[int, int]


def _ways_of(planned: PlannedRoutes, member: str) -> Sequence[tuple[Route, Rows]]:
    return [(way, rows) for way, rows in zip(planned.said.ways, planned.rows, strict=True) if member in way]


def _followed(
    before: Route, rows: Rows, learned: _Learned, given: Mapping[str, Mapping[int, int]]
) -> tuple[Bools, Bools]:
    """Return which rows the last one before has been asked about, and which of those are still open."""
    learned_n = np.array([learned.place.get(row, -1) for row in rows.tolist()], np.int64)
    answers = {
        name: np.array([given.get(name, {}).get(row, _UNASKED) for row in rows.tolist()], np.int64) for name in before
    }
    asked_n = answers[before[-1]] != _UNASKED if before else np.ones(len(rows), np.bool_)
    followed = follow((*before, PERSON), GoldAnswers(learned_n, learned_n, np.zeros(len(rows)), answers))
    return asked_n, asked_n & followed.by_person_G


def _nearest_way(planned: PlannedRoutes, sure_N: npt.NDArray[np.float64], sure_G: npt.NDArray[np.float64]) -> Places:
    """Return the way of the planned item that the learner is about as sure of, for each gold item."""
    rows_n = np.concatenate([*planned.rows, np.zeros(0, np.int64)]).astype(np.int64)
    way_n = np.repeat(np.arange(len(planned.rows)), [len(rows) for rows in planned.rows])
    known = (rows_n < len(sure_N)) & ~np.isnan(sure_N[np.minimum(rows_n, len(sure_N) - 1)])
    rows_n, way_n = rows_n[known], way_n[known]
    if not len(rows_n):
        return np.full(len(sure_G), -1, np.int64)
    order_n = np.argsort(sure_N[rows_n], kind="stable")
    at = np.minimum(np.searchsorted(sure_N[rows_n][order_n], sure_G), len(rows_n) - 1)
    places: Places = way_n[order_n][at]
    return places
