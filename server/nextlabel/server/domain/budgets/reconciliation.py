"""Who may still settle an open reservation, and what becomes of one whose owner is gone.

A lease owns its labels. A run owns its reservations while a server drives it, which the lock of the run's name shows.
A message batch owns those of its requests until it is finished, by whichever run. A call outside of runs owns its own
for as long as a call can last. What has no owner is abandoned: see :meth:`Budgets.abandon`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import timedelta

from nextlabel.server.domain.budgets.budgets import Budgets
from nextlabel.server.ports.state_store import Transaction
from nextlabel.server.values.errors import FailedPrecondition, NotFound
from nextlabel.server.values.ids import ProjectId
from nextlabel.server.values.money.budgets import Holder, Reservation

LONGEST_CALL = timedelta(hours=1)
"""A call outside of runs, all its attempts and waits included, is over long before."""
_IN_USE = {
    Holder.LEASE: "it comes back when its lease ends; release the lease",
    Holder.RUN: "its run is under way and settles it; stop the run first",
    Holder.CALL: "a call may be waiting for its answer; it is closed by itself when it is an hour old",
}


def abandon_calls(tx: Transaction, budgets: Budgets, project: ProjectId, run: str) -> int:
    """Abandon the calls of a run that another server, now gone, was waiting for; return how many.

    Labels stay reserved: whoever takes the run up goes on with its batch.
    """
    left = [r for r in _of_run(tx, project, run) if r.remaining.tokens or r.remaining.micro_usd]
    return _abandon(tx, budgets, left)


def abandon_run(tx: Transaction, budgets: Budgets, project: ProjectId, run: str) -> int:
    """Abandon what a run that has ended left open, but for its message batches and people's leases; return how many."""
    return _abandon(tx, budgets, _of_run(tx, project, run))


def abandon_old_calls(tx: Transaction, budgets: Budgets) -> int:
    """Abandon what calls outside of runs have left open for longer than any can last; return how many."""
    return _abandon(tx, budgets, tx.budgets.reservations_of_calls(budgets.clock.now() - LONGEST_CALL))


def close_books(tx: Transaction, budgets: Budgets, project: ProjectId) -> None:
    """Abandon all that is open in a project that is about to be deleted, its leases' labels included."""
    for reservation in tx.budgets.open_reservations(project):
        budgets.abandon(tx, reservation.id)


def held(tx: Transaction, budgets: Budgets, project: ProjectId) -> Sequence[tuple[Reservation, Holder]]:
    """Return the open reservations of a project, oldest first, each with who may still settle it."""
    awaited = _awaited(tx, project)
    return [(r, _holder(tx, budgets, r, awaited)) for r in tx.budgets.open_reservations(project)]


def close(tx: Transaction, budgets: Budgets, project: ProjectId, reservation_id: str, *, refund: bool) -> Reservation:
    """Close a reservation by hand: refund it, or count it as spent at the worst. A closed one stays as it is.

    Raises:
        NotFound: the project has no such reservation.
        FailedPrecondition: a lease, a run under way or a call may still settle it.
    """
    reservation = tx.budgets.reservation(reservation_id)
    if reservation is None or reservation.project != project:
        raise NotFound("reservation", reservation_id)
    if not reservation.open:
        return reservation
    holder = _holder(tx, budgets, reservation, _awaited(tx, project))
    if holder in _IN_USE:
        raise FailedPrecondition(
            f"reservation {reservation_id} is in use: {_IN_USE[holder]}", reason="RESERVATION_IN_USE"
        )
    return budgets.release(tx, reservation_id) if refund else budgets.abandon(tx, reservation_id)


def _of_run(tx: Transaction, project: ProjectId, run: str) -> Sequence[Reservation]:
    return [r for r in tx.budgets.open_reservations(project) if r.run == run and r.key]


def _abandon(tx: Transaction, budgets: Budgets, left: Sequence[Reservation]) -> int:
    awaited = {project: _awaited(tx, project) for project in {r.project for r in left}}
    gone = [r for r in left if r.key not in awaited[r.project]]
    for reservation in gone:
        budgets.abandon(tx, reservation.id)
    return len(gone)


def _holder(tx: Transaction, budgets: Budgets, reservation: Reservation, awaited: Collection[str]) -> Holder:
    if not reservation.key:
        return Holder.LEASE
    run = tx.runs.get(reservation.run) if reservation.run else None
    if run is not None and not run.state.ended:
        return Holder.RUN
    if reservation.key in awaited:
        return Holder.MESSAGE_BATCH
    recent = reservation.created_at > budgets.clock.now() - LONGEST_CALL
    return Holder.CALL if recent and not reservation.run else Holder.NOBODY


def _awaited(tx: Transaction, project: ProjectId) -> frozenset[str]:
    """Return the keys under which message batches that are not finished will settle."""
    return frozenset(key for intent in tx.budgets.intents(project) for key in intent.worst)
