"""Annotators on gold items: how sure each may be is fitted on how often it is right there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from nextlabel.server.assessment.calibration import GoldCheck
from nextlabel.server.domain.pool.pools import Pools
from nextlabel.server.domain.projects.projects import Projects
from nextlabel.server.domain.runs.batch_annotation import Assignment, BatchAnnotation
from nextlabel.server.ports.run_annotators import RunAnnotator
from nextlabel.server.ports.state_store import StateStore
from nextlabel.server.ports.system import Clock
from nextlabel.server.tasks.answer_form import is_right
from nextlabel.server.values.labeling.annotations import Annotation
from nextlabel.server.values.labeling.batches import Batch, Pick
from nextlabel.server.values.pool import ReferenceItem
from nextlabel.server.values.projects.projects import Component, Project
from nextlabel.server.values.runs.runs import Run

GOLD_ITEMS = 100


@dataclass(frozen=True, slots=True)
class GoldChecks:
    """Gives gold items to annotators before they work."""

    store: StateStore
    pools: Pools
    projects: Projects
    annotation: BatchAnnotation
    clock: Clock

    async def check(self, project: Project, run: Run, source: RunAnnotator) -> None:
        """Have up to 100 gold items answered that the annotator has not seen, and fit its calibration on all it has.

        Their cost counts against the budgets, their labels do not: they never train.
        """
        if source.calibration is None:
            return
        answered = await self.ask(project, run, source)
        gold = (await self.pools.open(project.id)).gold
        source.calibration.fit(
            [
                GoldCheck(a.answer.signals, is_right(a.answer.body, gold[row].label, project))
                for row, a in answered.items()
                if a.label
            ]
        )

    async def ask(self, project: Project, run: Run, source: RunAnnotator) -> Mapping[int, Annotation]:
        """Have up to 100 gold items answered that the annotator has not seen; return its answers about gold, by row."""
        pool = await self.pools.open(project.id)
        gold = pool.gold
        answered = await self._answers(project, source, gold)
        missing = [r for row, r in gold.items() if row not in answered][:GOLD_ITEMS]
        if missing:
            batch = self._batch(project, run, len(pool.index))
            picks = [_pick(batch, place, item) for place, item in enumerate(missing)]
            await self.annotation.annotate_unbooked(Assignment(project, run, batch, picks, source))
            answered = await self._answers(project, source, gold)
        return answered

    async def _answers(
        self, project: Project, source: RunAnnotator, gold: Mapping[int, ReferenceItem]
    ) -> dict[int, Annotation]:
        name = source.annotator.name
        found = await self.store.read(lambda tx: tx.labeling.annotations(project.id, rows=sorted(gold)))
        task = await self.store.read(lambda tx: self.projects.task(tx, project))
        used = task.guidelines.digest
        # What it answered under other guidelines says nothing about how sure it may be under these. Known labels were
        # answered under none.
        by_guidelines = source.calibration is not None
        return {
            a.row: a
            for a in found
            if a.annotator == name and (not by_guidelines or a.answer.provenance.guidelines_hash == used)
        }

    def _batch(self, project: Project, run: Run, pool_rows: int) -> Batch:
        strategy = Component("gold")
        return Batch(
            id=f"gold-{run.id}",
            project=project.id,
            run=run.id,
            round=0,
            strategy=strategy,
            model_version=0,
            pool_rows=pool_rows,
            seed=0,
            created_at=self.clock.now(),
        )


def _pick(batch: Batch, place: int, item: ReferenceItem) -> Pick:
    return Pick(
        batch=batch.id,
        position=place,
        row=item.row,
        item_id=item.item_id,
        score=0.0,
        inclusion_probability=None,
        reason="gold",
        audit=False,
    )
