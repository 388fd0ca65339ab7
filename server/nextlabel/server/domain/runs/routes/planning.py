"""Plans who is asked about what, once a run: what was planned is kept with the run and followed after a restart."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from nextlabel.server.domain.budgets.budgets import Budgets
from nextlabel.server.domain.reports.routing import AnnotatorPrice, RoutePlans
from nextlabel.server.domain.runs.run_log import RunLog
from nextlabel.server.ports.pool_store import Rows
from nextlabel.server.ports.state_store import StateStore, Transaction
from nextlabel.server.values.projects.projects import Project
from nextlabel.server.values.runs.annotator_options import ReplayOptions, RouteOptions, annotator_name
from nextlabel.server.values.runs.events import RoutePlanned
from nextlabel.server.values.runs.runs import Run


@dataclass(frozen=True, slots=True, eq=False)
class PlannedRoutes:
    """What was planned, with the rows that take each of its ways."""

    said: RoutePlanned
    rows: Sequence[Rows]

    @property
    def prices(self) -> Mapping[str, float]:
        """What an answer of each member costs, in micro-dollars."""
        return self.said.prices


@dataclass(frozen=True, slots=True)
class RoutePlanning:
    """Makes the plan of a run, or finds the one it has."""

    store: StateStore
    plans: RoutePlans
    budgets: Budgets
    log: RunLog

    async def planned(self, project: Project, run: Run, options: RouteOptions) -> PlannedRoutes:
        """Return the plan of a run, made for the money that is left where there is none yet.

        Raises:
            FailedPrecondition: no model, nothing to label, or too little gold that everybody has answered.
        """
        said = await self.store.read(lambda tx: tx.runs.last(run.id, RoutePlanned))
        if said is None:
            said = await self._plan(project, run, options)
        ways = said.ways
        kept = await self.store.read(lambda tx: [tx.runs.rows(run.id, _way(k)) for k in range(len(ways))])
        return PlannedRoutes(said, [np.zeros(0, np.int64) if rows is None else rows for rows in kept])

    async def money_left(self, project: Project, run: Run, options: RouteOptions) -> float:
        """Return the micro-dollars of a run's limit that are not spent.

        Known labels that are replayed have a price in the plan, and none in the books.
        """
        replayed = [m for m in options.members if isinstance(m.annotator, ReplayOptions)]

        def spent(tx: Transaction) -> float:
            steps = [(m.micro_usd, tx.runs.rows(run.id, step_of(annotator_name(m.annotator)))) for m in replayed]
            unbooked = sum(price * len(rows) for price, rows in steps if rows is not None)
            return self.budgets.spent(tx, project.id, run.id).micro_usd + unbooked

        return max(0.0, run.spec.limit.micro_usd - await self.store.read(spent))

    async def _plan(self, project: Project, run: Run, options: RouteOptions) -> RoutePlanned:
        prices = [AnnotatorPrice(annotator_name(m.annotator), m.micro_usd) for m in options.members]
        money = await self.money_left(project, run, options)
        found = await self.plans.plan(project, int(money), prices, options.person_micro_usd)
        plan = found.plan
        rows = [found.rows_n[plan.taken_N == k] for k in range(len(plan.ways))]
        said = RoutePlanned(
            ways=tuple(tuple(way) for way in plan.ways),
            items=tuple(len(of_way) for of_way in rows),
            model_version=found.model_version,
            settings=settings_of(project),
            accuracy=plan.accuracy.value,
            low=plan.accuracy.low,
            high=plan.accuracy.high,
            micro_usd=round(plan.micro_usd),
            prices=found.prices,
        )

        def work(tx: Transaction) -> None:
            for k, of_way in enumerate(rows):
                if len(of_way):
                    tx.runs.put_rows(run.id, _way(k), of_way)
            self.log.note_in(tx, run, said)

        await self.store.write(work)
        self.log.tell(run.id)
        return said


def settings_of(project: Project) -> str:
    """Return a name of what answers depend on: another one when classes or guidelines have changed."""
    return hashlib.sha256(repr((project.class_names, project.guidelines_version)).encode()).hexdigest()[:16]


def step_of(asked: str) -> str:
    """Return the name under which a run keeps the rows that somebody is asked about."""
    return f"step/{asked}"


def _way(place: int) -> str:
    return f"way/{place}"
