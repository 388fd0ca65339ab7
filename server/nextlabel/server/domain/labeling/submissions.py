"""Takes people's and programs' answers: every item is accepted or refused on its own, and booked once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from nextlabel.server.domain.labeling.leases import LABELS_LINE, Leases, new_annotation
from nextlabel.server.ports.state_store import Transaction
from nextlabel.server.tasks.answer_form import body_problem
from nextlabel.server.values.annotations import AnnotatorKind
from nextlabel.server.values.answers import (
    Answer,
    Body,
    ConfidenceKind,
    Outcome,
    Provenance,
)
from nextlabel.server.values.batches import Batch
from nextlabel.server.values.errors import InvalidArgument
from nextlabel.server.values.leases import Lease, LeaseItem, LeaseState
from nextlabel.server.values.money.costs import Cost
from nextlabel.server.values.projects import Project


class SubmitStatus(StrEnum):
    """What became of one submitted answer."""

    ACCEPTED = "accepted"
    ACCEPTED_LATE = "accepted_late"
    DUPLICATE = "duplicate"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Submission:
    """One answer of a person or a program about one item."""

    item_id: str
    body: Body
    rationale: str = ""
    feedback: str = ""
    confidence: float | None = None


@dataclass(frozen=True, slots=True)
class SubmitResult:
    """What became of the answer about ``item_id``; ``message`` says why it was not taken."""

    item_id: str
    status: SubmitStatus
    message: str = ""


@dataclass(frozen=True, slots=True)
class KnownRows:
    """What the pool says about the submitted ids: their rows, and why some rows take no answers."""

    rows: Mapping[str, int]
    refused: Mapping[int, str]


@dataclass(frozen=True, slots=True)
class _Usable:
    """An answer that passed all checks; ``index`` is its place in the call."""

    index: int
    submission: Submission
    row: int
    leased: LeaseItem | None


@dataclass(frozen=True, slots=True)
class _Call:
    """The lease that a call refers to, if any."""

    annotator: str
    lease: Lease | None
    leased: Mapping[str, LeaseItem]
    late: bool


@dataclass(frozen=True, slots=True)
class Submissions:
    """Units of work that take answers."""

    labeling: Leases

    def submit(
        self,
        tx: Transaction,
        project: Project,
        annotator: str,
        lease_id: str,
        submissions: Sequence[Submission],
        known: KnownRows,
    ) -> Sequence[SubmitResult]:
        """Take answers, on a lease or (``lease_id`` empty) about any item of the pool.

        An answer that comes after its lease is over is taken while the item still lacks annotations. With a lease,
        its annotator is the one who answers.

        Raises:
            InvalidArgument: neither an annotator nor a lease is named.
            NotFound: the lease does not exist.
        """
        call = self._open(tx, project, annotator, lease_id)
        results: dict[int, SubmitResult] = {}
        usable: list[_Usable] = []
        rows: set[int] = set()
        for index, submission in enumerate(submissions):
            checked = self._check(tx, project, call, known, _Usable(index, submission, -1, None), rows)
            if isinstance(checked, SubmitResult):
                results[index] = checked
            else:
                usable.append(checked)
                rows.add(checked.row)
        self._book(tx, project, call, usable, results)
        return [results[i] for i in range(len(submissions))]

    def _open(self, tx: Transaction, project: Project, annotator: str, lease_id: str) -> _Call:
        if not lease_id:
            if not annotator:
                raise InvalidArgument.field("annotator", "say who answers, or give the lease_id")
            return _Call(annotator, None, {}, late=False)
        lease = self.labeling.owned_lease(tx, project, lease_id)
        over = lease.expires_at <= self.labeling.clock.now()
        if over and lease.state is LeaseState.ACTIVE:
            self.labeling.end(tx, lease, LeaseState.EXPIRED)
        leased = {i.item_id: i for i in tx.labeling.lease_items(lease.id)}
        late = over or lease.state in (LeaseState.EXPIRED, LeaseState.RELEASED)
        return _Call(lease.annotator, lease, leased, late)

    def _check(
        self, tx: Transaction, project: Project, call: _Call, known: KnownRows, given: _Usable, taken: set[int]
    ) -> _Usable | SubmitResult:
        submission = given.submission
        item_id = submission.item_id
        leased = call.leased.get(item_id)
        row = leased.row if leased else known.rows.get(item_id, -1)
        problem = _problem(submission, project)
        if not problem and call.lease is not None and leased is None:
            problem = f"item {item_id!r} is not on this lease"
        elif not problem and row < 0:
            problem = f"item {item_id!r} is not in the pool"
        elif not problem and row in known.refused:
            problem = known.refused[row]
        if problem:
            return SubmitResult(item_id, SubmitStatus.REFUSED, problem)
        if row in taken or (leased is not None and leased.answered):
            return SubmitResult(item_id, SubmitStatus.DUPLICATE, "there is an answer of this annotator already")
        if call.late and not self._still_useful(tx, project, row):
            return SubmitResult(
                item_id, SubmitStatus.REFUSED, "the lease was over and the item has got its annotations meanwhile"
            )
        return _Usable(given.index, submission, row, leased)

    def _still_useful(self, tx: Transaction, project: Project, row: int) -> bool:
        present = tx.labeling.annotations(project.id, rows=[row])
        return len({a.annotator for a in present if a.outcome.reaches_learner}) < project.overlap

    def _book(
        self,
        tx: Transaction,
        project: Project,
        call: _Call,
        usable: Sequence[_Usable],
        results: dict[int, SubmitResult],
    ) -> None:
        if not usable:
            return
        batches = {b: tx.labeling.batch(b) for b in {u.leased.batch for u in usable if u.leased}}
        reservation = call.lease.reservation if call.lease and not call.late else ""
        if not reservation:
            reservation, usable = self._reserve(tx, project, usable, batches, results)
        if not usable:
            return
        annotations = [
            new_annotation(
                project,
                u.row,
                u.submission.item_id,
                call.annotator,
                AnnotatorKind.HUMAN,
                _answer(u.submission, call.annotator),
                batches[u.leased.batch] if u.leased else None,
                trusted=True,
                at=self.labeling.clock.now(),
            )
            for u in usable
        ]
        new = tx.labeling.add_annotations(annotations)
        taken = [u for u, is_new in zip(usable, new, strict=True) if is_new]
        own = call.lease is None or call.late
        done = not own and self._answered(tx, call, usable)
        self.labeling.budgets.settle(tx, reservation, Cost(labels=len(taken)), close=own or done)
        if call.late:
            tx.labeling.take_slots([(u.leased.batch, u.row) for u in taken if u.leased])
        accepted = SubmitStatus.ACCEPTED_LATE if call.late else SubmitStatus.ACCEPTED
        for u, is_new in zip(usable, new, strict=True):
            results[u.index] = (
                SubmitResult(u.submission.item_id, accepted)
                if is_new
                else SubmitResult(
                    u.submission.item_id, SubmitStatus.DUPLICATE, f"{call.annotator} has answered it already"
                )
            )

    def _reserve(
        self,
        tx: Transaction,
        project: Project,
        usable: Sequence[_Usable],
        batches: Mapping[str, Batch | None],
        results: dict[int, SubmitResult],
    ) -> tuple[str, Sequence[_Usable]]:
        """Reserve labels for answers that no lease pays for; refuse those beyond the budget."""
        batch = next(iter(batches), "")
        run = self.labeling.paying_run(tx, batch) if batch else ""
        budgets = self.labeling.budgets
        affordable = budgets.affordable_labels(tx, project.id, run)
        kept = list(usable) if affordable is None else list(usable[:affordable])
        for u in usable[len(kept) :]:
            results[u.index] = SubmitResult(
                u.submission.item_id, SubmitStatus.REFUSED, "the label budget is used up; raise it to go on"
            )
        if not kept:
            return "", kept
        return budgets.reserve(tx, project.id, run, Cost(labels=len(kept)), LABELS_LINE).id, kept

    def _answered(self, tx: Transaction, call: _Call, usable: Sequence[_Usable]) -> bool:
        """Mark items of the lease as answered; True when nothing is left on it, which ends it."""
        assert call.lease is not None
        rows = {u.row for u in usable}
        tx.labeling.mark_answered(call.lease.id, sorted(rows))
        if any(not i.answered and i.row not in rows for i in call.leased.values()):
            return False
        tx.labeling.set_lease(call.lease.id, LeaseState.DONE, call.lease.expires_at)
        return True


def _answer(submission: Submission, annotator: str) -> Answer:
    return Answer(
        outcome=Outcome.LABEL,
        provenance=Provenance(annotator=annotator),
        body=submission.body,
        rationale=submission.rationale,
        feedback=submission.feedback,
        confidence=submission.confidence,
        confidence_kind=ConfidenceKind.NONE if submission.confidence is None else ConfidenceKind.HUMAN,
    )


def _problem(submission: Submission, project: Project) -> str:
    """Say what is wrong with an answer for this project; '' when nothing is."""
    if problem := body_problem(submission.body, project):
        return problem
    if submission.confidence is not None and not 0.0 <= submission.confidence <= 1.0:
        return f"a confidence lies from 0 to 1, got {submission.confidence:g}"
    return ""
