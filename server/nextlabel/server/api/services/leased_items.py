"""What human annotators see of an item: its text and, if the project says so, a suggestion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nextlabel.server.api.messages.annotations import answer_message, confidence_kind, label_answer
from nextlabel.server.api.messages.pool import item_message
from nextlabel.server.api.messages.values import PAGE_BYTES
from nextlabel.server.domain.labeling.labels import Labels
from nextlabel.server.domain.learning.learning import Learning
from nextlabel.server.domain.pool.pools import Pools
from nextlabel.server.values.annotations import Annotation, AnnotatorKind
from nextlabel.server.values.batches import Pick
from nextlabel.server.values.errors import FailedPrecondition
from nextlabel.server.values.ids import ProjectId
from nextlabel.server.values.limits import Limits
from nextlabel.server.values.projects import Project
from nextlabel.v1 import annotation_pb2
from nextlabel.v1 import labeling_service_pb2 as pb

# Ids, reason and scores of a pick, and a suggestion.
_BESIDE_TEXT_BYTES = 2_048


@dataclass(frozen=True, slots=True)
class LeasedItems:
    """Fills the items of a lease in. Their reference answers are never shown."""

    pools: Pools
    labels: Labels
    learning: Learning
    limits: Limits

    def deliverable(self, picks: Sequence[Pick], project: ProjectId) -> int:
        """Return how many of the picks fit into one reply with their texts. Blocks when that is in doubt."""
        most = PAGE_BYTES // (self.limits.item_text_bytes + self.limits.item_metadata_bytes + _BESIDE_TEXT_BYTES)
        if len(picks) <= most:
            return len(picks)
        stored = {item.row: item for item in self.pools.arrays.items(project, [pick.row for pick in picks])}
        size = 0
        for count, pick in enumerate(picks):
            if pick.row in stored:
                size += item_message(stored[pick.row], None).ByteSize()
            size += _BESIDE_TEXT_BYTES
            if size > PAGE_BYTES:
                return max(1, count)
        return len(picks)

    async def fill(self, project: Project, leased: Sequence[pb.LeasedItem]) -> None:
        """Put texts and metadata into items that have only an id, and suggestions beside them."""
        rows = (await self.pools.find(project.id, [entry.item.id for entry in leased])).tolist()
        stored = {item.row: item for item in await self.pools.items(project.id, [row for row in rows if row >= 0])}
        for entry, row in zip(leased, rows, strict=True):
            if row in stored:
                entry.item.CopyFrom(item_message(stored[row], None))
        if project.show_suggestions:
            await self._suggest(
                project, [(entry, row) for entry, row in zip(leased, rows, strict=True) if row in stored]
            )

    async def _suggest(self, project: Project, entries: Sequence[tuple[pb.LeasedItem, int]]) -> None:
        by_row = await self.labels.rows(project)
        open_entries = []
        for entry, row in entries:
            suggestion = _llm_suggestion(by_row.get(row, ()))
            if suggestion is None:
                open_entries.append((entry, row))
            else:
                entry.suggestion.CopyFrom(suggestion)
        if open_entries:
            await self._suggest_predictions(project, open_entries)

    async def _suggest_predictions(self, project: Project, entries: Sequence[tuple[pb.LeasedItem, int]]) -> None:
        embeddings = await self.pools.embeddings(project.id, [row for _, row in entries])
        try:
            _, probabilities = await self.learning.predict(project, embeddings)
        except FailedPrecondition:
            # Without a model there is nothing to suggest, which is no reason to withhold the items.
            return
        for (entry, _), row in zip(entries, probabilities, strict=True):
            best = int(row.argmax())
            entry.suggestion.CopyFrom(
                pb.Suggestion(
                    answer=label_answer(project.class_names[best]),
                    confidence=float(row[best]),
                    confidence_kind=annotation_pb2.CONFIDENCE_KIND_UNCALIBRATED,
                    annotator="learner",
                )
            )


def _llm_suggestion(annotations: Sequence[Annotation]) -> pb.Suggestion | None:
    """Return the newest answer of an LLM as a suggestion."""
    for annotation in reversed(annotations):
        if annotation.kind is AnnotatorKind.LLM and annotation.outcome.reaches_learner:
            return pb.Suggestion(
                answer=answer_message(annotation.answer.body),
                confidence=annotation.answer.confidence,
                confidence_kind=confidence_kind(annotation.answer.confidence_kind),
                annotator=annotation.annotator,
            )
    return None
