"""Metrics of what the server keeps: pool, leases, spend, runs and the age of the models."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Gauge

from nextlabel.server.ports.state_store import Transaction
from nextlabel.server.system.background import Report
from nextlabel.server.values.labeling.item_states import NeedReason
from nextlabel.server.values.money.costs import BudgetDimension
from nextlabel.server.values.projects.projects import Project
from nextlabel.server.values.runs.runs import UNDER_WAY
from nextlabel.server.wiring.parts import Parts

_EVERY_S = 10.0


class StateMetrics:
    """Gauges for Prometheus, read from the store every ten seconds rather than at every scrape."""

    def __init__(self, parts: Parts, registry: CollectorRegistry) -> None:
        self._parts = parts
        self._rows = Gauge("nextlabel_pool_rows", "Rows ever committed.", ["project"], registry=registry)
        self._waiting = Gauge("nextlabel_pool_unembedded_rows", "Rows to embed.", ["project"], registry=registry)
        self._leases = Gauge("nextlabel_active_leases", "Leases not over yet.", ["project"], registry=registry)
        self._labels = Gauge("nextlabel_labels", "Annotations with a label.", ["project"], registry=registry)
        self._items = Gauge(
            "nextlabel_items", "Items of the pool by where they stand.", ["project", "state"], registry=registry
        )
        self._needs = Gauge(
            "nextlabel_items_needing_another",
            "Items of the pool whose answers are of no use, by the reason.",
            ["project", "reason"],
            registry=registry,
        )
        self._spent = Gauge(
            "nextlabel_spent", "Settled amounts of the ledger.", ["project", "dimension"], registry=registry
        )
        self._model_age = Gauge(
            "nextlabel_model_age_seconds", "Age of the newest model version.", ["project"], registry=registry
        )
        self._runs = Gauge("nextlabel_active_runs", "Runs under way.", ["project"], registry=registry)
        self._other_models = Gauge(
            "nextlabel_other_model_answers",
            "Answers since the start that another model gave than the one asked.",
            ["project"],
            registry=registry,
        )
        self._of_projects = (
            self._other_models,
            self._rows,
            self._waiting,
            self._leases,
            self._labels,
            self._items,
            self._needs,
            self._spent,
            self._model_age,
            self._runs,
        )
        self._shown: set[str] = set()
        self._failures = Gauge(
            "nextlabel_background_failures", "Failures of background work since the start.", ["work"], registry=registry
        )

    def start(self) -> None:
        """Keep the gauges up to date in the background, until the parts are closed."""
        self._parts.base.background.start("metrics", self._follow)

    async def _follow(self, _: Report) -> None:
        while True:
            await self.refresh()
            await asyncio.sleep(_EVERY_S)

    async def refresh(self) -> None:
        """Read everything now."""
        for work, failures in self._parts.base.background.failures.items():
            self._failures.labels(work).set(failures)
        projects = await self._parts.base.store.read(self._update)
        for project in projects:
            await self._count_items(project)
        self._forget_all_but({project.name for project in projects})

    def _forget_all_but(self, projects: set[str]) -> None:
        for gone in self._shown - projects:
            for gauge in self._of_projects:
                gauge.remove_by_labels({"project": gone})
        self._shown = projects

    async def _count_items(self, project: Project) -> None:
        counts = await self._parts.reports.reports.pool_counts(project)
        for state, items in counts.states.items():
            self._items.labels(project.name, state.value).set(items)
        for reason in NeedReason:
            self._needs.labels(project.name, reason.value).set(counts.needs.get(reason, 0))

    def _update(self, tx: Transaction) -> Sequence[Project]:
        projects = list(tx.projects.every())
        for project in projects:
            self._update_project(tx, project)
        return projects

    def _update_project(self, tx: Transaction, project: Project) -> None:
        name = project.name
        self._rows.labels(name).set(tx.pool.committed_rows(project.id))
        self._waiting.labels(name).set(sum(s.row_count for s in tx.pool.segments(project.id, embedded=False)))
        self._leases.labels(name).set(tx.labeling.active_leases(project.id))
        self._labels.labels(name).set(tx.labeling.count_annotations(project.id))
        spent = self._parts.projects.budgets.spent(tx, project.id)
        for dimension in BudgetDimension:
            self._spent.labels(name, dimension.value).set(spent.amount(dimension))
        latest = tx.models.latest(project.embeddings)
        if latest is not None:
            self._model_age.labels(name).set((self._parts.base.clock.now() - latest.created_at).total_seconds())
        of_others = self._parts.runs.engine.driver.annotation.of_other_models
        self._other_models.labels(name).set(of_others[project.id])
        running = tx.runs.list(project.id, states=UNDER_WAY)
        self._runs.labels(name).set(len(running))
