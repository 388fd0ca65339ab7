"""Drives one run round by round until budget, target, plateau or an empty pool."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace

import structlog

from nextlabel.server.domain.budgets.budgets import Budgets
from nextlabel.server.domain.pool.embedding import Embedding
from nextlabel.server.domain.reports.estimates.forecasts import Forecasts
from nextlabel.server.domain.runs.advising import Advising
from nextlabel.server.domain.runs.batch_annotation import Assignment, BatchAnnotation
from nextlabel.server.domain.runs.checking.gold_replays import GoldReplays
from nextlabel.server.domain.runs.checking.people_checks import PeopleChecks
from nextlabel.server.domain.runs.endings import HALTED, End, end_by, is_halt, passes_by
from nextlabel.server.domain.runs.goals import Goals
from nextlabel.server.domain.runs.rewriting import RewritingRuns
from nextlabel.server.domain.runs.rounds import Rounds
from nextlabel.server.domain.runs.routes.routing import Routing
from nextlabel.server.domain.selection.selector import ProposedBatch
from nextlabel.server.ports.run_annotators import AnnotatorSource, RunAnnotator
from nextlabel.server.ports.state_store import StateStore, Transaction
from nextlabel.server.system.signals import Signals
from nextlabel.server.values.errors import AnnotatorStopped, BudgetExhausted, DomainError
from nextlabel.server.values.money.costs import BudgetDimension
from nextlabel.server.values.projects.projects import Project
from nextlabel.server.values.runs.annotator_options import HumanOptions, RouteOptions, texts_an_item
from nextlabel.server.values.runs.runs import Run, RunState, StopReason

_log = structlog.get_logger(__name__)

# What may have been worth going on with.
_IN_ORDER = (
    StopReason.BUDGET,
    StopReason.TARGET,
    StopReason.PLATEAU,
    StopReason.STABLE,
    StopReason.NOT_WORTH,
    StopReason.MAX_ROUNDS,
    StopReason.STOPPED,
)


@dataclass(frozen=True, slots=True)
class _Behind:
    """A round that was not learned from yet, and what was chosen while it was asked for the one after it."""

    unlearned: Run
    ahead: ProposedBatch | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunDriver:
    """The order of a run's steps; each is durable before the next."""

    store: StateStore
    rounds: Rounds
    goals: Goals
    forecasts: Forecasts
    gold_replays: GoldReplays
    people_checks: PeopleChecks
    annotation: BatchAnnotation
    advising: Advising
    rewriting: RewritingRuns
    routing: Routing
    annotators: AnnotatorSource
    embedding: Embedding
    budgets: Budgets
    signals: Signals

    async def drive(self, project: Project, run: Run) -> End:
        """Return why the run ended, whatever happened, with what going on would bring where it ended in order.

        `HALTED` of a run that was paused: the next driver asks the rest of its batch.

        Raises:
            Unavailable: the pool is out of reach; the run is to be driven on later.
        """
        try:
            if run.state is RunState.STOPPING:
                return await self._wind_up(project, run)
            await self.embedding.wait(project)
            if await self._halted(run):
                return HALTED
            if run.round == 0:
                for said in await self.goals.statements(project, run):
                    await self.rounds.log.note(run, said)
            return await self._with_outlook(project, run, await self._drive(project, run))
        except DomainError as error:
            if passes_by(error):
                raise
            return end_by(error)
        except Exception:  # noqa: BLE001  (whatever breaks, the run must end with a reason)
            _log.exception("run_failed", run=run.id)
            return End(StopReason.ERROR, "an internal error ended the run; the server's log has the details")

    async def _wind_up(self, project: Project, run: Run) -> End:
        """Learn what the last batch of a run has brought that was stopped while nobody drove it."""
        if await self.rounds.cut_off(project, run) is not None:
            await self.rounds.learn(project, run)
        return HALTED

    async def _drive(self, project: Project, run: Run) -> End:
        if not run.spec.gold_replay.only and await self.rounds.is_empty(project):
            # Said before an annotator is opened: an LLM is paid for its first answer.
            return End(StopReason.POOL_EMPTY, f"the pool of project {project.name} has no items; add some first")
        if isinstance(run.spec.annotator, RouteOptions):
            return await self.routing.drive(project, run, run.spec.annotator)
        if isinstance(run.spec.annotator, HumanOptions):
            return await self._drive_humans(project, run)
        while True:
            end = await self._drive_annotator(project, run)
            if end is not None:
                return end
            run, project = await self._as_they_are_now(run, project)

    async def _with_outlook(self, project: Project, run: Run, end: End) -> End:
        if end.reason not in _IN_ORDER or run.spec.advice:
            return end
        outlook = await self.forecasts.of_run(project, run.id)
        return replace(end, message=f"{end.message}; {outlook}") if outlook else end

    async def _drive_annotator(self, project: Project, run: Run) -> End | None:
        """Drive rounds until the run ends; None when the project was changed, which its annotator was made for."""
        source = await self.annotators.open(project, run)
        try:
            if run.spec.advice:
                end: End | None = await self.advising.drive(project, run, source)
            elif run.spec.items.criticised:
                end = await self.rewriting.drive(project, run, source)
            else:
                end = await self._drive_rounds(project, run, source)
        finally:
            await source.annotator.close()
        return replace(end, message=f"{end.message}; {source.caveat}") if end and source.caveat else end

    async def _drive_rounds(self, project: Project, run: Run, source: RunAnnotator) -> End | None:
        fallen = await self.gold_replays.begin(project, run, source)
        if fallen is not None:
            return fallen
        await self.people_checks.check(project, run, source)
        cut_off = await self.rounds.cut_off(project, run)
        if cut_off is not None:
            # With nothing left to ask, this gives back what is still reserved for the batch, and learns.
            await self._annotate_and_learn(Assignment(project, run, *cut_off, source))
        behind: _Behind | None = None
        while True:
            step = await self._next(project, run, source, behind)
            if not isinstance(step, Assignment):
                if behind is not None:
                    await self.rounds.learn(project, behind.unlearned)
                return step
            run = step.run
            behind = await self._annotate_and_learn(step, behind)

    async def _next(
        self, project: Project, run: Run, source: RunAnnotator, behind: _Behind | None
    ) -> Assignment | End | None:
        """Begin a round; return why there is none instead, None when the project was changed."""
        end = await self._reason_to_end(project, run)
        if end is not None:
            return end
        run, current = await self._as_they_are_now(run, project)
        if current != project:
            return None
        fallen = await self.gold_replays.when_due(project, run, source)
        if fallen is not None:
            return fallen
        ahead = behind.ahead if behind else None
        selected = await self.rounds.select(project, run, leasable=False, behind=int(behind is not None), ahead=ahead)
        if selected is None:
            return await self._nothing_selected(project, run)
        run, batch, picks = selected
        return Assignment(project, run, batch, picks, source)

    async def _annotate_and_learn(self, assigned: Assignment, behind: _Behind | None = None) -> _Behind | None:
        """Finish a round, learning from the unlearned one meanwhile; return the round if it is unlearned in its turn.

        What was paid for is learned from even when it was the last of the budget. The first model is waited for: what
        was picked without one could not be said to be one version behind. A paused run learns once the rest of its
        batch is answered, as a batch that was learned from is over.
        """
        project, run = assigned.project, assigned.run
        stopped: DomainError | None = None
        try:
            async with self._learning(assigned, behind) as chosen:
                await self.annotation.annotate(assigned)
        except (BudgetExhausted, AnnotatorStopped) as error:
            if is_halt(error) and await self._state(run) in (RunState.RUNNING, RunState.PAUSED):
                raise
            stopped = error
        if stopped is None and run.spec.train_while_asking and await self.rounds.has_model(project):
            return _Behind(run, chosen[0] if chosen else None)
        await self.rounds.learn(project, run)
        if stopped is not None:
            raise stopped
        return None

    @contextlib.asynccontextmanager
    async def _learning(self, assigned: Assignment, behind: _Behind | None) -> AsyncIterator[Sequence[ProposedBatch]]:
        """Learn from a round while the block runs, from what is known at its beginning; end both together.

        The model is that of the next batch, which is chosen by it right away: the value has it when the block is over.
        """
        chosen: list[ProposedBatch] = []
        if behind is None:
            yield chosen
            return
        project = assigned.project
        labeled = await self.rounds.labeled(project)

        async def learn() -> None:
            await self.rounds.learn(project, behind.unlearned, labeled)
            ahead = await self.rounds.choose_next(project, assigned.run, assigned.picks)
            chosen.extend([] if ahead is None else [ahead])

        learning = asyncio.create_task(learn())
        try:
            yield chosen
        except asyncio.CancelledError:
            learning.cancel()
            raise
        finally:
            await asyncio.wait([learning])
        learning.result()

    async def _drive_humans(self, project: Project, run: Run) -> End:
        under_way = await self.rounds.cut_off(project, run) is not None
        while True:
            if not under_way:
                end = await self._reason_to_end(project, run)
                if end is not None:
                    return end
                run, project = await self._as_they_are_now(run, project)
                selected = await self.rounds.select(project, run, leasable=True)
                if selected is None:
                    return await self._nothing_selected(project, run)
                run = selected[0]
            with self.signals.listening(f"labeling/{project.id}") as news:
                while await self.rounds.unfinished(project, run) is not None:
                    await news.wait(1.0)
                    if await self._halted(run):
                        return HALTED
                    if await self._spent_dimension(project, run) is not None:
                        break  # Nobody can lease what is left of the batch.
            await self.rounds.learn(project, run)
            under_way = False

    async def _as_they_are_now(self, run: Run, project: Project) -> tuple[Run, Project]:
        """Read both again; what was deleted stays as it was known, until the run is ended for it."""
        found_run, found_project = await self.store.read(lambda tx: run_and_project(tx, run.id))
        return found_run or run, found_project or project

    async def _nothing_selected(self, project: Project, run: Run) -> End:
        affordable = await self.store.read(lambda tx: self.budgets.affordable_labels(tx, project.id, run.id))
        texts = texts_an_item(run.spec.annotator)
        if affordable is not None and affordable < texts:
            left = f": {affordable} left, and an item takes {texts}" if affordable else ""
            return End(StopReason.BUDGET, f"the label budget is spent{left}")
        if (within := await self.rounds.scopes.of(project, run)) is not None:
            return End(StopReason.POOL_EMPTY, f"nothing is left to ask of the {len(within):,} items of its scope")
        left = await self.rounds.left_over(project)
        if left:
            return End(StopReason.ITEMS_LEFT, left)
        return End(StopReason.POOL_EMPTY, "every item of the pool is labeled")

    async def _spent_dimension(self, project: Project, run: Run) -> BudgetDimension | None:
        return await self.store.read(lambda tx: self.budgets.exhausted(tx, project.id, run.id))

    async def _halted(self, run: Run) -> bool:
        """Whether the run was stopped, paused or deleted."""
        return await self._state(run) is not RunState.RUNNING

    async def _state(self, run: Run) -> RunState | None:
        current = await self.store.read(lambda tx: tx.runs.get(run.id))
        return current.state if current else None

    async def _reason_to_end(self, project: Project, run: Run) -> End | None:
        if await self._halted(run):
            return HALTED
        dimension = await self._spent_dimension(project, run)
        if dimension is not None:
            return End(StopReason.BUDGET, f"the {dimension.value} budget is spent")
        models = await self.store.read(lambda tx: tx.models.list(project.id))
        return await self.goals.reached(project, run, [m for m in models if m.run == run.id])


def run_and_project(tx: Transaction, run_id: str) -> tuple[Run | None, Project | None]:
    """Return a run and its project, None for what is not there any more."""
    run = tx.runs.get(run_id)
    return run, tx.projects.by_id(run.project) if run else None
