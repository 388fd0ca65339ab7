"""One round of a run: select, annotate, train. What is durable after each step is never done again."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nextlabel.server.assessment.calibration import GoldCheck
from nextlabel.server.domain.budgets.budgets import Budgets
from nextlabel.server.domain.labeling.leases import LABELS_LINE, Leases
from nextlabel.server.domain.labeling.standing import last_batch
from nextlabel.server.domain.learning.learning import Learning
from nextlabel.server.domain.pool.pools import Pools
from nextlabel.server.domain.projects.projects import Projects
from nextlabel.server.domain.reports.reports import Reports
from nextlabel.server.domain.runs.leftovers import left_over
from nextlabel.server.domain.runs.runs import Runs
from nextlabel.server.domain.selection.selector import Query, Selector
from nextlabel.server.ports.run_annotators import RunAnnotator
from nextlabel.server.ports.state_store import StateStore, Transaction
from nextlabel.server.ports.system import Clock
from nextlabel.server.system.signals import Signals
from nextlabel.server.values.labeling.annotations import Annotation
from nextlabel.server.values.labeling.answers import Answer, Outcome
from nextlabel.server.values.labeling.batches import Batch, Pick
from nextlabel.server.values.labeling.item_states import ItemState
from nextlabel.server.values.models import ModelVersion
from nextlabel.server.values.money.costs import Cost
from nextlabel.server.values.pool import ReferenceItem
from nextlabel.server.values.projects.projects import Component, Project
from nextlabel.server.values.runs.events import (
    AnnotationProgress,
    BatchSelected,
    CanariesChecked,
    CurvePointAdded,
    Happening,
    ModelTrained,
    RoundStarted,
)
from nextlabel.server.values.runs.runs import Run

GOLD_ITEMS = 100
FLUSH_S = 0.25
FLUSH_ANSWERS = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Rounds:
    """The steps of a round."""

    store: StateStore
    pools: Pools
    projects: Projects
    runs: Runs
    selector: Selector
    labeling: Leases
    learning: Learning
    budgets: Budgets
    reports: Reports
    signals: Signals
    clock: Clock

    async def select(self, project: Project, run: Run, *, leasable: bool) -> tuple[Run, Batch, Sequence[Pick]] | None:
        """Begin a round with a new batch, as large as the label budget allows; None when the pool is exhausted."""
        affordable = await self.store.read(lambda tx: self.budgets.affordable_labels(tx, project.id, run.id))
        count = run.spec.batch_size if affordable is None else min(run.spec.batch_size, affordable)
        if count == 0:
            return None
        run = await self.store.write(lambda tx: self.runs.begin_round(tx, run))
        counts = await self.reports.pool_counts(project)
        await self._note(run, RoundStarted(counts.states[ItemState.UNLABELED]))
        began = self.clock.now()
        query = Query(
            count=count,
            strategy=run.spec.strategy,
            audit_share=run.spec.audit_share,
            seed=run.spec.seed * 1_000_003 + run.round,
            run=run.id,
            round_number=run.round,
            leasable=leasable,
            annotator=run.spec.annotator,
        )
        batch, picks = await self.selector.select(project, query)
        if not picks:
            return None
        seconds = (self.clock.now() - began).total_seconds()
        await self._note(run, BatchSelected(batch.id, len(picks), seconds))
        return run, batch, picks

    async def left_over(self, project: Project) -> str:
        """Say what has no useful answer, and why; '' when everything has one."""
        return left_over(await self.reports.pool_counts(project))

    async def unfinished(self, project: Project, run: Run) -> tuple[Batch, Sequence[Pick]] | None:
        """Return the run's last batch with the picks that nobody has answered, if there are such.

        Deleted items are not waited for.
        """
        found = await self.store.read(lambda tx: last_batch(tx, project.id, run.id))
        return found if found and found[1] else None

    async def cut_off(self, project: Project, run: Run) -> tuple[Batch, Sequence[Pick]] | None:
        """Return the run's last batch, with the picks nobody has answered, if no model was trained after it."""

        def work(tx: Transaction) -> tuple[Batch, Sequence[Pick]] | None:
            last = last_batch(tx, project.id, run.id)
            trained = {(m.run, m.round) for m in tx.models.list(project.id)}
            return last if last and (run.id, last[0].round) not in trained else None

        return await self.store.read(work)

    async def check_on_gold(self, project: Project, run: Run, source: RunAnnotator) -> None:
        """Have up to 100 gold items answered that the annotator has not seen, and fit its calibration on all it has.

        Their cost counts against the budgets, their labels do not: they never train.
        """
        if source.calibration is None:
            return
        pool = await self.pools.open(project.id)
        gold = pool.gold
        answered = await self._answers(project, source, gold)
        missing = [r for row, r in gold.items() if row not in answered][:GOLD_ITEMS]
        if missing:
            batch = self._gold_batch(project, run, len(pool.index))
            picks = [Pick(batch.id, i, r.row, r.item_id, 0.0, None, "gold", False) for i, r in enumerate(missing)]
            await self._annotate(project, run, batch, picks, source, reservation="")
            answered = await self._answers(project, source, gold)
        source.calibration.fit(
            [GoldCheck(a.answer.signals, a.label == gold[row].label) for row, a in answered.items() if a.label]
        )

    async def _answers(
        self, project: Project, source: RunAnnotator, gold: Mapping[int, ReferenceItem]
    ) -> dict[int, Annotation]:
        name = source.annotator.name
        found = await self.store.read(lambda tx: tx.labeling.annotations(project.id, rows=sorted(gold)))
        task = await self.store.read(lambda tx: self.projects.task(tx, project))
        used = task.guidelines.digest
        # What it answered under other guidelines says nothing about how sure it may be under these.
        return {a.row: a for a in found if (a.annotator, a.answer.provenance.guidelines_hash) == (name, used)}

    def _gold_batch(self, project: Project, run: Run, pool_rows: int) -> Batch:
        strategy = Component("gold")
        return Batch(f"gold-{run.id}", project.id, run.id, 0, strategy, 0, pool_rows, 0, self.clock.now())

    async def annotate(
        self, project: Project, run: Run, batch: Batch, picks: Sequence[Pick], source: RunAnnotator
    ) -> None:
        """Have the picks annotated and keep every answer as it comes.

        Raises:
            BudgetExhausted, AnnotatorStopped: after everything that was answered is kept.
        """
        wanted = Cost(labels=len(picks))
        reservation = await self.store.write(
            lambda tx: self.budgets.reserve(tx, project.id, run.id, wanted, LABELS_LINE, f"labels/{batch.id}")
        )
        try:
            await self._annotate(project, run, batch, picks, source, reservation.id)
        finally:
            await self.store.write(lambda tx: self.budgets.release(tx, reservation.id))

    async def _annotate(
        self, project: Project, run: Run, batch: Batch, picks: Sequence[Pick], source: RunAnnotator, reservation: str
    ) -> None:
        items = await self.pools.to_annotate(project.id, [p.row for p in picks])
        task = await self.store.read(lambda tx: self.projects.task(tx, project))
        progress = _Progress(total=len(items))
        pending: list[tuple[int, str, Answer]] = []

        async def flush() -> None:
            taken, pending[:] = list(pending), []
            if not taken:
                return
            await self.store.write(lambda tx: self._keep(tx, project, run, batch, taken, source, reservation, progress))
            self.signals.notify(f"run/{run.id}")

        known = source.canaries() if source.canaries else None
        loop = asyncio.get_running_loop()
        flushed = loop.time()
        try:
            async for item, answer in source.annotator.annotate(task, items):
                pending.append((item.row, item.item_id, answer))
                progress.count(answer)
                if len(pending) >= FLUSH_ANSWERS or loop.time() - flushed >= FLUSH_S:
                    await flush()
                    flushed = loop.time()
        finally:
            await flush()
            if source.canaries is not None and (tally := source.canaries()) != known:
                await self._note(run, CanariesChecked(tally))

    async def learn(self, project: Project, run: Run) -> ModelVersion | None:
        """Train on everything known, evaluate and tell the watchers; None as long as there is no label."""
        if not len((await self.learning.labeled(project)).rows_N):
            return None
        model = await self.learning.train(project, run=run.id, round_number=run.round, seed=run.spec.seed)
        await self._note(run, ModelTrained(model.version))
        await self._note(run, CurvePointAdded(model.version))
        return model

    def _keep(
        self,
        tx: Transaction,
        project: Project,
        run: Run,
        batch: Batch,
        answers: Sequence[tuple[int, str, Answer]],
        source: RunAnnotator,
        reservation: str,
        progress: _Progress,
    ) -> None:
        name = source.annotator.name
        self.labeling.record(
            tx,
            project,
            batch,
            answers,
            annotator=name,
            kind=source.kind,
            trusted=source.trusted,
            reservation=reservation,
        )
        spent = self.budgets.spent(tx, project.id, run.id)
        self.runs.note(tx, run, progress.happening(spent))

    async def _note(self, run: Run, happening: Happening) -> None:
        await self.store.write(lambda tx: self.runs.note(tx, run, happening))
        self.signals.notify(f"run/{run.id}")


class _Progress:
    """How far the annotation of one batch is."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._outcomes: Counter[Outcome] = Counter()

    def count(self, answer: Answer) -> None:
        """Count an answer."""
        self._outcomes[answer.outcome] += 1

    def happening(self, spent: Cost) -> AnnotationProgress:
        """Return what there is to tell."""
        return AnnotationProgress(self._outcomes.total(), self._total, dict(self._outcomes), spent)
