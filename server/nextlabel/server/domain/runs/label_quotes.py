"""How many labels a run can buy."""

from __future__ import annotations

from dataclasses import dataclass

from nextlabel.server.domain.budgets.budgets import Budgets
from nextlabel.server.domain.learning.advice_use import unheard
from nextlabel.server.domain.pool.pools import Pools
from nextlabel.server.domain.reports.reports import Reports
from nextlabel.server.domain.runs.scopes import Scopes
from nextlabel.server.ports.quotes import RunQuote
from nextlabel.server.ports.state_store import StateStore
from nextlabel.server.tasks.registry import task_type
from nextlabel.server.values.money.costs import Cost
from nextlabel.server.values.projects.projects import Project
from nextlabel.server.values.runs.annotator_options import annotator_name, texts_an_item
from nextlabel.server.values.runs.runs import RunSpec


@dataclass(frozen=True, slots=True)
class LabelQuotes:
    """How many labels a run can buy: as many as limits, budgets, rounds and the pool allow."""

    store: StateStore
    pools: Pools
    budgets: Budgets
    reports: Reports
    scopes: Scopes

    async def quote(self, project: Project, spec: RunSpec, sample_items: int) -> RunQuote:
        """Return the most labels that the run can buy; targets and a plateau may end it before the first.

        For a run that collects advice, the items that it asks about stand for labels, of which it buys none.
        """
        if spec.gold_replay.only:
            return RunQuote(Cost(), Cost(), Cost(), ["the run asks about gold items alone, which buys no label"])
        if spec.advice:
            return await self._advice(project, spec)
        askable = (await self.reports.pool_counts(project)).askable
        affordable = await self.store.read(lambda tx: self.budgets.affordable_labels(tx, project.id, ""))
        texts = texts_an_item(spec.annotator)
        items = "items of the pool that may be asked about"
        bounds = {
            items if texts == 1 else f"texts, {texts} of each of the {askable} {items}": None
            if spec.items and task_type(project.annotation_type).writes_text
            else askable * texts,
            "labels for items of its scope": await self.scopes.size(project, spec) * texts if spec.items else None,
            "labels that the limits of the run allow": spec.limit.labels or None,
            "labels that the budget of the project allows": affordable,
            "labels in the most rounds allowed": spec.max_rounds * spec.batch_size * texts or None,
        }
        known = {name: bound for name, bound in bounds.items() if bound is not None}
        most = Cost(labels=min(known.values()) // texts * texts)
        goals = (spec.target_accuracy, spec.target_macro_f1, spec.plateau.rounds, spec.stable_kappa)
        ends_early = any(goals) or spec.worth.point_micro_usd
        low = Cost(labels=min(spec.batch_size * texts, most.labels)) if ends_early else most
        return RunQuote(low, most, most, [f"{bound} {name}" for name, bound in known.items()])

    async def _advice(self, project: Project, spec: RunSpec) -> RunQuote:
        pool = await self.pools.open(project.id)
        items = pool.index.next_row - len(pool.deleted)
        advised = await self.store.read(lambda tx: len(tx.advice.rows(project.id, annotator_name(spec.annotator))))
        bounds = {"items without advice of the annotator": items - advised}
        if spec.max_rounds:
            bounds["items in the most rounds allowed"] = spec.max_rounds * spec.batch_size
        asked = Cost(labels=min(bounds.values()))
        told = [f"{bound} {name}" for name, bound in bounds.items()]
        return RunQuote(asked, asked, asked, [*told, *filter(None, [unheard(project)])])
