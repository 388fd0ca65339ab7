"""Takes people's and programs' answers: every item is accepted or refused on its own, and booked once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from enum import StrEnum

from nextlabel.server.domain.budgets.budgets import labels_left
from nextlabel.server.domain.labeling.known_rows import KnownRows
from nextlabel.server.domain.labeling.leases import LABELS_LINE, Leases, new_annotation
from nextlabel.server.domain.labeling.submission_checks import Submission, problem_of
from nextlabel.server.ports.state_store import Transaction
from nextlabel.server.values.errors import InvalidArgument
from nextlabel.server.values.labeling.annotations import Annotation, AnnotatorKind
from nextlabel.server.values.labeling.batches import Batch
from nextlabel.server.values.labeling.leases import Lease, LeaseItem, LeaseState
from nextlabel.server.values.money.costs import Cost
from nextlabel.server.values.projects.projects import Project


class SubmitStatus(StrEnum):
    """What became of one submitted answer."""

    ACCEPTED = "accepted"
    ACCEPTED_LATE = "accepted_late"
    CORRECTED = "corrected"
    SKIPPED = "skipped"
    DUPLICATE = "duplicate"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class SubmitResult:
    """What became of the answer about ``item_id``; ``message`` says why it was not taken."""

    item_id: str
    status: SubmitStatus
    message: str = ""

    def said_of(self, item_id: str) -> SubmitResult:
        """Return the same by the id under which the item was answered."""
        if item_id == self.item_id:
            return self
        return replace(self, item_id=item_id, message=self.message.replace(repr(self.item_id), repr(item_id)))


@dataclass(frozen=True, slots=True)
class _Usable:
    """An answer that passed all checks; ``index`` is its place in the call.

    ``before`` is the annotator's answer that it stands instead of.
    """

    index: int
    submission: Submission
    row: int
    leased: LeaseItem | None
    before: Annotation | None

    @property
    def is_skip(self) -> bool:
        return self.submission.body is None

    @property
    def corrects(self) -> bool:
        """True when an answer was paid already, and this one is another."""
        return self.before is not None and self.before.answer.body is not None

    @property
    def costs(self) -> bool:
        return not (self.is_skip or self.corrects)


@dataclass(frozen=True, slots=True)
class _Call:
    """Who answers, on which lease if any, and what is known of the rows: those deleted, and the annotator's answers.

    ``given`` has who answered each row, once the lease is over.
    """

    annotator: str
    lease: Lease | None
    leased: Mapping[str, LeaseItem]
    late: bool
    deleted: Set[int]
    before: Mapping[int, Annotation]
    given: Mapping[int, Set[str]]

    @property
    def lease_pays(self) -> bool:
        """True while the lease holds labels for its items."""
        return self.lease is not None and not self.late and self.lease.state is LeaseState.ACTIVE


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

        An answer that comes after its lease is over is taken while the item still lacks annotations. Another answer of
        the same annotator corrects the one before, which stays on record; that costs no label.

        Raises:
            InvalidArgument: neither an annotator nor a lease is named, or the lease is somebody else's.
            NotFound: the lease does not exist.
        """
        submissions = [s.completed(project) for s in submissions]
        call = self._open(tx, project, annotator, lease_id, [s.item_id for s in submissions], known)
        results: dict[int, SubmitResult] = {}
        usable: list[_Usable] = []
        rows: dict[int, Submission] = {}
        for index, submission in enumerate(submissions):
            checked = _check(project, call, known, index, submission, rows)
            if isinstance(checked, SubmitResult):
                results[index] = checked
            else:
                usable.append(checked)
                rows[checked.row] = submission
        self._book(tx, project, call, usable, results)
        return [results[i] for i in range(len(submissions))]

    def _open(
        self,
        tx: Transaction,
        project: Project,
        annotator: str,
        lease_id: str,
        item_ids: Sequence[str],
        known: KnownRows,
    ) -> _Call:
        lease = self.labeling.held_lease(tx, project, lease_id, annotator) if lease_id else None
        if lease is None and not annotator:
            raise InvalidArgument.field("annotator", "say who answers, or give the lease_id")
        over = lease is not None and lease.expires_at <= self.labeling.clock.now()
        if lease is not None and over and lease.state is LeaseState.ACTIVE:
            self.labeling.end(tx, lease, LeaseState.EXPIRED)
        leased = {i.item_id: i for i in tx.labeling.lease_items(lease.id)} if lease else {}
        late = over or (lease is not None and lease.state in (LeaseState.EXPIRED, LeaseState.RELEASED))
        who = lease.annotator if lease else annotator
        tx.labeling.answering(project.id, who)
        rows = {leased[i].row if i in leased else known.rows.get(i, -1) for i in item_ids}
        rows |= {i.row for i in leased.values()}
        own = tx.labeling.annotations(project.id, rows=sorted(rows), annotator=who)
        before = {a.row: a for a in own if a.kind is AnnotatorKind.HUMAN}
        # A lease holds its places; only an answer that comes late may find them taken by others.
        given: dict[int, set[str]] = {}
        for a in tx.labeling.annotations(project.id, rows=sorted(rows)) if late else ():
            if a.outcome.reaches_learner:
                given.setdefault(a.row, set()).add(a.annotator)
        deleted = set(tx.pool.deleted_rows(project.id, sorted(rows)))
        return _Call(
            annotator=who,
            lease=lease,
            leased=leased,
            late=late,
            deleted=deleted,
            before=before,
            given=given,
        )

    def _book(
        self,
        tx: Transaction,
        project: Project,
        call: _Call,
        usable: Sequence[_Usable],
        results: dict[int, SubmitResult],
    ) -> None:
        own = ""
        if not call.lease_pays:
            own, usable = self._reserve(tx, project, usable, results)
        batches = {name: self.labeling.batches.get(tx, name) for name in {u.leased.batch for u in usable if u.leased}}
        new = tx.labeling.add_annotations([self._annotation(project, call, u, batches) for u in usable])
        taken = [u for u, is_new in zip(usable, new, strict=True) if is_new]
        paid = Cost(labels=sum(u.costs for u in taken))
        self._move_slots(tx, call, taken)
        if own:
            self.labeling.budgets.settle(tx, own, paid)
        elif call.lease_pays:
            self._mark_answered(tx, call, usable, paid)
        for u, is_new in zip(usable, new, strict=True):
            results[u.index] = _result(call, u, is_new)

    def _annotation(self, project: Project, call: _Call, u: _Usable, batches: Mapping[str, Batch | None]) -> Annotation:
        batch = batches[u.leased.batch] if u.leased else None
        annotation = new_annotation(
            project,
            u.row,
            u.submission.item_id,
            u.submission.answer(call.annotator),
            batch=batch,
            annotator=call.annotator,
            kind=AnnotatorKind.HUMAN,
            trusted=True,
            at=self.labeling.clock.now(),
        )
        if u.before is None:
            return annotation
        if u.costs:
            return replace(annotation, corrects=u.before.id)
        # What is corrected was asked for, and paid, by the batch it came from.
        return replace(annotation, corrects=u.before.id, batch=u.before.batch, run=u.before.run, round=u.before.round)

    def _reserve(
        self, tx: Transaction, project: Project, usable: Sequence[_Usable], results: dict[int, SubmitResult]
    ) -> tuple[str, Sequence[_Usable]]:
        """Reserve labels for answers that no lease pays for; refuse those beyond the budget."""
        paid = [u for u in usable if u.costs]
        if not paid:
            return "", usable
        batch = next((u.leased.batch for u in paid if u.leased), "")
        run = self.labeling.paying_run(tx, batch) if batch else ""
        standing = self.labeling.budgets.standing(tx, project.id, run)
        affordable = labels_left(standing)
        beyond = [] if affordable is None else paid[affordable:]
        for u in beyond:
            results[u.index] = SubmitResult(
                u.submission.item_id, SubmitStatus.REFUSED, "the label budget is used up; raise it to go on"
            )
        kept = [u for u in usable if u.index not in {b.index for b in beyond}]
        wanted = Cost(labels=len(paid) - len(beyond))
        if not wanted.labels:
            return "", kept
        reserved = self.labeling.budgets.reserve(tx, project.id, run, wanted, LABELS_LINE, standing=standing)
        return reserved.id, kept

    def _move_slots(self, tx: Transaction, call: _Call, taken: Sequence[_Usable]) -> None:
        """Give back the places of what is passed on, and take those of answers that had none."""

        def slots(chosen: Sequence[_Usable]) -> list[tuple[str, int]]:
            return [(u.leased.batch, u.row) for u in chosen if u.leased]

        if call.lease_pays:
            tx.labeling.free_slots(slots([u for u in taken if u.is_skip]))
            again = [u for u in taken if u.costs and u.leased is not None and u.leased.answered]
            tx.labeling.take_slots(slots(again))
        else:
            tx.labeling.take_slots(slots([u for u in taken if u.costs]))

    def _mark_answered(self, tx: Transaction, call: _Call, usable: Sequence[_Usable], paid: Cost) -> None:
        """Mark items of the lease as answered and book them; end it when nothing is left on it but deleted items."""
        assert call.lease is not None
        rows = {u.row for u in usable}
        tx.labeling.mark_answered(call.lease.id, sorted(rows))
        left = [i for i in call.leased.values() if not (i.answered or i.row in rows)]
        done = all(i.row in call.deleted for i in left)
        if done:
            self.labeling.close(tx, call.lease, LeaseState.DONE, left)
        if paid.labels:
            self.labeling.budgets.settle(tx, call.lease.reservation, paid, close=done)
        elif done:
            self.labeling.budgets.release(tx, call.lease.reservation)


