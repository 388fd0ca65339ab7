"""Annotators on gold items: how sure each may be is fitted on how often it is right there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nextlabel.server.assessment.calibration import GoldCheck
from nextlabel.server.domain.pool.pools import Pools
from nextlabel.server.domain.projects.projects import Projects
from nextlabel.server.domain.runs.checking.check_batches import CheckBatches, Repetition
from nextlabel.server.ports.run_annotators import RunAnnotator
from nextlabel.server.ports.state_store import StateStore, Transaction
from nextlabel.server.tasks.answer_form import is_right
from nextlabel.server.values.labeling.annotations import Annotation
from nextlabel.server.values.pool import ReferenceItem
from nextlabel.server.values.projects.projects import Project
from nextlabel.server.values.runs.annotator_options import AnnotatorChoice, annotator_name, asked_alike, members_of
from nextlabel.server.values.runs.runs import Run

GOLD_ITEMS = 100


@dataclass(frozen=True, slots=True)
class GoldChecks:
    """Gives gold items to annotators before they work, and again where that is asked for."""

    store: StateStore
    pools: Pools
    projects: Projects
    batches: CheckBatches

    async def check(self, project: Project, run: Run, source: RunAnnotator, most: int = GOLD_ITEMS) -> None:
        """Have up to ``most`` gold items answered that the annotator has not seen, and fit its calibration on all.

        Their cost counts against the budgets, their labels do not: they never train.
        """
        if source.calibration is not None:
            await self._fit(project, source, await self.ask(project, run, source, most))

    async def ask(
        self, project: Project, run: Run, source: RunAnnotator, most: int = GOLD_ITEMS
    ) -> Mapping[int, Annotation]:
        """Have up to ``most`` gold items answered that the annotator has not seen; return its answers by row.

        What it answered under other guidelines, as another model or to another prompt, it has not seen.
        """
        gold = (await self.pools.open(project.id)).gold
        answered = await self._answers(project, run, source, gold)
        missing = [item for row, item in gold.items() if row not in answered][:most]
        if missing:
            await self._ask(project, run, source, missing)
            answered = await self._answers(project, run, source, gold)
        return answered

    async def answered(self, project: Project, run: Run, source: RunAnnotator) -> int:
        """Count the gold items that the annotator has answered as it is asked now."""
        gold = (await self.pools.open(project.id)).gold
        return len(await self._answers(project, run, source, gold))

    async def ask_again(self, project: Project, run: Run, source: RunAnnotator, items: int) -> None:
        """Have up to so many gold items answered anew, those first that were answered most often, and fit on all."""
        gold = (await self.pools.open(project.id)).gold
        times = {row: len(given) for row, given in (await self._given(project, source, gold)).items()}
        known = await self._answers(project, run, source, gold)
        chosen = sorted(known, key=lambda row: (-times[row], row))[:items]
        await self._ask(project, run, source, [gold[row] for row in chosen])
        await self._fit(project, source, await self._answers(project, run, source, gold))

    async def _ask(self, project: Project, run: Run, source: RunAnnotator, items: Sequence[ReferenceItem]) -> None:
        ever = await self._given(project, source, (await self.pools.open(project.id)).gold)
        batches = {a.batch for own in ever.values() for a in own if a.run == run.id}
        given = {item.row: ever[item.row] for item in items if item.row in ever}
        repetition = Repetition(
            earlier=len(batches),
            asking=max((len(own) for own in given.values()), default=0),
            corrects={row: own[-1].id for row, own in given.items()},
        )
        await self.batches.annotate(project, run, source, "gold", items, repetition)

    async def _fit(self, project: Project, source: RunAnnotator, answered: Mapping[int, Annotation]) -> None:
        if source.calibration is None:
            return
        gold = (await self.pools.open(project.id)).gold
        source.calibration.fit(
            [
                GoldCheck(a.answer.signals, is_right(a.answer.body, gold[row].label, project))
                for row, a in answered.items()
                if a.label
            ]
        )

    async def _given(
        self, project: Project, source: RunAnnotator, gold: Mapping[int, ReferenceItem]
    ) -> Mapping[int, Sequence[Annotation]]:
        """Return all that the annotator ever answered about gold items, by row, oldest first."""
        name = source.annotator.name
        found = await self.store.read(lambda tx: tx.labeling.annotations(project.id, rows=sorted(gold), annotator=name))
        by_row: dict[int, list[Annotation]] = {}
        for one in found:
            by_row.setdefault(one.row, []).append(one)
        return by_row

    async def _answers(
        self, project: Project, run: Run, source: RunAnnotator, gold: Mapping[int, ReferenceItem]
    ) -> dict[int, Annotation]:
        given = await self._given(project, source, gold)
        # Known labels were answered under no guidelines, and to no prompt.
        if source.calibration is None:
            return {row: own[-1] for row, own in given.items()}
        task = await self.store.read(lambda tx: self.projects.task(tx, project))
        name, used = source.annotator.name, task.guidelines.digest
        runs = {a.run for own in given.values() for a in own}
        alike = await self.store.read(lambda tx: {one for one in runs if _asked_alike(tx, one, run, name)})
        return {
            row: a
            for row, own in given.items()
            for a in own
            if a.answer.provenance.guidelines_hash == used and a.run in alike
        }


def _asked_alike(tx: Transaction, earlier: str, run: Run, name: str) -> bool:
    """Return whether an annotator was asked in an earlier run as it is in this one; what is not known is no change."""
    if earlier == run.id:
        return True
    found = tx.runs.get(earlier)
    was = None if found is None else _options(found, name)
    is_now = _options(run, name)
    return was is None or is_now is None or asked_alike(was, is_now)


def _options(run: Run, name: str) -> AnnotatorChoice | None:
    return next((one for one in members_of(run.spec.annotator) if annotator_name(one) == name), None)
