"""What a person may be shown beside an item: the answer of an LLM, or what the learner predicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nextlabel.server.domain.labeling.labels import Labels
from nextlabel.server.domain.learning.learning import Learning
from nextlabel.server.domain.learning.types.task_learner import PredictedAnswer
from nextlabel.server.domain.pool.pools import Pools
from nextlabel.server.values.errors import FailedPrecondition
from nextlabel.server.values.labeling.annotations import Annotation, AnnotatorKind
from nextlabel.server.values.labeling.answers import Body, ConfidenceKind
from nextlabel.server.values.projects.projects import Project

LEARNER = "learner"


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A suggested answer; ``confidence`` is in [0, 1], None where there is none. ``annotator`` suggests it."""

    body: Body
    confidence: float | None
    kind: ConfidenceKind
    annotator: str


@dataclass(frozen=True, slots=True)
class Suggestions:
    """Suggestions for people, in projects that show them."""

    pools: Pools
    labels: Labels
    learning: Learning

    async def of(self, project: Project, rows: Sequence[int]) -> Mapping[int, Suggestion]:
        """Return a suggestion for each row that there is one for: an LLM's newest answer, else the learner's.

        Where gold is slipped in, the learner makes all of them: who suggests must not tell which items LLMs were
        asked about as a check.
        """
        if not project.show_suggestions:
            return {}
        by_row = {} if project.gold_share else await self.labels.rows(project)
        found = {row: said for row in rows if (said := _llm_suggestion(by_row.get(row, ())))}
        open_rows = [row for row in rows if row not in found]
        return found | (await self._predicted(project, open_rows) if open_rows else {})

    async def _predicted(self, project: Project, rows: Sequence[int]) -> dict[int, Suggestion]:
        embeddings = await self.pools.embeddings(project, rows)
        try:
            _, _, predicted = await self.learning.answers(project, embeddings, rows=rows)
        except FailedPrecondition:
            # Without a model there is nothing to suggest, which is no reason to withhold the items.
            return {}
        return {row: _learned(answer) for row, answer in zip(rows, predicted, strict=True)}


def _learned(answer: PredictedAnswer) -> Suggestion:
    kind = ConfidenceKind.NONE if answer.probability is None else ConfidenceKind.UNCALIBRATED
    return Suggestion(answer.body, answer.probability, kind, LEARNER)


def _llm_suggestion(annotations: Sequence[Annotation]) -> Suggestion | None:
    for annotation in reversed(annotations):
        answer = annotation.answer
        if annotation.kind is AnnotatorKind.LLM and annotation.outcome.reaches_learner and answer.body is not None:
            return Suggestion(answer.body, answer.confidence, answer.confidence_kind, annotation.annotator)
    return None
