"""Runs whose answers are kept as advice: an annotator is asked about every item, a part of the pool at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from nextlabel.server.domain.labeling.labels import Labels
from nextlabel.server.domain.learning.advice_use import unheard
from nextlabel.server.domain.pool.pools import Pools
from nextlabel.server.domain.runs.batch_annotation import Answered, BatchAnnotation
from nextlabel.server.domain.runs.endings import HALTED, End, end_by, is_halt
from nextlabel.server.domain.runs.rounds import Rounds
from nextlabel.server.domain.runs.run_log import RunLog
from nextlabel.server.ports.run_annotators import RunAnnotator
from nextlabel.server.ports.state_store import StateStore, Transaction
from nextlabel.server.ports.system import Clock
from nextlabel.server.values.errors import AnnotatorStopped, BudgetExhausted
from nextlabel.server.values.labeling.advice import Advice
from nextlabel.server.values.projects.projects import Project
from nextlabel.server.values.runs.events import RoundStarted
from nextlabel.server.values.runs.runs import Run, RunState, StopReason


@dataclass(frozen=True, slots=True, kw_only=True)
class Advising:
    """Asks annotators for advice. What is kept is never asked for again by the same annotator."""

    store: StateStore
    pools: Pools
    labels: Labels
    annotation: BatchAnnotation
    rounds: Rounds
    log: RunLog
    clock: Clock

    async def drive(self, project: Project, run: Run, source: RunAnnotator) -> End:
        """Ask until every item has advice, the rounds are over or somebody stops or pauses the run; then train with it.

        Raises:
            AnnotatorStopped: somebody stopped or paused the run, after a model was trained with what was answered.
        """
        name = source.annotator.name
        waiting = await self.waiting(project, name, run.spec.seed)
        keep = partial(self._keep, project, run, name)
        try:
            for first in range(0, len(waiting), run.spec.batch_size):
                if (end := await self._reason_to_end(run)) is not None:
                    break
                run = await self.log.begin_round(run)
                await self.log.note(run, RoundStarted(len(waiting) - first))
                part = waiting[first : first + run.spec.batch_size]
                await self.annotation.ask(project, run, source, part, keep)
            else:
                end = End(StopReason.POOL_EMPTY, "every item was asked about")
        except (BudgetExhausted, AnnotatorStopped) as error:
            if is_halt(error):
                await self.rounds.learn(project, run)
                raise
            end = end_by(error)
        await self.rounds.learn(project, run)
        return end if end is HALTED else replace(end, message=f"{end.message}; {await self._told(project, run, name)}")

    async def waiting(self, project: Project, annotator: str, seed: int) -> Sequence[int]:
        """Return the rows that an annotator has not advised on, in the order to ask.

        Labeled items come first, which say what its advice is worth, then what evaluates, then the rest at random.
        """
        pool = await self.pools.open(project.id)
        advised = await self.store.read(lambda tx: tx.advice.rows(project.id, annotator))
        unasked = [row for row, item in pool.references.items() if not item.split.has_answer]
        done = {*advised, *unasked, *pool.deleted}
        first = [*(await self.labels.consensus(project)), *pool.references]
        rest = np.random.default_rng(seed).permutation(pool.index.next_row).tolist()
        return [row for row in dict.fromkeys([*first, *rest]) if row not in done]

    def _keep(self, project: Project, run: Run, annotator: str, tx: Transaction, answers: Sequence[Answered]) -> None:
        gone = set(tx.pool.deleted_rows(project.id, [row for row, _, _ in answers]))
        now = self.clock.now()
        tx.advice.put(
            [
                Advice(project.id, row, item_id, annotator, answer, run=run.id, created_at=now)
                for row, item_id, answer in answers
                if answer.outcome.reaches_learner and row not in gone
            ]
        )

    async def _reason_to_end(self, run: Run) -> End | None:
        current = await self.store.read(lambda tx: tx.runs.get(run.id))
        if current is None or current.state is not RunState.RUNNING:
            return HALTED
        if run.spec.max_rounds and current.round >= run.spec.max_rounds:
            return End(StopReason.MAX_ROUNDS, f"{current.round} rounds are done")
        return None

    async def _told(self, project: Project, run: Run, annotator: str) -> str:
        """Return how far the annotator is, and what is missing for it to be heard."""
        advised = await self.store.read(lambda tx: len(tx.advice.rows(project.id, annotator)))
        left = len(await self.waiting(project, annotator, run.spec.seed))
        told = f"{annotator} has advised on {advised:,} of {advised + left:,} items"
        if reason := unheard(project):
            return f"{told}; {reason}"
        if await self.rounds.has_model(project):
            return told
        return f"{told}; no model hears it yet: label some items, then train"