def _check(
    project: Project,
    call: _Call,
    known: KnownRows,
    index: int,
    submission: Submission,
    taken: Mapping[int, Submission],
) -> _Usable | SubmitResult:
    item_id = submission.item_id
    leased = call.leased.get(item_id)
    row = leased.row if leased else known.rows.get(item_id, -1)
    before = call.before.get(row)
    submission = submission.beside(before.answer if before else None)
    if problem := _problem(project, call, known, submission, row) or _clash(submission, before, taken.get(row)):
        return SubmitResult(item_id, SubmitStatus.REFUSED, problem)
    if row in taken or (before is not None and submission.repeats(before.answer)):
        return SubmitResult(item_id, SubmitStatus.DUPLICATE, f"{call.annotator} has given this answer already")
    usable = _Usable(index, submission, row, leased, before)
    # Whoever else has answered a gold item, what this annotator says of it tells of this annotator.
    taken_by_others = row not in known.gold and len(call.given.get(row, ())) >= project.overlap
    if call.late and usable.costs and taken_by_others:
        late = "the lease was over and the item has got its annotations meanwhile"
        return SubmitResult(item_id, SubmitStatus.REFUSED, late)
    return usable


def _problem(project: Project, call: _Call, known: KnownRows, submission: Submission, row: int) -> str:
    """Say why an item takes no answer, or not this one; '' when it does."""
    if problem := problem_of(submission, project):
        return problem
    if call.lease is not None and submission.item_id not in call.leased:
        return f"item {submission.item_id!r} is not on this lease"
    if row < 0 or row in call.deleted:
        return f"item {submission.item_id!r} is not in the pool"
    return known.refused.get(row, "")


def _clash(submission: Submission, before: Annotation | None, same_call: Submission | None) -> str:
    """Say what an answer contradicts in a way that is no correction; '' when nothing."""
    if same_call is not None and same_call.body != submission.body:
        return "this call has two different answers about the item; send one"
    if before is not None and before.answer.body is not None and submission.body is None:
        return "the item is answered already; it cannot be skipped, only be answered anew"
    return ""


def _result(call: _Call, u: _Usable, is_new: bool) -> SubmitResult:
    if not is_new:
        return SubmitResult(u.submission.item_id, SubmitStatus.DUPLICATE, f"{call.annotator} has answered it already")
    if u.is_skip:
        return SubmitResult(u.submission.item_id, SubmitStatus.SKIPPED)
    if u.corrects:
        return SubmitResult(u.submission.item_id, SubmitStatus.CORRECTED)
    return SubmitResult(u.submission.item_id, SubmitStatus.ACCEPTED_LATE if call.late else SubmitStatus.ACCEPTED)
