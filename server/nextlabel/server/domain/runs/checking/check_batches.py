"""Batches by which an annotator is checked before it works: nothing of them is chosen, counted or learned from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from nextlabel.server.domain.pool.pools import Pools
from nextlabel.server.domain.runs.batch_annotation import Assignment, BatchAnnotation
from nextlabel.server.ports.run_annotators import RunAnnotator
from nextlabel.server.ports.system import Clock
from nextlabel.server.values.labeling.batches import Batch, Pick
from nextlabel.server.values.projects.projects import Component, Project
from nextlabel.server.values.runs.runs import Run


class CheckedItem(Protocol):
    """An item whose answer is known."""

    @property
    def row(self) -> int:
        """Its row in the pool."""
        ...

    @property
    def item_id(self) -> str:
        """Its id."""
        ...


@dataclass(frozen=True, slots=True)
class Repetition:
    """How often a run has had such a batch before, and where the same is asked again, as in Assignment."""

    earlier: int = 0
    asking: int = 0
    corrects: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CheckBatches:
    """Has items answered besides those that strategies choose."""

    pools: Pools
    annotation: BatchAnnotation
    clock: Clock

    async def annotate(
        self,
        project: Project,
        run: Run,
        source: RunAnnotator,
        kind: str,
        items: Sequence[CheckedItem],
        repetition: Repetition | None = None,
    ) -> None:
        """Have the items answered. Their cost counts against the budgets, their labels do not.

        Raises:
            BudgetExhausted, AnnotatorStopped: after everything that was answered is kept.
        """
        again = repetition or Repetition()
        batch = Batch(
            id=f"{kind}-{run.id}-{again.earlier}" if again.earlier else f"{kind}-{run.id}",
            project=project.id,
            run=run.id,
            strategy=Component(kind),
            pool_rows=len((await self.pools.open(project.id)).index),
            created_at=self.clock.now(),
        )
        picks = [_pick(batch, place, item) for place, item in enumerate(items)]
        await self.annotation.annotate_unbooked(
            Assignment(project, run, batch, picks, source, asking=again.asking, corrects=again.corrects)
        )


def _pick(batch: Batch, place: int, item: CheckedItem) -> Pick:
    return Pick(
        batch=batch.id,
        position=place,
        row=item.row,
        item_id=item.item_id,
        score=0.0,
        reason=batch.strategy.name,
    )
