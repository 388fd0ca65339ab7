"""Chooses query batches: a streaming pass of a strategy over what is embedded and needs an answer."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from nextlabel.server.domain.labeling.needs import Asker
from nextlabel.server.domain.pool.pair_making import PairMaking
from nextlabel.server.domain.pool.pools import KnownPool, Pools
from nextlabel.server.domain.selection.advised import AdvisedSelection, Request
from nextlabel.server.domain.selection.askable import Askable, AskableRows, Asking
from nextlabel.server.domain.selection.known_context import KnownContexts
from nextlabel.server.domain.selection.llm_strategies import llm_strategy
from nextlabel.server.ports.pool_store import Rows
from nextlabel.server.ports.state_store import StateStore, Transaction
from nextlabel.server.ports.system import Clock, Executor
from nextlabel.server.system.tracing import traced
from nextlabel.server.tasks.registry import task_type
from nextlabel.server.values.errors import InvalidArgument
from nextlabel.server.values.ids import ProjectId
from nextlabel.server.values.labeling.batches import Batch, Pick
from nextlabel.server.values.limits import Limits
from nextlabel.server.values.projects.projects import Component, Project
from nextlabel.server.values.runs.annotator_options import AnnotatorChoice, HumanOptions, LlmOptions
from nextlabel.strategies import (
    Need,
    Selection,
    SelectionContext,
    SelectionError,
    Strategy,
    get_strategy,
    with_audit,
)


def strategy_of(choice: Component) -> Strategy:
    """Return the strategy of a name with its parameters; for one that asks an LLM, the one that makes the shortlist.

    Raises:
        InvalidArgument: an unknown name or parameter; the message lists the allowed ones.
    """
    if (llm := llm_strategy(choice)) is not None:
        return strategy_of(Component(llm.shortlist))
    try:
        return get_strategy(choice.name, **choice.params)
    except SelectionError as error:
        raise InvalidArgument.field("strategy", str(error).removeprefix("strategy: ")) from error


@dataclass(frozen=True, slots=True)
class Query:
    """What to select: how many items, how, and for whom or for which round of which run.

    ``annotator`` is that of the run; a strategy that asks an LLM asks this one unless it names another. ``person``
    will lease the items; '' for anyone. Only rows ``within`` are selected, all for None.
    """

    count: int
    strategy: Component
    audit_share: float
    seed: int
    run: str = ""
    round_number: int = 0
    leasable: bool = True
    annotator: AnnotatorChoice | None = None
    person: str = ""
    within: Rows | None = None

    def asking(self, limits: Limits) -> Asking:
        """Return who asks, and how often. What does not fail by chance is not worth a second try in the same run."""
        if isinstance(self.annotator, LlmOptions):
            return Asking(Asker(self.annotator.annotator_name, self.run, bool(self.person)), limits.asks_per_run)
        people = bool(self.person) or isinstance(self.annotator, HumanOptions)
        return Asking(Asker(self.person, self.run, people), 1)


@dataclass(frozen=True, slots=True)
class ProposedBatch:
    """What a strategy chose at a time, by the model of a version; nothing is recorded of it."""

    query: Query
    at: datetime
    model: int
    candidates: AskableRows
    selection: Selection
    fallback: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Selector:
    """Selects and records query batches, one at a time a project so that no item is picked twice."""

    store: StateStore
    pools: Pools
    contexts: KnownContexts
    askable: Askable
    pairs: PairMaking
    advised: AdvisedSelection
    executor: Executor
    clock: Clock
    new_id: Callable[[], str]
    limits: Limits

    def forget(self, project: ProjectId) -> None:
        """Drop what is kept in memory of a deleted project."""
        self.contexts.forget(project)

    @traced("select")
    async def select(
        self,
        project: Project,
        query: Query,
        also: Callable[[Transaction, Batch, Sequence[Pick]], None] | None = None,
        ahead: ProposedBatch | None = None,
    ) -> tuple[Batch, Sequence[Pick]]:
        """Select a batch and record it with everything it depends on; an exhausted pool gives an empty batch.

        ``also`` is done in the transaction that records the batch, of an empty one too. What was chosen ``ahead`` for
        the same query is taken as long as there is no newer model and all of it may still be asked.
        Before the first model exists, a strategy that needs one gives way to uniform picks, which say so.

        Raises:
            InvalidArgument: count or strategy are out of range or unknown.
        """
        if not 1 <= query.count <= self.limits.query_batch:
            raise InvalidArgument.field("count", f"from 1 to {self.limits.query_batch}, got {query.count}")
        strategy = strategy_of(query.strategy)
        # An answer that comes while this selects belongs to the time after it.
        began = self.clock.now()
        async with self.pools.selecting(project.id):
            pool = await self.pools.open(project.id)
            if pool.unpaired and query.within is None:
                await self.pairs.replenish(project, await self.askable.count(project, pool), query.count)
            if ahead is None or not await self._stands(project, pool, strategy, query, ahead):
                ahead = await self._chosen(project, pool, strategy, query, began)
            batch = Batch(
                id=self.new_id(),
                project=project.id,
                run=query.run,
                round=query.round_number,
                strategy=query.strategy,
                model_version=ahead.model,
                pool_rows=ahead.candidates.pool_rows,
                seed=query.seed,
                created_at=ahead.at,
                fallback=ahead.fallback or ahead.selection.fallback,
            )
            ids = await self.executor.run(lambda: ahead.candidates.ids_by_row(ahead.selection.rows_k))
            picks = _picks(batch, ahead, ids, 0 if query.leasable else project.overlap)
            await self.store.write(lambda tx: _record(tx, batch, picks, also))
        return batch, picks

    async def choose(self, project: Project, query: Query, asked: Sequence[int]) -> ProposedBatch | None:
        """Choose what `select` may take later; None where that costs money, or pairs have to be made first.

        Of rows that are being ``asked`` the strategy believes what the learner predicts.
        """
        pool = await self.pools.open(project.id)
        if pool.unpaired or llm_strategy(query.strategy) is not None:
            return None
        async with self.pools.selecting(project.id):
            return await self._chosen(project, pool, strategy_of(query.strategy), query, self.clock.now(), asked)

    async def _chosen(
        self,
        project: Project,
        pool: KnownPool,
        strategy: Strategy,
        query: Query,
        at: datetime,
        asked: Sequence[int] = (),
    ) -> ProposedBatch:
        context, model = await self.contexts.context(project, strategy, query.seed, asked)
        fallback = ""
        if missing := _missing(strategy, context):
            fallback = f"random: {strategy.name} needs {missing}, which there is none of yet"
            strategy = get_strategy("random")
        for candidates in await self._candidates(project, pool, strategy, query):
            selection = await self._selection(project, query, strategy, candidates, context)
            if len(selection):
                break
        return ProposedBatch(query, at, model, candidates, selection, fallback)

    async def _stands(
        self, project: Project, pool: KnownPool, strategy: Strategy, query: Query, ahead: ProposedBatch
    ) -> bool:
        """Whether what was chosen is what the query asks for, by the newest model, and may be asked now."""
        latest = await self.store.read(lambda tx: tx.models.latest(project.embeddings))
        if query.within is not None or query != ahead.query or latest is None or latest.version != ahead.model:
            return False
        first, *_ = await self._candidates(project, pool, strategy, query)
        return len(ahead.selection) > 0 and first.has(ahead.selection.rows_k)

    async def _candidates(
        self, project: Project, pool: KnownPool, strategy: Strategy, query: Query
    ) -> Sequence[AskableRows]:
        if Need.ANNOTATOR_LABELS in strategy.needs:
            found: Sequence[AskableRows] = [self.askable.any_rows(project, pool)]
        else:
            candidates = query.within is not None and task_type(project.annotation_type).writes_text
            found = await self.askable.in_turn(project, pool, query.asking(self.limits), candidates=candidates)
        return found if query.within is None else [rows.within(query.within) for rows in found]

    async def _selection(
        self, project: Project, query: Query, strategy: Strategy, candidates: AskableRows, context: SelectionContext
    ) -> Selection:
        if (llm := llm_strategy(query.strategy)) is not None:
            request = Request(llm, query.count, query.audit_share, query.annotator, query.run)
            return await self.advised.select(project, request, strategy, candidates, context)
        audited = with_audit(strategy, query.audit_share) if query.audit_share else strategy
        return await self.executor.run(lambda: audited.select(candidates, query.count, context))


def _record(
    tx: Transaction,
    batch: Batch,
    picks: Sequence[Pick],
    also: Callable[[Transaction, Batch, Sequence[Pick]], None] | None,
) -> None:
    if picks:
        tx.labeling.add_batch(batch, picks)
    if also is not None:
        also(tx, batch, picks)


def _missing(strategy: Strategy, context: SelectionContext) -> str:
    """Say which of the strategy's needs the context lacks at a cold start; '' when none."""
    lacking = []
    if Need.PROBABILITIES in strategy.needs and context.predictor is None:
        lacking.append("a model")
    if Need.COMMITTEE in strategy.needs and not context.committee:
        lacking.append("a committee")
    if Need.LABELED in strategy.needs and not (context.labeled and len(context.labeled)):
        lacking.append("labels")
    return " and ".join(lacking)


def _picks(batch: Batch, chosen: ProposedBatch, ids: Mapping[int, str], slots_taken: int) -> Sequence[Pick]:
    selection = chosen.selection

    def known(value: float) -> float | None:
        return None if math.isnan(value) else value

    return [
        Pick(
            batch=batch.id,
            position=position,
            row=row,
            item_id=ids[row],
            score=float(selection.scores_k[position]),
            inclusion_probability=known(float(selection.inclusion_probabilities_k[position])),
            reason=chosen.fallback or selection.reasons_k[position],
            audit=bool(selection.audit_k[position]),
            slots_taken=slots_taken,
        )
        for position, row in enumerate(selection.rows_k.tolist())
        if row in ids
    ]
