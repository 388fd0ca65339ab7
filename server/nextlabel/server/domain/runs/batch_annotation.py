"""Has a batch annotated. Every answer is kept as it comes, so that what is paid for is never lost."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from nextlabel.server.assessment.answering_models import other_models
from nextlabel.server.domain.budgets.budgets import Budgets
from nextlabel.server.domain.labeling.leases import LABELS_LINE, Leases
from nextlabel.server.domain.pool.pools import Pools
from nextlabel.server.domain.projects.projects import Projects
from nextlabel.server.domain.runs.run_log import RunLog
from nextlabel.server.ports.run_annotators import RunAnnotator
from nextlabel.server.ports.state_store import StateStore, Transaction
from nextlabel.server.values.ids import ProjectId
from nextlabel.server.values.labeling.answers import Answer, Outcome
from nextlabel.server.values.labeling.batches import Batch, Pick
from nextlabel.server.values.labeling.tasks import CriticisedText
from nextlabel.server.values.money.costs import Cost
from nextlabel.server.values.projects.projects import Project
from nextlabel.server.values.runs.annotator_options import texts_an_item
from nextlabel.server.values.runs.events import AnnotationProgress, CanariesChecked
from nextlabel.server.values.runs.runs import Run

FLUSH_S = 0.25
FLUSH_ANSWERS = 256
MOST_MODELS = 8
"""Other models that are told of by name, the most frequent first."""

Answered = tuple[int, str, Answer]
"""Row, item id and answer."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """A batch of a run, and who annotates it.

    Where it is asked again what it has answered, ``asking`` numbers the time, from 1, and ``corrects`` has the ids of
    the annotations, by row, instead of which the new ones stand.
    """

    project: Project
    run: Run
    batch: Batch
    picks: Sequence[Pick]
    source: RunAnnotator
    asking: int = 0
    corrects: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchAnnotation:
    """Gives batches to server-side annotators.

    ``of_other_models`` counts the answers of each project, since the start, that another model gave than was asked.
    """

    store: StateStore
    pools: Pools
    projects: Projects
    leases: Leases
    budgets: Budgets
    log: RunLog
    of_other_models: Counter[ProjectId] = field(init=False, default_factory=Counter)

    async def annotate(self, assigned: Assignment) -> None:
        """Have the picks annotated within the label budget.

        Raises:
            BudgetExhausted, AnnotatorStopped: after everything that was answered is kept.
        """
        project, run = assigned.project, assigned.run
        labels = len(assigned.picks) * texts_an_item(run.spec.annotator)
        wanted, key = Cost(labels=labels), f"labels/{assigned.batch.id}"
        reservation = await self.store.write(
            lambda tx: self.budgets.reserve(tx, project.id, run.id, wanted, LABELS_LINE, key)
        )
        try:
            await self.annotate_unbooked(assigned, reservation.id)
        finally:
            await self.store.write(lambda tx: self.budgets.release(tx, reservation.id))

    async def annotate_unbooked(self, assigned: Assignment, reservation: str = "") -> None:
        """Have the picks annotated; their labels are taken from a reservation, '' for none."""

        def keep(tx: Transaction, answers: Sequence[Answered]) -> None:
            self._record(tx, assigned, answers, reservation)

        rows = [p.row for p in assigned.picks]
        await self.ask(assigned.project, assigned.run, assigned.source, rows, keep, asking=assigned.asking)

    async def ask(
        self,
        project: Project,
        run: Run,
        source: RunAnnotator,
        rows: Sequence[int],
        keep: Callable[[Transaction, Sequence[Answered]], None],
        *,
        asking: int = 0,
        earlier: Mapping[int, CriticisedText] = MappingProxyType({}),
    ) -> None:
        """Have rows answered, for the time ``asking``, and each answer kept by ``keep`` as it comes.

        ``earlier`` has, by row, what is to be written anew.

        Raises:
            BudgetExhausted, AnnotatorStopped: after everything that was answered is kept.
        """
        found = await self.pools.to_annotate(project, rows)
        items = [replace(item, earlier=earlier.get(item.row)) for item in found] if earlier else found
        task = replace(await self.store.read(lambda tx: self.projects.task(tx, project)), asking=asking)
        progress = _Progress(total=len(items) * texts_an_item(run.spec.annotator))
        pending: list[Answered] = []

        async def flush() -> None:
            taken, pending[:] = list(pending), []
            if not taken:
                return

            def work(tx: Transaction) -> None:
                keep(tx, taken)
                self.log.note_in(tx, run, progress.happening(self.budgets.spent(tx, project.id, run.id)))

            await self.store.write(work)
            self.log.tell(run.id)

        known = source.canaries() if source.canaries else None
        loop = asyncio.get_running_loop()
        flushed = loop.time()
        try:
            async for item, answer in source.annotator.annotate(task, items):
                pending.append((item.row, item.item_id, answer))
                self.of_other_models[project.id] += progress.count(answer)
                if len(pending) >= FLUSH_ANSWERS or loop.time() - flushed >= FLUSH_S:
                    await flush()
                    flushed = loop.time()
        finally:
            await flush()
            if source.canaries is not None and (tally := source.canaries()) != known:
                await self.log.note(run, CanariesChecked(tally))

    def _record(self, tx: Transaction, assigned: Assignment, answers: Sequence[Answered], reservation: str) -> None:
        source = assigned.source
        self.leases.record(
            tx,
            assigned.project,
            assigned.batch,
            answers,
            kind=source.kind,
            trusted=source.trusted,
            reservation=reservation,
            corrects=assigned.corrects,
        )


class _Progress:
    """How far the annotation of one batch is."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._outcomes: Counter[Outcome] = Counter()
        self._other_models: Counter[str] = Counter()

    def count(self, answer: Answer) -> int:
        """Count an answer; return 1 where another model gave it than was asked, else 0."""
        self._outcomes[answer.outcome] += 1
        others = other_models([answer.provenance])
        self._other_models += others
        return others.total()

    def happening(self, spent: Cost) -> AnnotationProgress:
        """Return what there is to tell."""
        others = dict(self._other_models.most_common(MOST_MODELS))
        return AnnotationProgress(self._outcomes.total(), self._total, dict(self._outcomes), spent, others)
