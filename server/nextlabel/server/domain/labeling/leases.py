"""Leases: who may label what until when (invariant 5); and keeping what the server's own annotators answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from types import MappingProxyType

from nextlabel.server.domain.budgets.budgets import Budgets, labels_left
from nextlabel.server.domain.labeling.known_batches import KnownBatches
from nextlabel.server.domain.labeling.slipped_gold import slipped_in
from nextlabel.server.ports.state_store import Transaction
from nextlabel.server.ports.system import Clock
from nextlabel.server.tasks.answer_form import written
from nextlabel.server.values.errors import FailedPrecondition, InvalidArgument, NotFound
from nextlabel.server.values.ids import ProjectId
from nextlabel.server.values.labeling.annotations import Annotation, AnnotatorKind
from nextlabel.server.values.labeling.answers import Answer, Outcome
from nextlabel.server.values.labeling.batches import Batch, Pick
from nextlabel.server.values.labeling.leases import Lease, LeaseItem, LeaseState
from nextlabel.server.values.limits import Limits
from nextlabel.server.values.money.budgets import Budget
from nextlabel.server.values.money.costs import Cost
from nextlabel.server.values.pool import ReferenceItem
from nextlabel.server.values.projects.projects import Project
from nextlabel.server.values.runs.annotator_options import HumanOptions, people_asked
from nextlabel.server.values.runs.runs import NOT_ENDED, Run, RunState

LABELS_LINE = "labels"


@dataclass(frozen=True, slots=True)
class Leased:
    """A lease with the picks it covers, in the order of the strategy."""

    lease: Lease
    picks: Sequence[Pick]


def runs_of_people(tx: Transaction, project: ProjectId) -> Sequence[tuple[Run, HumanOptions]]:
    """Return the runs that ask people and have not ended, and whom."""
    open_runs = tx.runs.list(project, states=NOT_ENDED)
    return [(run, asked) for run in open_runs if (asked := people_asked(run.spec.annotator)) is not None]


@dataclass(frozen=True, slots=True)
class Leases:
    """Units of work on leases and annotations; each runs inside the caller's transaction."""

    clock: Clock
    new_id: Callable[[], str]
    budgets: Budgets
    limits: Limits
    batches: KnownBatches = field(default_factory=KnownBatches)

    def lease(
        self,
        tx: Transaction,
        project: Project,
        annotator: str,
        count: int,
        ttl_s: float | None = None,
        deliverable: Callable[[Sequence[Pick], ProjectId], int] = lambda picks, _: len(picks),
        gold: Sequence[ReferenceItem] = (),
    ) -> Leased | None:
        """Hand up to ``count`` open picks to an annotator; None when no pick is open for them.

        ``deliverable`` says how many of the picks can be handed over at once. Each leased item reserves
        one label of the budgets. Where the project says so, some of them are ``gold`` items that the annotator never
        had, each a label like any other.

        Raises:
            InvalidArgument: a field is out of its range.
            BudgetExhausted: no label may be spent any more.
        """
        ttl = self._checked_lease(annotator, count, project.lease_ttl_s if ttl_s is None else ttl_s)
        self.expire(tx, project.id)
        closed = [
            run.id
            for run, asked in runs_of_people(tx, project.id)
            if run.state is RunState.PAUSED or not asked.is_for(annotator)
        ]
        picks = list(tx.labeling.claim_open_picks(project.id, annotator, project.overlap, count, closed))
        if not picks:
            return None
        runs = {batch: self.paying_run(tx, batch) for batch in {p.batch for p in picks}}
        run = runs[picks[0].batch]
        standing = self.budgets.standing(tx, project.id, run)
        affordable = labels_left(standing)
        lease_id = self.new_id()
        open_picks = [p for p in picks if runs[p.batch] == run][:affordable]
        keep = slipped_in(tx, project, annotator, open_picks, gold, lease_id)
        keep = keep[: deliverable(keep, project.id)]
        kept = {(p.batch, p.row) for p in keep}
        tx.labeling.free_slots([slot for p in picks if (slot := (p.batch, p.row)) not in kept])
        return self._granted(tx, project, annotator, keep, run=run, standing=standing, ttl=ttl, lease_id=lease_id)

    def lease_batch(
        self,
        tx: Transaction,
        project: Project,
        annotator: str,
        count: int,
        ttl_s: float | None = None,
        *,
        batch: Batch,
        picks: Sequence[Pick],
        deliverable: Callable[[Sequence[Pick], ProjectId], int] = lambda picks, _: len(picks),
    ) -> Leased | None:
        """Record a batch that was made for one annotator, and hand up to ``count`` picks over; None when none is left.

        Audit draws stay on record also where they are not handed over: which ones are must not depend on who has them.

        What somebody has on lease, what the annotator has answered, and what was deleted meanwhile is left out; so are
        items without an answer that are picked for who labels.

        Raises:
            InvalidArgument: a field is out of its range.
            BudgetExhausted: no label may be spent any more.
        """
        ttl = self._checked_lease(annotator, count, project.lease_ttl_s if ttl_s is None else ttl_s)
        self.expire(tx, project.id)
        # The annotator's lock before that of the budget, as everywhere: the other way round two calls could wait for
        # each other. Who leases such batches at the same time waits, and sees what is taken.
        tx.labeling.answering(project.id, annotator)
        standing = self.budgets.standing(tx, project.id, "")
        rows = [pick.row for pick in picks]
        barred = {*tx.labeling.leased_rows(project.id), *tx.pool.deleted_rows(project.id, rows)}
        given = tx.labeling.annotations(project.id, rows=rows)
        barred |= {a.row for a in given if a.annotator == annotator}
        # Who labels may be about to lease what is picked: a row that this transaction does not see on lease yet.
        answered = {a.row for a in given if a.outcome.reaches_learner}
        barred |= {*tx.labeling.open_rows(project.id, project.overlap)} - answered
        keep = [pick for pick in picks if pick.row not in barred][:count]
        if not keep:
            return None
        keep = keep[: labels_left(standing)]
        keep = keep[: deliverable(keep, project.id)]
        leased = self._granted(tx, project, annotator, keep, run="", standing=standing, ttl=ttl, lease_id=self.new_id())
        handed = {pick.row for pick in keep}
        tx.labeling.add_batch(batch, [pick for pick in picks if pick.audit or pick.row in handed])
        return leased

    def _granted(
        self,
        tx: Transaction,
        project: Project,
        annotator: str,
        keep: Sequence[Pick],
        *,
        run: str,
        standing: Sequence[Budget],
        ttl: timedelta,
        lease_id: str,
    ) -> Leased:
        """Store a lease on picks whose places are taken, with its labels reserved."""
        labels = Cost(labels=max(1, len(keep)))
        reservation = self.budgets.reserve(tx, project.id, run, labels, LABELS_LINE, standing=standing)
        now = self.clock.now()
        lease = Lease(
            id=lease_id,
            project=project.id,
            annotator=annotator,
            state=LeaseState.ACTIVE,
            reservation=reservation.id,
            expires_at=now + ttl,
            created_at=now,
        )
        tx.labeling.add_lease(lease, [LeaseItem(lease.id, p.batch, p.row, p.item_id) for p in keep])
        return Leased(lease, keep)

    def extend(self, tx: Transaction, project: Project, lease_id: str, ttl_s: float | None = None) -> Lease:
        """Let an active lease run for another ``ttl_s`` seconds from now."""
        lease = self.owned_lease(tx, project, lease_id)
        now = self.clock.now()
        if lease.state is not LeaseState.ACTIVE or lease.expires_at <= now:
            raise FailedPrecondition(
                f"lease {lease_id} is over; lease the items again (answers to it are still taken where useful)",
                reason="LEASE_OVER",
            )
        ttl = self._checked_lease(lease.annotator, 1, project.lease_ttl_s if ttl_s is None else ttl_s)
        tx.labeling.set_lease(lease.id, LeaseState.ACTIVE, now + ttl)
        return replace(lease, expires_at=now + ttl)

    def release(self, tx: Transaction, project: Project, lease_id: str) -> int:
        """Give the unanswered items of a lease back; return how many there were."""
        lease = self.owned_lease(tx, project, lease_id)
        return self.end(tx, lease, LeaseState.RELEASED) if lease.state is LeaseState.ACTIVE else 0

    def expire(self, tx: Transaction, project: ProjectId | None, limit: int = 1_000) -> int:
        """End the leases whose time is over; return how many."""
        over = tx.labeling.expired_leases(project, self.clock.now(), limit)
        for lease in over:
            self.end(tx, lease, LeaseState.EXPIRED)
        return len(over)

    def record(
        self,
        tx: Transaction,
        project: Project,
        batch: Batch,
        answers: Sequence[tuple[int, str, Answer]],
        *,
        kind: AnnotatorKind,
        trusted: bool,
        reservation: str,
        corrects: Mapping[int, int] = MappingProxyType({}),
    ) -> int:
        """Keep server-side annotators' answers, (row, item id, answer) each; return how many carry a label.

        ``corrects`` has, by row, the annotations instead of which they stand, unless they failed. Labels are settled
        under ``reservation``, if one is given; answers that were recorded before are neither kept nor booked again, and
        none is kept about an item that was deleted meanwhile.
        """
        gone = set(tx.pool.deleted_rows(project.id, [row for row, _, _ in answers]))
        annotations = [
            new_annotation(
                project,
                row,
                item_id,
                answer,
                batch=batch,
                annotator=answer.provenance.annotator,
                kind=kind,
                trusted=trusted,
                at=self.clock.now(),
                corrects=0 if answer.outcome is Outcome.FAILED else corrects.get(row, 0),
            )
            for row, item_id, answer in answers
            if row not in gone
        ]
        new = tx.labeling.add_annotations(annotations)
        labels = sum(a.outcome.reaches_learner for a, is_new in zip(annotations, new, strict=True) if is_new)
        if labels and reservation:
            self.budgets.settle(tx, reservation, Cost(labels=labels), close=False)
        return labels

    def end(self, tx: Transaction, lease: Lease, state: LeaseState) -> int:
        """End an active lease: its unanswered items, whose number is returned, and its labels are free again."""
        unanswered = [i for i in tx.labeling.lease_items(lease.id) if not i.answered]
        self.close(tx, lease, state, unanswered)
        self.budgets.release(tx, lease.reservation)
        return len(unanswered)

    def close(self, tx: Transaction, lease: Lease, state: LeaseState, unanswered: Sequence[LeaseItem]) -> None:
        """End an active lease of which so much is unanswered, and whose labels the caller settles."""
        tx.labeling.free_slots([(i.batch, i.row) for i in unanswered])
        tx.labeling.set_lease(lease.id, state, lease.expires_at)

    def owned_lease(self, tx: Transaction, project: Project, lease_id: str) -> Lease:
        """Return a lease of this project, or raise NotFound."""
        lease = tx.labeling.lease(lease_id)
        if lease is None or lease.project != project.id:
            raise NotFound("lease", lease_id)
        return lease

    def held_lease(self, tx: Transaction, project: Project, lease_id: str, annotator: str) -> Lease:
        """Return a lease of this project that an annotator ('' for whoever it is) holds.

        Raises:
            NotFound: there is no such lease.
            InvalidArgument: somebody else holds it.
        """
        lease = self.owned_lease(tx, project, lease_id)
        if annotator not in ("", lease.annotator):
            raise InvalidArgument.field(
                "annotator", f"lease {lease_id} is held by {lease.annotator!r}, who alone answers on it"
            )
        return lease

    def paying_run(self, tx: Transaction, batch_id: str) -> str:
        """Return the run whose budget answers to a batch count against; '' for the project's alone.

        What a run left open stays worth asking when it has ended, but its budget buys nothing any more.
        """
        batch = self.batches.get(tx, batch_id)
        run = tx.runs.get(batch.run) if batch and batch.run else None
        return run.id if run and not run.state.ended else ""

    def _checked_lease(self, annotator: str, count: int, ttl_s: float) -> timedelta:
        violations = []
        if not annotator or not annotator.isprintable() or len(annotator) > self.limits.class_name_bytes:
            violations.append(("annotator", f"give a name of 1 to {self.limits.class_name_bytes} printable characters"))
        if not 1 <= count <= self.limits.lease_items:
            violations.append(("count", f"from 1 to {self.limits.lease_items}, got {count}"))
        if not 1.0 <= ttl_s <= 86_400.0:
            violations.append(("ttl", f"from 1 second to 1 day, got {ttl_s:g} seconds"))
        if violations:
            raise InvalidArgument(violations)
        return timedelta(seconds=ttl_s)


def new_annotation(
    project: Project,
    row: int,
    item_id: str,
    answer: Answer,
    *,
    batch: Batch | None,
    annotator: str,
    kind: AnnotatorKind,
    trusted: bool,
    at: datetime,
    corrects: int = 0,
) -> Annotation:
    """Return the annotation that an answer becomes; the store numbers it."""
    return Annotation(
        id=0,
        project=project.id,
        row=row,
        item_id=item_id,
        annotator=annotator,
        kind=kind,
        trusted=trusted,
        outcome=answer.outcome,
        label=written(answer.body),
        answer=answer,
        run=batch.run if batch else "",
        round=batch.round if batch else 0,
        batch=batch.id if batch else "",
        created_at=at,
        corrects=corrects,
    )
