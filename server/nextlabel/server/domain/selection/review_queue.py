"""One list of all labels that are worth another look, the most promising ones first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from nextlabel.server.assessment.consensus.votes import Consensus
from nextlabel.server.assessment.review_gain import expected_gain, ordered_by_both
from nextlabel.server.domain.labeling.labels import Labels
from nextlabel.server.domain.learning.training_labels.doubts import Doubting, Doubts
from nextlabel.server.domain.learning.training_labels.label_filters import LabelFilters, NamedLabel
from nextlabel.server.domain.pool.pools import Pools
from nextlabel.server.domain.quality.people_on_gold import person_accuracy
from nextlabel.server.domain.selection.audited_rows import AuditedRows
from nextlabel.server.ports.state_store import StateStore, Transaction
from nextlabel.server.tasks.registry import task_type
from nextlabel.server.values.errors import FailedPrecondition
from nextlabel.server.values.ids import ProjectId
from nextlabel.server.values.labeling.annotations import Annotation, AnnotatorKind
from nextlabel.server.values.labeling.reviews import DoubtedLabel, ReviewEntry, ReviewReason
from nextlabel.server.values.projects.projects import CROWDLAB, Project

REVIEW = "review"
"""Name of what picks the batches of reviews."""
LOW_CONFIDENCE = 0.8
MOST_UNLABELED = 1_000
"""Items without a label that may be on the list."""


class UnlabeledItems(Protocol):
    """Tells what the learner says of items without a label."""

    async def least_sure(self, project: Project, annotator: str, most: int) -> Sequence[ReviewEntry]:
        """Return up to ``most`` items of which the learner is least sure, none that ``annotator`` has answered."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewQueue:
    """Finds what is worth another look. Who has looked once more at an item takes it off the list."""

    store: StateStore
    pools: Pools
    labels: Labels
    doubting: Doubting
    filters: LabelFilters
    audited: AuditedRows
    unlabeled: UnlabeledItems

    async def entries(self, project: Project, annotator: str = "", unlabeled: int = 0) -> Sequence[ReviewEntry]:
        """Return the list, or what of it an annotator may look at: nobody reviews an own answer.

        What a look is expected to gain orders it. Up to ``unlabeled`` items without a label are on it too, those of
        which the learner is least sure.

        Raises:
            FailedPrecondition: answers of the project's type are not one class each, which is what is compared.
        """
        self.check(project)
        found = list(await self._labeled(project, annotator))
        if unlabeled:
            found += await self.unlabeled.least_sure(project, annotator, unlabeled)
        return sorted(found, key=lambda entry: (-entry.gain, -entry.wrong_probability, entry.row))

    async def _labeled(self, project: Project, annotator: str) -> Sequence[ReviewEntry]:
        pool = await self.pools.open(project.id)
        unusable = set(pool.unusable_rows().tolist())
        known = await self._known(project)
        leased, reviewed = await self.store.read(
            lambda tx: (set(tx.labeling.leased_rows(project.id)), _review_batches(tx, project.id))
        )
        found = []
        for row in known.agreed:
            given = known.given.get(row, ())
            useful = [a for a in given if a.outcome.reaches_learner]
            # Whoever answered an item that had no label gave what others may look at.
            looked_at = any(a.batch in reviewed for a in useful) and len({a.annotator for a in useful}) > 1
            own = bool(annotator) and any(a.annotator == annotator for a in given)
            if row not in unusable and row not in leased and not looked_at and not own:
                entry = known.entry(row)
                if entry is not None:
                    found.append(entry)
        return found

    async def known_of(self, project: Project, rows: Iterable[int]) -> Mapping[int, DoubtedLabel]:
        """Return what is known of the labels of rows; those without a label are left out."""
        known = await self._known(project)
        return {row: known.label(row) for row in rows if row in known.agreed}

    async def gains(self, project: Project, rows: Sequence[int], learned_wrong: Mapping[int, float]) -> Sequence[float]:
        """Return by how many right labels a person's look at each row is expected to change what there is.

        What orders the list, also for rows that are on none: those without a label are wrong as often as
        ``learned_wrong`` says the learner is, certainly where it says nothing.
        """
        known = await self._known(project)
        return [
            known.gain(row)
            if row in known.agreed
            else expected_gain(learned_wrong.get(row, 1.0), known.person_accuracy)
            for row in rows
        ]

    async def _known(self, project: Project) -> _Known:
        agreed, doubts = await self.labels.consensus(project), await self.doubting.recent(project)
        return _Known(
            agreed=agreed,
            given=await self.labels.rows(project),
            doubts=doubts,
            weighed=_weighed(agreed, doubts),
            left_out=(await self.filters.left_out(project)).by_row,
            audited=await self.audited.of(project.id),
            person_accuracy=await self._person_accuracy(project),
        )

    async def _person_accuracy(self, project: Project) -> float:
        gold = {row: item.label for row, item in (await self.pools.open(project.id)).gold.items()}
        return person_accuracy(project, gold, await self.labels.rows(project))

    def check(self, project: Project) -> None:
        """Raise FailedPrecondition unless answers of the project's type are one class each, which can be compared."""
        if not task_type(project.annotation_type).one_class:
            raise FailedPrecondition(
                f"project {project.name} asks for {project.annotation_type.shown} annotations; only labels of one "
                "class an item are looked at again",
                reason="NO_REVIEW_QUEUE",
            )


