"""Takes up running runs and drives them round by round until budget, target, plateau or an empty pool."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import structlog

from nextlabel.server.domain.budgets.budgets import Budgets
from nextlabel.server.domain.budgets.paid_calls import RunJournal, RunLedger
from nextlabel.server.domain.budgets.reconciliation import abandon_calls
from nextlabel.server.domain.pool.embedding import Embedding
from nextlabel.server.domain.runs.rounds import Rounds
from nextlabel.server.domain.runs.runs import Runs
from nextlabel.server.ports.run_annotators import AnnotatorSource, RunAnnotator
from nextlabel.server.ports.state_store import StateStore, Transaction
from nextlabel.server.ports.system import Clock
from nextlabel.server.system.halt import Halts
from nextlabel.server.system.signals import Signals
from nextlabel.server.values.errors import AnnotatorStopped, BudgetExhausted, DomainError, NotFound
from nextlabel.server.values.labeling.batches import Batch, Pick
from nextlabel.server.values.models import ModelVersion
from nextlabel.server.values.money.costs import BudgetDimension
from nextlabel.server.values.projects.projects import Project
from nextlabel.server.values.runs.annotator_options import HumanOptions
from nextlabel.server.values.runs.runs import Plateau, Run, RunState, StopReason

_STOP_REASONS = {
    "ANNOTATOR_SPEND_LIMIT": StopReason.PROVIDER_SPEND_LIMIT,
    "ANNOTATOR_INVALID_RATE": StopReason.ANNOTATOR_UNRELIABLE,
    "ANNOTATOR_OBEYS_DATA": StopReason.ANNOTATOR_UNRELIABLE,
    "ANNOTATOR_OTHER_MODEL": StopReason.ANNOTATOR_UNRELIABLE,
    "RUN_STOPPED": StopReason.STOPPED,
}
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _End:
    reason: StopReason
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEngine:
    """Drives every running run; after a restart, or when another server dies, it goes on where the run was."""

    store: StateStore
    runs: Runs
    rounds: Rounds
    annotators: AnnotatorSource
    embedding: Embedding
    budgets: Budgets
    signals: Signals
    halts: Halts
    clock: Clock
    _tasks: dict[str, asyncio.Task[None]] = field(init=False, default_factory=dict)
    _wake: asyncio.Event = field(init=False, default_factory=asyncio.Event)

    def wake(self) -> None:
        """Look for runs to take up now."""
        self._wake.set()

    async def run(self, on_error: Callable[[BaseException], None], poll_s: float = 2.0) -> None:
        """Take up runs until cancelled; then let their tasks end at the next safe point."""
        try:
            while True:
                self._wake.clear()
                try:
                    await self._take_up()
                except Exception as error:  # noqa: BLE001  (the engine outlives a failing database)
                    on_error(error)
                try:
                    await asyncio.wait_for(self._wake.wait(), poll_s)
                except TimeoutError:
                    continue
        finally:
            for task in self._tasks.values():
                task.cancel()
            await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def _take_up(self) -> None:
        for ended in [run for run, task in self._tasks.items() if task.done()]:
            del self._tasks[ended]
        running = await self.store.read(lambda tx: tx.runs.list(states=[RunState.RUNNING, RunState.STOPPING]))
        for run_id in self._tasks.keys() - {run.id for run in running}:
            self.halts.of(run_id).call()  # deleted, with its project
        for run in running:
            if run.state is RunState.STOPPING:
                self.halts.of(run.id).call()
            if run.id not in self._tasks:
                self._tasks[run.id] = asyncio.create_task(self._drive_once(run.id))

    async def _drive_once(self, run_id: str) -> None:
        try:
            await self._drive_exclusively(run_id)
        finally:
            self.halts.forget(run_id)

    async def _drive_exclusively(self, run_id: str) -> None:
        async with self.store.exclusive(f"run/{run_id}") as mine:
            if not mine:
                return
            run, project = await self.store.read(lambda tx: _run_and_project(tx, run_id))
            if run is None or project is None or run.state.ended:
                return
            await self.store.write(lambda tx: abandon_calls(tx, self.budgets, project.id, run_id))
            end = await self._drive(project, run)
            with contextlib.suppress(NotFound):  # deleted meanwhile, with its project
                await self.store.write(lambda tx: self.runs.end(tx, run_id, end.reason, end.message))
            self.signals.notify(f"run/{run_id}")

    async def _drive(self, project: Project, run: Run) -> _End:
        try:
            await self.embedding.wait(project.id)
            if isinstance(run.spec.annotator, HumanOptions):
                return await self._drive_humans(project, run)
            while True:
                end = await self._drive_annotator(project, run)
                if end is not None:
                    return end
                run, project = await self._as_they_are_now(run, project)
        except BudgetExhausted as error:
            return _End(StopReason.BUDGET, error.message)
        except AnnotatorStopped as error:
            return _End(_STOP_REASONS.get(error.reason, StopReason.ERROR), error.message)
        except DomainError as error:
            return _End(StopReason.ERROR, error.message)
        except Exception:  # noqa: BLE001  (whatever breaks, the run must end with a reason)
            _log.exception("run_failed", run=run.id)
            return _End(StopReason.ERROR, "an internal error ended the run; the server's log has the details")

    async def _drive_annotator(self, project: Project, run: Run) -> _End | None:
        """Drive rounds until the run ends; None when the project was changed, which its annotator was made for."""
        ledger = RunLedger(self.store, self.budgets, self.clock, project.id, run.id)
        source = await self.annotators.open(project, run, ledger, RunJournal(self.store, project.id))
        try:
            return await self._drive_rounds(project, run, source)
        finally:
            await source.annotator.close()

    async def _drive_rounds(self, project: Project, run: Run, source: RunAnnotator) -> _End | None:
        await self.rounds.check_on_gold(project, run, source)
        cut_off = await self.rounds.cut_off(project, run)
        if cut_off is not None:
            # With nothing left to ask, this gives back what is still reserved for the batch, and learns.
            await self._annotate_and_learn(project, run, *cut_off, source)
        while True:
            end = await self._reason_to_end(project, run)
            if end is not None:
                return end
            run, current = await self._as_they_are_now(run, project)
            if current != project:
                return None
            selected = await self.rounds.select(project, run, leasable=False)
            if selected is None:
                return await self._nothing_selected(project, run)
            run, batch, picks = selected
            await self._annotate_and_learn(project, run, batch, picks, source)

    async def _annotate_and_learn(
        self, project: Project, run: Run, batch: Batch, picks: Sequence[Pick], source: RunAnnotator
    ) -> None:
        """Finish a round; what was paid for is learned from even when it was the last of the budget."""
        stopped: DomainError | None = None
        try:
            await self.rounds.annotate(project, run, batch, picks, source)
        except (BudgetExhausted, AnnotatorStopped) as error:
            stopped = error
        await self.rounds.learn(project, run)
        if stopped is not None:
            raise stopped

    async def _drive_humans(self, project: Project, run: Run) -> _End:
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
            while await self.rounds.unfinished(project, run) is not None:
                await self.signals.wait(f"labeling/{project.id}", 1.0)
                end = await self._stop_request(run)
                if end is not None:
                    return end
                if await self._spent_dimension(project, run) is not None:
                    break  # Nobody can lease what is left of the batch.
            await self.rounds.learn(project, run)
            under_way = False

    async def _as_they_are_now(self, run: Run, project: Project) -> tuple[Run, Project]:
        """Read both again; what was deleted stays as it was known, until the run is ended for it."""
        found_run, found_project = await self.store.read(lambda tx: _run_and_project(tx, run.id))
        return found_run or run, found_project or project

    async def _nothing_selected(self, project: Project, run: Run) -> _End:
        affordable = await self.store.read(lambda tx: self.budgets.affordable_labels(tx, project.id, run.id))
        if affordable == 0:
            return _End(StopReason.BUDGET, "the label budget is spent")
        left = await self.rounds.left_over(project)
        if left:
            return _End(StopReason.ITEMS_LEFT, left)
        return _End(StopReason.POOL_EMPTY, "every item of the pool is labeled")

    async def _spent_dimension(self, project: Project, run: Run) -> BudgetDimension | None:
        return await self.store.read(lambda tx: self.budgets.exhausted(tx, project.id, run.id))

    async def _stop_request(self, run: Run) -> _End | None:
        current = await self.store.read(lambda tx: tx.runs.get(run.id))
        if current is None or current.state is RunState.STOPPING:
            return _End(StopReason.STOPPED, "stopped by an operator")
        return None

    async def _reason_to_end(self, project: Project, run: Run) -> _End | None:
        stop = await self._stop_request(run)
        if stop is not None:
            return stop
        dimension = await self._spent_dimension(project, run)
        models = await self.store.read(lambda tx: tx.models.list(project.id))
        mine = [m for m in models if m.run == run.id]
        if dimension is not None:
            return _End(StopReason.BUDGET, f"the {dimension.value} budget is spent")
        if run.spec.max_rounds and run.round >= run.spec.max_rounds:
            return _End(StopReason.MAX_ROUNDS, f"{run.round} rounds are done")
        return _target_reached(run, mine) or _plateau_reached(run.spec.plateau, mine)


def _run_and_project(tx: Transaction, run_id: str) -> tuple[Run | None, Project | None]:
    run = tx.runs.get(run_id)
    return run, tx.projects.by_id(run.project) if run else None


def _target_reached(run: Run, models: list[ModelVersion]) -> _End | None:
    if not models:
        return None
    last, spec = models[-1], run.spec
    for name, target, value in (
        ("accuracy", spec.target_accuracy, last.accuracy),
        ("macro-F1", spec.target_macro_f1, last.macro_f1),
    ):
        if target and value is not None and value >= target:
            return _End(StopReason.TARGET, f"{name} on the holdout is {value:.3f}, the target is {target:g}")
    return None


def _plateau_reached(plateau: Plateau, models: list[ModelVersion]) -> _End | None:
    values = [m.accuracy for m in models if m.accuracy is not None]
    if not plateau.rounds or len(values) <= plateau.rounds:
        return None
    gain = max(values[-plateau.rounds :]) - max(values[: -plateau.rounds])
    if gain >= plateau.min_gain:
        return None
    return _End(
        StopReason.PLATEAU,
        f"the last {plateau.rounds} rounds gained {gain:.4f} accuracy, less than {plateau.min_gain:g}",
    )
