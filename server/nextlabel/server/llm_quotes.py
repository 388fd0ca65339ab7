"""What a run of an LLM annotator would cost, counted on a sample of the pool without asking the model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nextlabel.server.annotators.pricing import load_prices
from nextlabel.server.domain.annotation import Cost, ItemToAnnotate
from nextlabel.server.domain.budgets import Budgets
from nextlabel.server.domain.ledger import RunLedger
from nextlabel.server.domain.pool import Pools
from nextlabel.server.domain.ports import Clock, StateStore
from nextlabel.server.domain.projects import Projects
from nextlabel.server.domain.run_quotes import LabelQuotes, RunQuote
from nextlabel.server.domain.state import Project, RunSpec
from nextlabel.server.llm_annotators import LlmOptions, connect
from nextlabel.server.project_lookups import ProjectLookups
from nextlabel.server.settings import AnnotatorSettings

_COUNTED_REQUESTS = 20
_SAMPLED_ITEMS = 500


@dataclass(frozen=True, slots=True)
class AllQuotes:
    """Implements the domain's `RunQuotes` for every kind of annotator."""

    labels: LabelQuotes
    store: StateStore
    pools: Pools
    projects: Projects
    budgets: Budgets
    clock: Clock
    lookups: ProjectLookups
    settings: AnnotatorSettings

    async def quote(self, project: Project, spec: RunSpec, sample_items: int) -> RunQuote:
        """Return an estimate: labels by what the run may buy, tokens and money by a sample of the pool's items."""
        bound = await self.labels.quote(project, spec, sample_items)
        if not spec.annotator.is_llm or not bound.upper.labels:
            return bound
        items = await self._sample(project, spec.seed)
        ledger = RunLedger(self.store, self.budgets, self.clock, project.id, "")
        stack = connect(spec.annotator, self.settings, ledger).stack(await self.lookups.for_prompts(project))
        try:
            task = await self.store.read(lambda tx: self.projects.task(tx, project))
            quote = await stack.llm.quote(
                task,
                items,
                sample=sample_items or _COUNTED_REQUESTS,
                seed=spec.seed,
                batch=LlmOptions(spec.annotator).batches,
            )
        finally:
            await stack.annotator.close()
        price = load_prices(self.settings.prices).price_of(LlmOptions(spec.annotator).model)
        warnings = [f"WARNING: {warning}" for warning in price.warnings(self.clock.now().date())]
        how = "counted by the endpoint" if quote.counted else "estimated from bytes, since the endpoint cannot count"
        return RunQuote(
            _scaled(quote.low, bound.low.labels, len(items)),
            _scaled(quote.expected, bound.expected.labels, len(items)),
            _scaled(quote.upper, bound.upper.labels, len(items)),
            [*warnings, *bound.assumptions, f"tokens of {len(items)} items drawn from the pool, {how}"],
        )

    async def _sample(self, project: Project, seed: int) -> list[ItemToAnnotate]:
        pool = await self.pools.open(project.id)
        rows = np.setdiff1d(np.arange(pool.index.next_row), pool.unusable_rows())
        drawn = np.random.default_rng(seed).permutation(rows)[:_SAMPLED_ITEMS]
        stored = await self.pools.items(project.id, np.sort(drawn).tolist())
        return [ItemToAnnotate(item.item_id, item.row, item.text) for item in stored]


def _scaled(cost: Cost, labels: int, items: int) -> Cost:
    """Return the cost of ``labels`` items when ``cost`` is that of ``items``."""
    share = labels / items
    return Cost(labels, round(cost.tokens * share), round(cost.micro_usd * share))