def _voices(agreed: Consensus) -> int:
    """Return how many people the next one stands beside: none where there is no label of theirs, or it decides."""
    return agreed.annotations if agreed.trusted and not agreed.split else 0


def _disputed(agreed: Consensus) -> bool:
    return agreed.vote_share < 1 and agreed.annotations > 1


def _unsure(agreed: Consensus) -> bool:
    return agreed.confidence is not None and agreed.confidence < LOW_CONFIDENCE


def _weighed(agreed: Mapping[int, Consensus], doubts: Doubts) -> Mapping[int, float]:
    """Return how probably models' labels are wrong, by row, where gold has weighed the texts beside the answers.

    Which of them are is said by the learner of those labels too, where it has judged them.
    """
    rows = [
        r for r, one in agreed.items() if one.method == CROWDLAB and one.probability is not None and not one.trusted
    ]
    judged = [row for row in rows if doubts.hold(row, agreed[row].label) and row in doubts.wrong]
    open_n = np.array([agreed[row].doubt for row in judged])
    second_n = np.array([doubts.wrong[row] for row in judged])
    both = zip(judged, ordered_by_both(open_n, second_n).tolist(), strict=True)
    return {row: agreed[row].doubt for row in rows} | dict(both)


def _review_batches(tx: Transaction, project: ProjectId) -> set[str]:
    return {batch.id for batch in tx.labeling.batches(project) if batch.strategy.name == REVIEW}


@dataclass(frozen=True, slots=True)
class _Known:
    """What is known of all labels, by row."""

    agreed: Mapping[int, Consensus]
    given: Mapping[int, Sequence[Annotation]]
    doubts: Doubts
    weighed: Mapping[int, float]
    left_out: Mapping[int, NamedLabel]
    audited: Set[int]
    person_accuracy: float

    def label(self, row: int) -> DoubtedLabel:
        """Return the label of a row that has one, and what others say of it."""
        agreed = self.agreed[row]
        hold = self.doubts.hold(row, agreed.label)
        other = self.doubts.own.get(row, agreed.label) if hold else agreed.label
        return DoubtedLabel(
            label=agreed.label,
            other_label="" if other == agreed.label else other,
            confidence=agreed.confidence,
            answers=tuple(a for a in self.given.get(row, ()) if a.outcome.reaches_learner),
            filtered_by=tuple(sorted(self.left_out[row].why)) if row in self.left_out else (),
        )

    def entry(self, row: int) -> ReviewEntry | None:
        """Return what there is against the label of a row; None when there is nothing."""
        agreed, known = self.agreed[row], self.label(row)
        reasons = []
        if _disputed(agreed):
            reasons.append(ReviewReason.DISAGREEMENT)
        if _unsure(agreed) or self.weighed.get(row, 0.0) > 1 - LOW_CONFIDENCE:
            reasons.append(ReviewReason.LOW_CONFIDENCE)
        asked_llm = any(a.kind is AnnotatorKind.LLM for a in self.given.get(row, ()))
        if known.other_label and not agreed.trusted and asked_llm:
            reasons.append(ReviewReason.AGAINST_LEARNER)
        if self._doubted(row) > 0.5:
            reasons.append(ReviewReason.SUSPECT)
        if known.filtered_by:
            reasons.append(ReviewReason.FILTERED)
        if row in self.audited and agreed.trusted and (known.other_label or self._contradicted(agreed)):
            reasons.append(ReviewReason.AUDIT_FAILURE)
        if not reasons:
            return None
        return ReviewEntry(
            row,
            agreed.item_id,
            agreed.label,
            known.other_label,
            self.wrong_probability(row),
            tuple(reasons),
            filtered_by=known.filtered_by,
            gain=self.gain(row),
        )

    def wrong_probability(self, row: int) -> float:
        """Return how probably the label of a row is wrong, as far as anything speaks against it."""
        agreed = self.agreed[row]
        if row in self.weighed:
            return self.weighed[row]
        said = [self._doubted(row)]
        if _disputed(agreed):
            said.append(agreed.doubt)
        if agreed.confidence is not None and _unsure(agreed):
            said.append(1 - agreed.confidence)
        return max(said)

    def gain(self, row: int) -> float:
        """Return what a person's look at a label is expected to bring."""
        return expected_gain(self.wrong_probability(row), self.person_accuracy, _voices(self.agreed[row]))

    def _doubted(self, row: int) -> float:
        return self.doubts.wrong.get(row, 0.0) if self.doubts.hold(row, self.agreed[row].label) else 0.0

    def _contradicted(self, agreed: Consensus) -> bool:
        """Return whether a model's answer is another one than the label that people have given."""
        return any(
            not a.trusted and a.answer.body is not None and a.answer.body != agreed.body
            for a in self.given.get(agreed.row, ())
        )
