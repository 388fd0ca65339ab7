"""LLMs on what people have judged: only where both answered the same can be told how often they agree.

Runs ask about what nobody has answered, so that without this an LLM and people never meet. Of classes, gold items tell
it; preferences and scores rarely have any.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nextlabel.server.domain.labeling.labels import Labels
from nextlabel.server.domain.pool.pools import Pools
from nextlabel.server.domain.runs.batch_annotation import Assignment, BatchAnnotation
from nextlabel.server.ports.run_annotators import RunAnnotator
from nextlabel.server.ports.system import Clock
from nextlabel.server.values.annotation_type import AnnotationType
from nextlabel.server.values.labeling.annotations import Annotation, AnnotatorKind
from nextlabel.server.values.labeling.batches import Batch, Pick
from nextlabel.server.values.projects.projects import Component, Project
from nextlabel.server.values.runs.runs import Run

MOST_CHECKED = 50
_OF_TYPES = (AnnotationType.PREFERENCE, AnnotationType.SCORE)


@dataclass(frozen=True, slots=True)
class PeopleChecks:
    """Gives LLMs items that people have answered, before they work."""

    pools: Pools
    labels: Labels
    annotation: BatchAnnotation
    clock: Clock

    async def check(self, project: Project, run: Run, source: RunAnnotator) -> None:
        """Have items answered that people have answered, until the annotator has met 50 of them.

        Their cost counts against the budgets, their labels do not; people outvote the answers.
        """
        if source.kind is not AnnotatorKind.LLM:
            return
        found = await self.shared(project, source.annotator.name)
        if not found:
            return
        pool = await self.pools.open(project.id)
        batch = Batch(
            id=f"people-{run.id}",
            project=project.id,
            run=run.id,
            round=0,
            strategy=Component("people"),
            model_version=0,
            pool_rows=len(pool.index),
            seed=0,
            created_at=self.clock.now(),
        )
        picks = [_pick(batch, place, by_person) for place, by_person in enumerate(found)]
        await self.annotation.annotate_unbooked(Assignment(project, run, batch, picks, source))

    async def shared(self, project: Project, annotator: str) -> Sequence[Annotation]:
        """Return answers of people, one an item, about what an annotator is still to be checked on."""
        if project.annotation_type not in _OF_TYPES:
            return []
        unusable = set((await self.pools.open(project.id)).unusable_rows().tolist())
        by_people: list[Annotation] = []
        met = 0
        for row, given in (await self.labels.rows(project)).items():
            judged = [a for a in given if a.kind is AnnotatorKind.HUMAN and a.outcome.reaches_learner]
            if row in unusable or not judged:
                continue
            if any(a.annotator == annotator for a in given):
                met += 1
            else:
                by_people.append(judged[-1])
        return by_people[: max(0, MOST_CHECKED - met)]


def _pick(batch: Batch, place: int, by_person: Annotation) -> Pick:
    return Pick(
        batch=batch.id,
        position=place,
        row=by_person.row,
        item_id=by_person.item_id,
        score=0.0,
        inclusion_probability=None,
        reason="answered by people",
        audit=False,
    )
