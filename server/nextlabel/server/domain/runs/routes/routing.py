"""Runs that ask in turn: gold first, then a plan, then one member after the other, people at the end.

What each step asks about is kept when it begins, so that after a restart the run goes on with the same items. Nothing
is trained between the steps: answers are compared with the labels of the plan's model.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from nextlabel.server.assessment.routing.cascades import PERSON
from nextlabel.server.assessment.routing.steps import SURPRISE, chance_of_open
from nextlabel.server.domain.labeling.standing import last_batch
from nextlabel.server.domain.runs.batch_annotation import Assignment, BatchAnnotation
from nextlabel.server.domain.runs.checking.gold_checks import GoldChecks
from nextlabel.server.domain.runs.endings import HALTED, End
from nextlabel.server.domain.runs.rounds import Rounds
from nextlabel.server.domain.runs.routes.open_items import Contradictions, RouteStandings
from nextlabel.server.domain.runs.routes.planning import PlannedRoutes, RoutePlanning, settings_of, step_of
from nextlabel.server.ports.pool_store import Rows
from nextlabel.server.ports.run_annotators import AnnotatorSource, RunAnnotator
from nextlabel.server.ports.state_store import StateStore, Transaction
from nextlabel.server.ports.system import Clock
from nextlabel.server.system.signals import Signals
from nextlabel.server.values.errors import AnnotatorStopped, BudgetExhausted
from nextlabel.server.values.labeling.batches import ROUTE, Batch, Pick
from nextlabel.server.values.projects.projects import Component, Project
from nextlabel.server.values.runs.annotator_options import RouteMember, RouteOptions, annotator_name
from nextlabel.server.values.runs.events import BatchSelected, RoundStarted, RouteStepStarted
from nextlabel.server.values.runs.runs import Run, RunState, StopReason


class _StepError(Exception):
    """A step cannot begin or go on."""

    def __init__(self, end: End) -> None:
        self.end = end


@dataclass(frozen=True, slots=True, kw_only=True)
class Routing:
    """Carries plans of routes out."""

    store: StateStore
    planning: RoutePlanning
    standings: RouteStandings
    rounds: Rounds
    gold_checks: GoldChecks
    annotation: BatchAnnotation
    annotators: AnnotatorSource
    signals: Signals
    clock: Clock
    new_id: Callable[[], str]

    async def drive(self, project: Project, run: Run, options: RouteOptions) -> End:
        """Do all steps of a run's plan that are not done, and learn what they have brought.

        Raises:
            BudgetExhausted, AnnotatorStopped: after a model was trained with what was answered.
        """
        try:
            for member in options.members:
                await self._ask_gold(project, run, member)
            planned = await self.planning.planned(project, run, options)
            members = {annotator_name(m.annotator): m for m in options.members}
            turned_out = ""
            for name in sorted(members, key=lambda name: (planned.prices[name], name)):
                rows = await self._begun(project, run, planned, options, name, turned_out)
                await self._ask(project, run, planned, members[name], rows)
                turned_out = _compared(name, await self.standings.contradictions(project, run, planned, name))
            if options.person_micro_usd:
                rows = await self._begun(project, run, planned, options, PERSON, turned_out)
                await self._ask_people(project, run, planned, rows)
        except _StepError as error:
            await self._learn_unless_paused(project, run)
            return error.end
        except (BudgetExhausted, AnnotatorStopped):
            await self._learn_unless_paused(project, run)
            raise
        await self._learn_unless_paused(project, run)
        return End(StopReason.CARRIED_OUT, await self._told(run, planned))

    async def _learn_unless_paused(self, project: Project, run: Run) -> None:
        """Learn what was answered. A paused run learns when it is over."""
        current = await self.store.read(lambda tx: tx.runs.get(run.id))
        if current is not None and current.state is not RunState.PAUSED and current.round:
            await self.rounds.learn(project, current)

    async def _ask_gold(self, project: Project, run: Run, member: RouteMember) -> None:
        source = await self._open(project, run, member)
        try:
            await self.gold_checks.ask(project, run, source)
        finally:
            await source.annotator.close()

    async def _ask(self, project: Project, run: Run, planned: PlannedRoutes, member: RouteMember, rows: Rows) -> None:
        """Have a member answer what is open for it."""
        name = annotator_name(member.annotator)
        source = await self._open(project, run, member)
        try:
            await self.gold_checks.check(project, run, source)
            cut_off = await self.store.read(lambda tx: last_batch(tx, project.id, run.id))
            if cut_off is not None and cut_off[0].asks == name:
                # With nothing left to ask, this gives back what is still reserved for the batch.
                await self.annotation.annotate(Assignment(project, run, *cut_off, source))
            while len(left := await self._unasked(project, run, rows, name)):
                await self._check(project, run, planned)
                run, batch, picks = await self._batch(project, run, planned, name, left)
                await self.annotation.annotate(Assignment(project, run, batch, picks, source))
        finally:
            await source.annotator.close()

    async def _ask_people(self, project: Project, run: Run, planned: PlannedRoutes, rows: Rows) -> None:
        """Have people lease what is open for them, until all of it is answered or skipped."""
        while True:
            with self.signals.listening(f"labeling/{project.id}") as news:
                while await self.rounds.unfinished(project, run) is not None:
                    await news.wait(1.0)
                    await self._check(project, run, planned)
            left = await self._unasked(project, run, rows, PERSON)
            if not len(left):
                return
            await self._check(project, run, planned)
            run, _, _ = await self._batch(project, run, planned, PERSON, left)
            self.signals.notify(f"labeling/{project.id}")

    async def _begun(
        self, project: Project, run: Run, planned: PlannedRoutes, options: RouteOptions, asked: str, detail: str
    ) -> Rows:
        """Return the rows of a step, looked up when it begins: those open for its member that the money reaches for."""
        kept = await self.store.read(lambda tx: tx.runs.rows(run.id, step_of(asked)))
        if kept is not None:
            return kept
        await self._check(project, run, planned)
        found = await self.standings.open_for(project, run, planned, asked)
        money = await self.planning.money_left(project, run, options)
        price = options.person_micro_usd if asked == PERSON else planned.prices[asked]
        affordable = int(money // price) if price else len(found)
        if affordable < len(found):
            unreached = len(found) - affordable
            detail += "; " if detail else ""
            detail += f"{unreached:,} more items are left out: they would take more than the ${money / 1e6:,.2f} left"
        rows = np.sort(found[:affordable])

        def work(tx: Transaction) -> None:
            tx.runs.put_rows(run.id, step_of(asked), rows)
            self.rounds.log.note_in(tx, run, RouteStepStarted(asked, len(rows), detail))

        await self.store.write(work)
        self.rounds.log.tell(run.id)
        return rows

    async def _unasked(self, project: Project, run: Run, rows: Rows, asked: str) -> Rows:
        """Return those of a step's rows that are in none of its batches, without what people labeled or was deleted."""

        def picked(tx: Transaction) -> set[int]:
            batches = [batch for batch in tx.labeling.batches(project.id, run.id) if batch.asks == asked]
            return {pick.row for batch in batches for pick in tx.labeling.picks(batch.id)}

        done = await self.store.read(picked) | await self.standings.done(project)
        return rows[~np.isin(rows, np.fromiter(done, np.int64, len(done)))]

    async def _batch(
        self, project: Project, run: Run, planned: PlannedRoutes, asked: str, left: Rows
    ) -> tuple[Run, Batch, Sequence[Pick]]:
        """Record a batch of the next round."""
        current = await self.store.read(lambda tx: tx.runs.get(run.id))
        run = await self.rounds.log.begin_round(current or run)
        await self.rounds.log.note(run, RoundStarted(len(left)))
        pool = await self.standings.pools.open(project.id)
        batch = Batch(
            id=self.new_id(),
            project=project.id,
            run=run.id,
            round=run.round,
            strategy=Component(ROUTE, {"asks": asked}),
            model_version=planned.said.model_version,
            pool_rows=pool.index.next_row,
            seed=run.spec.seed,
            created_at=self.clock.now(),
        )
        stored = await self.standings.pools.items(project.id, left[: run.spec.batch_size].tolist())
        picks = [
            Pick(
                batch=batch.id,
                position=place,
                row=item.row,
                item_id=item.item_id,
                reason=f"route: {asked}",
                slots_taken=0 if asked == PERSON else project.overlap,
            )
            for place, item in enumerate(stored)
        ]
        await self.store.write(lambda tx: tx.labeling.add_batch(batch, picks))
        await self.rounds.log.note(run, BatchSelected(batch.id, len(picks), 0.0))
        return run, batch, picks

    async def _check(self, project: Project, run: Run, planned: PlannedRoutes) -> None:
        """Raise _StepError where the run was stopped or paused, or the project is not what the plan was made for."""
        state, current = await self.store.read(lambda tx: (tx.runs.get(run.id), tx.projects.by_id(project.id)))
        if state is None or state.state is not RunState.RUNNING:
            raise _StepError(HALTED)
        if current is not None and settings_of(current) != planned.said.settings:
            raise _StepError(
                End(
                    StopReason.PROMISE_BROKEN,
                    "the project's classes or guidelines have changed since the plan was made; plan again",
                )
            )

    async def _open(self, project: Project, run: Run, member: RouteMember) -> RunAnnotator:
        alone = replace(run, spec=replace(run.spec, annotator=member.annotator))
        return replace(await self.annotators.open(project, alone), trusted=False)

    async def _told(self, run: Run, planned: PlannedRoutes) -> str:
        members = dict.fromkeys(name for way in planned.said.ways for name in way)

        def asked(tx: Transaction) -> list[tuple[str, int]]:
            found = [(name, tx.runs.rows(run.id, step_of(name))) for name in members]
            return [(name, 0 if rows is None else len(rows)) for name, rows in found]

        each = ", ".join(f"{name} about {items:,}" for name, items in await self.store.read(asked) if items)
        return f"of {sum(planned.said.items):,} items that nobody had answered, it asked {each or 'nobody about any'}"


def _compared(name: str, found: Contradictions) -> str:
    """Say how a member's answers turned out; '' where there are none.

    Raises:
        _StepError: they contradict the labels before them more often than on gold.
    """
    if not found.asked:
        return ""
    of_gold = f"{found.gold_open:,} of {found.gold_asked:,} gold items on the same ways"
    said = f"{name} contradicted {found.open:,} of {found.asked:,} items, and {of_gold}"
    chance = chance_of_open(found.asked, found.open, found.gold_asked, found.gold_open)
    if chance < SURPRISE:
        raise _StepError(
            End(
                StopReason.PROMISE_BROKEN,
                f"{said}: more than gold has promised (chance {chance:.1e}). Gold is no sample of these items, or the "
                "annotator has changed; label some of them as gold, and plan again",
            )
        )
    return said
