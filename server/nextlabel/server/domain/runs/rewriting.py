"""Runs that have an LLM write texts anew which people criticised."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from nextlabel.server.domain.budgets.budgets import Budgets
from nextlabel.server.domain.labeling.leases import LABELS_LINE, Leases
from nextlabel.server.domain.runs.batch_annotation import Answered, BatchAnnotation
from nextlabel.server.domain.runs.endings import HALTED, End
from nextlabel.server.domain.runs.run_log import RunLog
from nextlabel.server.domain.runs.scopes import Scopes
from nextlabel.server.domain.texts.criticised import CriticisedTexts, Rewriting
from nextlabel.server.ports.run_annotators import RunAnnotator
from nextlabel.server.ports.state_store import StateStore, Transaction
from nextlabel.server.ports.system import Clock
from nextlabel.server.values.labeling.answers import Answer
from nextlabel.server.values.labeling.batches import Batch
from nextlabel.server.values.money.costs import Cost
from nextlabel.server.values.projects.projects import Component, Project
from nextlabel.server.values.runs.events import RoundStarted
from nextlabel.server.values.runs.runs import Run, RunState, StopReason

_KIND = "criticised"


@dataclass(frozen=True, slots=True, kw_only=True)
class RewritingRuns:
    """Has criticised texts written anew, each once in a run. What is kept is never asked for again."""

    store: StateStore
    texts: CriticisedTexts
    annotation: BatchAnnotation
    scopes: Scopes
    leases: Leases
    budgets: Budgets
    log: RunLog
    clock: Clock

    async def drive(self, project: Project, run: Run, source: RunAnnotator) -> End:
        """Ask until no criticised text is left, the rounds are over or somebody stops or pauses the run.

        Raises:
            BudgetExhausted, AnnotatorStopped: after everything that was answered is kept.
        """
        within = await self.scopes.of(project, run)
        await self.store.write(lambda tx: self._give_back(tx, project, run))
        while (end := await self._reason_to_end(run)) is None:
            waiting = await self.texts.waiting(project, source.annotator.name, run.id, within)
            if not waiting:
                return End(StopReason.POOL_EMPTY, "no text is left that people criticised and no model wrote anew")
            part = await self._affordable(project, run, _one_an_item(waiting)[: run.spec.batch_size])
            if not part:
                return End(StopReason.BUDGET, "the label budget is spent")
            run = await self.log.begin_round(run)
            await self.log.note(run, RoundStarted(len(waiting)))
            await self._ask(project, run, source, part)
        return end

    async def _ask(self, project: Project, run: Run, source: RunAnnotator, part: Sequence[Rewriting]) -> None:
        batch = self._batch(project, run)
        beside = Cost(labels=sum(not one.corrects for one in part))
        reservation = ""
        if beside.labels:
            reserved = await self.store.write(
                lambda tx: self.budgets.reserve(tx, project.id, run.id, beside, LABELS_LINE, _labels_key(run))
            )
            reservation = reserved.id
        by_row = {one.row: one for one in part}
        keep = partial(self._keep, project, batch, source, by_row, reservation)
        try:
            earlier = {row: one.earlier for row, one in by_row.items()}
            await self.annotation.ask(project, run, source, sorted(by_row), keep, earlier=earlier)
        finally:
            if reservation:
                await self.store.write(lambda tx: self.budgets.release(tx, reservation))

    def _keep(
        self,
        project: Project,
        batch: Batch,
        source: RunAnnotator,
        by_row: Mapping[int, Rewriting],
        reservation: str,
        tx: Transaction,
        answers: Sequence[Answered],
    ) -> None:
        """Keep new texts. One that stands instead of another buys no label, what is no text stands instead of none."""
        named = [(row, item_id, _with_people(answer, by_row[row])) for row, item_id, answer in answers]
        instead = {row: one.corrects for row, one in by_row.items() if one.corrects}
        for pays, corrects in ((reservation, {}), ("", instead)):
            chosen = [one for one in named if (one[0] in instead and one[2].outcome.reaches_learner) == bool(corrects)]
            self.leases.record(
                tx,
                project,
                batch,
                chosen,
                kind=source.kind,
                trusted=source.trusted,
                reservation=pays,
                corrects=corrects,
            )

    async def _affordable(self, project: Project, run: Run, wanted: Sequence[Rewriting]) -> Sequence[Rewriting]:
        """Return what the label budgets allow: any number of texts that stand instead of others."""
        left = await self.store.read(lambda tx: self.budgets.affordable_labels(tx, project.id, run.id))
        beside = [one for one in wanted if not one.corrects][:left]
        return [one for one in wanted if one.corrects or one in beside]

    def _give_back(self, tx: Transaction, project: Project, run: Run) -> None:
        """Release the labels that a driver had reserved which did not come to an end."""
        if (left := tx.budgets.open_reservation(project.id, _labels_key(run))) is not None:
            self.budgets.release(tx, left.id)

    async def _reason_to_end(self, run: Run) -> End | None:
        current = await self.store.read(lambda tx: tx.runs.get(run.id))
        if current is None or current.state is not RunState.RUNNING:
            return HALTED
        if run.spec.max_rounds and current.round >= run.spec.max_rounds:
            return End(StopReason.MAX_ROUNDS, f"{current.round} rounds are done")
        return None

    def _batch(self, project: Project, run: Run) -> Batch:
        return Batch(
            id=f"{_KIND}-{run.id}-{run.round}",
            project=project.id,
            run=run.id,
            round=run.round,
            strategy=Component(_KIND),
            created_at=self.clock.now(),
        )


def _labels_key(run: Run) -> str:
    return f"labels/{_KIND}-{run.id}"


def _one_an_item(waiting: Sequence[Rewriting]) -> list[Rewriting]:
    """Return the first text of each item: the next ones come with the rounds after."""
    return list({one.row: one for one in reversed(waiting)}.values())[::-1]


def _with_people(answer: Answer, rewriting: Rewriting) -> Answer:
    provenance = replace(answer.provenance, annotator=rewriting.annotator)
    return replace(answer, provenance=provenance, reviews=(*rewriting.reviews, *answer.reviews))
