"""The steps of a round before and after its annotation: select and learn. What is durable is never done again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from nextlabel.server.domain.budgets.budgets import Budgets
from nextlabel.server.domain.labeling.standing import last_batch
from nextlabel.server.domain.learning.learning import Learning
from nextlabel.server.domain.learning.training_labels.labeled import Labeled
from nextlabel.server.domain.learning.types.task_learners import learns
from nextlabel.server.domain.reports.reports import Reports
from nextlabel.server.domain.runs.leftovers import left_over
from nextlabel.server.domain.runs.run_log import RunLog
from nextlabel.server.domain.runs.scopes import Scopes
from nextlabel.server.domain.selection.selector import ProposedBatch, Query, Selector
from nextlabel.server.ports.state_store import StateStore, Transaction
from nextlabel.server.ports.system import Clock
from nextlabel.server.values.errors import DomainError
from nextlabel.server.values.labeling.batches import Batch, Pick
from nextlabel.server.values.labeling.item_states import ItemState
from nextlabel.server.values.models import ModelVersion
from nextlabel.server.values.projects.projects import Project
from nextlabel.server.values.runs.annotator_options import texts_an_item
from nextlabel.server.values.runs.events import BatchSelected, CurvePointAdded, ModelTrained, RoundStarted
from nextlabel.server.values.runs.runs import Run


@dataclass(frozen=True, slots=True, kw_only=True)
class Rounds:
    """The steps of a round."""

    store: StateStore
    selector: Selector
    scopes: Scopes
    learning: Learning
    budgets: Budgets
    reports: Reports
    log: RunLog
    clock: Clock

    async def select(
        self, project: Project, run: Run, *, leasable: bool, behind: int = 0, ahead: ProposedBatch | None = None
    ) -> tuple[Run, Batch, Sequence[Pick]] | None:
        """Begin a round with a new batch, as large as the label budget allows; None when the pool is exhausted.

        ``behind`` is how many rounds have not been learned from yet; ``ahead`` what was chosen for this one meanwhile.
        """
        count = await self._affordable(project, run)
        if count == 0:
            return None
        run = await self.log.begin_round(run)
        counts = await self.reports.pool_counts(project)
        await self.log.note(run, RoundStarted(counts.states[ItemState.UNLABELED]))
        began = self.clock.now()
        query = replace(_query(run, count, leasable=leasable), within=await self.scopes.of(project, run))
        batch, picks = await self.selector.select(project, query, ahead=ahead)
        if not picks:
            return None
        seconds = (self.clock.now() - began).total_seconds()
        await self.log.note(run, BatchSelected(batch.id, len(picks), seconds, behind))
        return run, batch, picks

    async def choose_next(self, project: Project, run: Run, asked: Sequence[Pick]) -> ProposedBatch | None:
        """Choose the batch of the round after this one while this one's is being asked; None when it has to wait."""
        count = await self._affordable(project, run)
        if run.spec.items or count == 0:
            return None
        query = _query(replace(run, round=run.round + 1), count, leasable=False)
        try:
            return await self.selector.choose(project, query, [pick.row for pick in asked])
        except DomainError:
            # What is in the way of choosing now may have gone when the round begins, or is told then.
            return None

    async def _affordable(self, project: Project, run: Run) -> int:
        """Return how many items a batch may have."""
        affordable = await self.store.read(lambda tx: self.budgets.affordable_labels(tx, project.id, run.id))
        count = run.spec.batch_size
        return count if affordable is None else min(count, affordable // texts_an_item(run.spec.annotator))

    async def is_empty(self, project: Project) -> bool:
        """Whether a pool has nothing to ask about, and no texts that pairs could be made of."""
        counts = await self.reports.pool_counts(project)
        return not counts.pool and counts.unpaired < 2

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

    async def has_model(self, project: Project) -> bool:
        """Whether anything was trained yet."""
        return await self.store.read(lambda tx: tx.models.latest(project.embeddings)) is not None

    async def labeled(self, project: Project) -> Labeled:
        """Return what is known now."""
        return await self.learning.labeled(project)

    async def learn(self, project: Project, run: Run, labeled: Labeled | None = None) -> ModelVersion | None:
        """Train, evaluate and tell the watchers; None as long as there is no label, and where nothing is learned.

        ``labeled`` is what was known when the round was over, by default everything known now.
        """
        if not learns(project) or not len((labeled or await self.learning.labeled(project)).rows_N):
            return None
        model = await self.learning.train(
            project, run=run.id, round_number=run.round, seed=run.spec.seed, labeled=labeled
        )
        await self.log.note(run, ModelTrained(model.version))
        if model.accuracy is not None:
            await self.log.note(run, CurvePointAdded(model.version))
        return model


def _query(run: Run, count: int, *, leasable: bool) -> Query:
    """Return what a run selects in its round."""
    return Query(
        count=count,
        strategy=run.spec.strategy,
        audit_share=run.spec.audit_share,
        seed=run.spec.seed * 1_000_003 + run.round,
        run=run.id,
        round_number=run.round,
        leasable=leasable,
        annotator=run.spec.annotator,
    )
