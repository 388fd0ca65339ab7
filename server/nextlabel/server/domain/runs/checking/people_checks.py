"""LLMs on what people have judged: only where both answered the same can be told how often they agree.

Runs ask about what nobody has answered, so that without this an LLM and people never meet. Of classes, gold items tell
it; preferences and scores rarely have any.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nextlabel.server.domain.labeling.labels import Labels
from nextlabel.server.domain.pool.pools import Pools
from nextlabel.server.domain.runs.checking.check_batches import CheckBatches
from nextlabel.server.ports.run_annotators import RunAnnotator
from nextlabel.server.values.annotation_type import AnnotationType
from nextlabel.server.values.labeling.annotations import Annotation, AnnotatorKind
from nextlabel.server.values.projects.projects import Project
from nextlabel.server.values.runs.runs import Run

MOST_CHECKED = 50
_OF_TYPES = (AnnotationType.PREFERENCE, AnnotationType.SCORE)


@dataclass(frozen=True, slots=True)
class PeopleChecks:
    """Gives LLMs items that people have answered, before they work."""

    pools: Pools
    labels: Labels
    batches: CheckBatches

    async def check(self, project: Project, run: Run, source: RunAnnotator) -> None:
        """Have items answered that people have answered, until the annotator has met 50 of them.

        Their cost counts against the budgets, their labels do not; people outvote the answers.
        """
        if source.kind is not AnnotatorKind.LLM:
            return
        found = await self.shared(project, source.annotator.name)
        if found:
            await self.batches.annotate(project, run, source, "people", found)

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
