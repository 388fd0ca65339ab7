"""One list of all labels that are worth another look, the most promising ones first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nextlabel.server.assessment.consensus.votes import Consensus
from nextlabel.server.domain.labeling.labels import Labels
from nextlabel.server.domain.learning.training_labels.doubts import Doubting, Doubts
from nextlabel.server.domain.learning.training_labels.label_filters import LabelFilters
from nextlabel.server.domain.pool.pools import Pools
from nextlabel.server.ports.state_store import StateStore, Transaction
from nextlabel.server.tasks.registry import task_type
from nextlabel.server.values.errors import FailedPrecondition
from nextlabel.server.values.ids import ProjectId
from nextlabel.server.values.labeling.annotations import Annotation, AnnotatorKind
from nextlabel.server.values.labeling.reviews import ReviewEntry, ReviewReason
from nextlabel.server.values.projects.projects import Project

REVIEW = "review"
"""Name of what picks the batches of reviews."""
LOW_CONFIDENCE = 0.8


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewQueue:
    """Finds what is worth another look. Who has looked once more at an item takes it off the list."""

    store: StateStore
    pools: Pools
    labels: Labels
    doubting: Doubting
    filters: LabelFilters

    async def entries(self, project: Project, annotator: str = "") -> Sequence[ReviewEntry]:
        """Return the list, or what of it an annotator may look at: nobody reviews an own answer.

        Raises:
            FailedPrecondition: answers of the project's type are not one class each, which is what is compared.
        """
        self.check(project)
        pool = await self.pools.open(project.id)
        unusable = set(pool.unusable_rows().tolist())
        agreed, by_row = await self.labels.consensus(project), await self.labels.rows(project)
        doubts = await self.doubting.of(project)
        left_out = (await self.filters.left_out(project)).by_row
        leased, reviewed = await self.store.read(
            lambda tx: (set(tx.labeling.leased_rows(project.id)), _review_batches(tx, project.id))
        )
        found = []
        for row, consensus in agreed.items():
            given = by_row.get(row, ())
            looked_at = any(a.batch in reviewed and a.outcome.reaches_learner for a in given)
            own = bool(annotator) and any(a.annotator == annotator for a in given)
            if row not in unusable and row not in leased and not looked_at and not own:
                filtered_by = sorted(left_out[row].why) if row in left_out else ()
                entry = _entry(consensus, given, doubts, tuple(filtered_by))
                if entry is not None:
                    found.append(entry)
        return sorted(found, key=lambda entry: (-entry.wrong_probability, entry.row))

    def check(self, project: Project) -> None:
        """Raise FailedPrecondition unless answers of the project's type are one class each, which can be compared."""
        if not task_type(project.annotation_type).one_class:
            raise FailedPrecondition(
                f"project {project.name} asks for {project.annotation_type.value} annotations; only labels of one "
                "class an item are looked at again",
                reason="NO_REVIEW_QUEUE",
            )


def _review_batches(tx: Transaction, project: ProjectId) -> set[str]:
    return {batch.id for batch in tx.labeling.batches(project) if batch.strategy.name == REVIEW}


def _entry(
    agreed: Consensus, given: Sequence[Annotation], doubts: Doubts, filtered_by: tuple[str, ...]
) -> ReviewEntry | None:
    """Return what there is against a label; None when there is nothing."""
    wrong = doubts.wrong.get(agreed.row, 0.0)
    other = doubts.own.get(agreed.row, agreed.label)
    other = "" if other == agreed.label else other
    reasons = []
    if agreed.vote_share < 1 and agreed.annotations > 1:
        reasons.append(ReviewReason.DISAGREEMENT)
        wrong = max(wrong, 1 - agreed.vote_share)
    if agreed.confidence is not None and agreed.confidence < LOW_CONFIDENCE:
        reasons.append(ReviewReason.LOW_CONFIDENCE)
        wrong = max(wrong, 1 - agreed.confidence)
    if other and not agreed.trusted and any(a.kind is AnnotatorKind.LLM for a in given):
        reasons.append(ReviewReason.AGAINST_LEARNER)
    if doubts.wrong.get(agreed.row, 0.0) > 0.5:
        reasons.append(ReviewReason.SUSPECT)
    if filtered_by:
        reasons.append(ReviewReason.FILTERED)
    if not reasons:
        return None
    return ReviewEntry(agreed.row, agreed.item_id, agreed.label, other, wrong, tuple(reasons), filtered_by=filtered_by)
