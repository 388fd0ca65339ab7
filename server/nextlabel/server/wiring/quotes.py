"""What a run that asks an LLM would cost, counted on a sample of the pool without asking the model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from nextlabel.server.annotators.llm.chooser import usual_choice
from nextlabel.server.annotators.llm.quoting import quote_request
from nextlabel.server.annotators.paid_calls.pricing import load_prices
from nextlabel.server.domain.budgets.paid_calls import Ledgers
from nextlabel.server.domain.pool.pair_making import PairMaking
from nextlabel.server.domain.pool.pools import Pools, as_asked
from nextlabel.server.domain.projects.projects import Projects
from nextlabel.server.domain.runs.checking.gold_checks import GOLD_ITEMS
from nextlabel.server.domain.runs.checking.people_checks import PeopleChecks
from nextlabel.server.domain.runs.label_quotes import LabelQuotes
from nextlabel.server.domain.selection.llm_strategies import CHOOSING, LlmStrategy, llm_strategy
from nextlabel.server.domain.texts.criticised import CriticisedTexts
from nextlabel.server.ports.quotes import RunQuote
from nextlabel.server.ports.state_store import StateStore
from nextlabel.server.ports.system import Clock
from nextlabel.server.values.errors import InvalidArgument, NotFound
from nextlabel.server.values.labeling.tasks import ItemToAnnotate, Task
from nextlabel.server.values.money.costs import Cost
from nextlabel.server.values.projects.projects import Project
from nextlabel.server.values.runs.annotator_options import LlmOptions, RouteOptions
from nextlabel.server.values.runs.runs import GoldReplay, RunSpec
from nextlabel.server.wiring.annotators.advisors import chooser_of
from nextlabel.server.wiring.annotators.llm_connections import LlmConnections
from nextlabel.server.wiring.lookups import ProjectLookups

_COUNTED_REQUESTS = 20
_SAMPLED_ITEMS = 500


@dataclass(frozen=True, slots=True)
class _Sample:
    """Items of the pool that sizes are counted on, and how many requests are counted."""

    task: Task
    items: Sequence[ItemToAnnotate]
    requests: int
    seed: int


@dataclass(frozen=True, slots=True)
class _Amounts:
    """How many items are asked about: at least, probably and at most."""

    low: float
    expected: float
    upper: float


@dataclass(frozen=True, slots=True, kw_only=True)
class AllQuotes:
    """Implements the domain's `RunQuotes` for every kind of annotator."""

    labels: LabelQuotes
    store: StateStore
    pools: Pools
    pairs: PairMaking
    projects: Projects
    ledgers: Ledgers
    clock: Clock
    lookups: ProjectLookups
    connections: LlmConnections
    people_checks: PeopleChecks
    criticised: CriticisedTexts

    async def quote(self, project: Project, spec: RunSpec, sample_items: int) -> RunQuote:
        """Return an estimate: labels by what the run may buy, tokens and money by a sample of the pool's items."""
        if isinstance(spec.annotator, RouteOptions):
            raise InvalidArgument.field("spec.annotator.route", "QuoteRoutes plans what routes ask and cost")
        if spec.items.criticised and isinstance(spec.annotator, LlmOptions):
            return await self._rewriting(project, spec, spec.annotator, sample_items)
        bound = await self.labels.quote(project, spec, sample_items)
        llm = None if spec.advice else llm_strategy(spec.strategy)
        if not (bound.upper.labels or spec.gold_replay.only) or not (isinstance(spec.annotator, LlmOptions) or llm):
            return _without_labels(bound) if spec.advice else bound
        task = await self.store.read(lambda tx: self.projects.task(tx, project))
        items = await self._sampled(project, spec.seed)
        sample = _Sample(task, items, sample_items or _COUNTED_REQUESTS, spec.seed)
        asked: list[LlmOptions] = [spec.annotator] if isinstance(spec.annotator, LlmOptions) else []
        asked += [llm.asked(spec.annotator)] if llm else []
        quotes = [RunQuote(Cost(), Cost(), Cost(), self._warnings(asked)), bound]
        if isinstance(spec.annotator, LlmOptions):
            quotes.append(await self._annotation(project, spec.annotator, bound, sample, spec.gold_replay))
        if llm is not None and llm.name == CHOOSING:
            quotes.append(await self._choosing(project, spec, llm, bound, sample))
        elif llm is not None:
            quotes.append(await self._shortlists(project, spec, llm, bound, sample))
        total = _added(quotes)
        return _without_labels(total) if spec.advice else total

    async def _rewriting(self, project: Project, spec: RunSpec, annotator: LlmOptions, sample_items: int) -> RunQuote:
        """Quote the criticised texts; those that stand instead of others buy no label."""
        waiting = await self.criticised.waiting(project, annotator.annotator_name)
        labels = Cost(labels=sum(not one.corrects for one in waiting))
        said = (
            f"{len(waiting)} texts that people criticised, {labels.labels} of which are kept beside others for a label"
        )
        quotes = [RunQuote(labels, labels, labels, [*self._warnings([annotator]), said])]
        earlier = {one.row: one.earlier for one in waiting[:_SAMPLED_ITEMS]}
        found = await self.pools.to_annotate(project, list(earlier))
        if found:
            task = await self.store.read(lambda tx: self.projects.task(tx, project))
            items = [replace(item, earlier=earlier[item.row]) for item in found]
            sample = _Sample(task, items, sample_items or _COUNTED_REQUESTS, spec.seed)
            amounts = _Amounts(len(waiting), len(waiting), len(waiting))
            batches = annotator.prompt.message_batches
            quotes.append(await self._items(project, annotator, amounts, sample, batches=batches))
        return _added(quotes)

    def _warnings(self, asked: Sequence[LlmOptions]) -> Sequence[str]:
        prices, today = load_prices(self.connections.settings.prices), self.clock.now().date()
        found = [w for choice in asked for w in prices.price_of(choice.model).warnings(today)]
        return [f"WARNING: {warning}" for warning in dict.fromkeys(found)]

    async def _annotation(
        self, project: Project, annotator: LlmOptions, bound: RunQuote, sample: _Sample, replay: GoldReplay
    ) -> RunQuote:
        """Quote the items to annotate, the canaries among them, and what is checked first."""
        pool = await self.pools.open(project.id)
        gold = min((replay.items if replay.only else 0) or GOLD_ITEMS, len(pool.gold))
        by_people = 0 if replay.only else len(await self.people_checks.shared(project, annotator.annotator_name))
        checked = gold + by_people
        asked = 1.0 + annotator.prompt.canary_share
        again = _replayed(replay, gold, bound.upper.labels)
        amounts = _Amounts(
            bound.low.labels * asked,
            bound.expected.labels * asked + checked + _replayed(replay, gold, bound.expected.labels),
            bound.upper.labels * asked + checked + again,
        )
        batches = annotator.prompt.message_batches
        quote = await self._items(project, annotator, amounts, sample, batches=batches)
        extras = [f"{gold} gold items are checked first"] if gold else []
        if again:
            extras.append(
                f"gold items are asked again after every {replay.every:,} answers, {again:,} questions in all"
            )
        if by_people:
            extras.append(f"{by_people} items that people answered come first, to tell how often it agrees")
        if rounds := annotator.prompt.refine_rounds:
            extras.append(f"each text is criticised and written anew in up to {rounds} rounds, half of which are usual")
        if asked > 1.0:
            extras.append(f"{asked - 1.0:g} canaries an item")
        return RunQuote(quote.low, quote.expected, quote.upper, [*quote.assumptions, *extras])

    async def _shortlists(
        self, project: Project, spec: RunSpec, llm: LlmStrategy, bound: RunQuote, sample: _Sample
    ) -> RunQuote:
        """Quote the labels of shortlists; those of picked items are the annotator's own where it is the same LLM."""
        asked = llm.asked(spec.annotator)
        size = llm.shortlist_size(spec.batch_size)
        again = asked is spec.annotator
        more = size - spec.batch_size if again else size
        waiting = (await self.labels.reports.pool_counts(project)).askable
        rounds = math.ceil(bound.upper.labels / spec.batch_size)
        most = min(rounds * more, waiting - bound.upper.labels if again else waiting)
        quote = await self._items(project, asked, _Amounts(min(more, most), most, most), sample)
        said = f"{llm.name} has {asked.model} label shortlists of {size} items, each item once"
        return RunQuote(quote.low, quote.expected, quote.upper, [said])

    async def _items(
        self,
        project: Project,
        choice: LlmOptions,
        amounts: _Amounts,
        sample: _Sample,
        *,
        batches: bool = False,
    ) -> RunQuote:
        stack = self.connections.connect(choice, self.ledgers.of(project.id)).stack(
            await self.lookups.for_prompts(project)
        )
        try:
            quote = await stack.quote(
                sample.task, sample.items, sample=sample.requests, seed=sample.seed, batch=batches
            )
        finally:
            await stack.annotator.close()
        count = len(sample.items)
        return RunQuote(
            _scaled(quote.low, amounts.low / count),
            _scaled(quote.expected, amounts.expected / count),
            _scaled(quote.upper, amounts.upper / count),
            [f"tokens of {count} items drawn from the pool, {_how(counted=quote.counted)}"],
        )

    async def _choosing(
        self, project: Project, spec: RunSpec, llm: LlmStrategy, bound: RunQuote, sample: _Sample
    ) -> RunQuote:
        """Quote one request a round, with a shortlist in it."""
        connection = self.connections.connect(llm.asked(spec.annotator), self.ledgers.of(project.id))
        size = llm.shortlist_size(spec.batch_size)
        try:
            request = chooser_of(connection, llm.line).request(
                sample.task, sample.items[:size], spec.batch_size, dict.fromkeys(sample.task.label_names, 10)
            )
            one = await quote_request(connection.endpoint, connection.price, request, usual_choice(spec.batch_size))
        finally:
            await connection.endpoint.close()
        share = size / len(sample.items[:size])
        return RunQuote(
            _scaled(one.low, share * math.ceil(bound.low.labels / spec.batch_size)),
            _scaled(one.expected, share * math.ceil(bound.expected.labels / spec.batch_size)),
            _scaled(one.upper, share * math.ceil(bound.upper.labels / spec.batch_size)),
            [f"{llm.name} shows a shortlist of {size} items in each round, {_how(counted=one.counted)}"],
        )

    async def _sampled(self, project: Project, seed: int) -> list[ItemToAnnotate]:
        pool = await self.pools.open(project.id)
        rows = np.setdiff1d(np.arange(pool.index.next_row), pool.unusable_rows())
        if not len(rows):
            return await self.pairs.next_ones(project, _SAMPLED_ITEMS)
        drawn = np.random.default_rng(seed).permutation(rows)[:_SAMPLED_ITEMS]
        chosen = np.sort(drawn).tolist()
        try:
            # With their embeddings: what is retrieved for an item is part of what its request costs.
            return await self.pools.to_annotate(project, chosen)
        except NotFound:
            stored = await self.pools.items(project.id, chosen)
            return [as_asked(item) for item in stored]


def _how(*, counted: bool) -> str:
    return "counted by the endpoint" if counted else "estimated from bytes, since the endpoint cannot count"


def _without_labels(quote: RunQuote) -> RunQuote:
    """Return a quote of answers that are no labels."""
    low, expected, upper = (replace(cost, labels=0) for cost in (quote.low, quote.expected, quote.upper))
    return RunQuote(low, expected, upper, quote.assumptions)


def _scaled(cost: Cost, factor: float) -> Cost:
    """Return tokens and money of a cost that comes ``factor`` times; labels are quoted apart."""
    return Cost(0, round(cost.tokens * factor), round(cost.micro_usd * factor))


def _added(quotes: Sequence[RunQuote]) -> RunQuote:
    return RunQuote(
        sum((q.low for q in quotes), start=Cost()),
        sum((q.expected for q in quotes), start=Cost()),
        sum((q.upper for q in quotes), start=Cost()),
        [assumption for q in quotes for assumption in q.assumptions],
    )


def _replayed(replay: GoldReplay, gold: int, labels: int) -> int:
    """Return how many questions about gold items that were asked before come with so many labels, whatever it takes."""
    return labels // replay.every * min(replay.items or GOLD_ITEMS, gold) if replay.every else 0
