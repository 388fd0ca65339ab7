"""Money, tokens and labels: reserve the worst case, settle what it was, refund the rest (invariant 3).

Every movement appends one ledger line in the transaction that changes the balances. For every budget and
dimension ``spent + reserved <= limit`` holds after every transaction, whoever else is writing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from nextlabel.server.ports.state_store import Transaction
from nextlabel.server.ports.system import Clock
from nextlabel.server.values.errors import BudgetExhausted, InvalidArgument, NotFound
from nextlabel.server.values.ids import ProjectId
from nextlabel.server.values.money.budgets import Budget, Limit, Reservation, Window
from nextlabel.server.values.money.costs import BudgetDimension, Cost
from nextlabel.server.values.money.ledger import LedgerEntry, LedgerKind

NOTHING = Cost(labels=0, tokens=0, micro_usd=0)
PRESUMED = "/presumed"
"""Ends the line of a ledger entry that books an abandoned reservation."""


@dataclass(frozen=True, slots=True)
class Budgets:
    """The books of every project. Units of work: each method runs inside the caller's transaction."""

    clock: Clock
    new_id: Callable[[], str]

    def set_limit(
        self,
        tx: Transaction,
        project: ProjectId,
        run: str,
        window: Window,
        dimension: BudgetDimension,
        bound: int | None,
    ) -> Budget:
        """Set or (with None) lift one limit; it counts from the next reservation on. What is spent stays spent.

        Raises:
            InvalidArgument: a negative limit.
        """
        if bound is not None and bound < 0:
            raise InvalidArgument.field("limit", f"must not be negative, got {bound}")
        tx.budgets.lock(project)
        present = {b.window: b for b in tx.budgets.budget(project, run)}.get(window)
        present = present or self._opening(tx, project, run, window)
        limit = replace(present.limit, **{dimension.value: bound})
        budget = replace(present, limit=limit, updated_at=self.clock.now())
        tx.budgets.put_budget(budget)
        line = f"{window.value}/{dimension.value}/{'none' if bound is None else 'limit'}"
        amount = Cost(**{dimension.value: bound or 0})
        tx.budgets.append(
            LedgerEntry(
                id=0,
                project=project,
                run=run,
                reservation="",
                line=line,
                kind=LedgerKind.SET_LIMIT,
                amount=amount,
                at=self.clock.now(),
            )
        )
        return budget

    def reserve(
        self,
        tx: Transaction,
        project: ProjectId,
        run: str,
        worst: Cost,
        line: str,
        key: str = "",
        standing: Sequence[Budget] | None = None,
    ) -> Reservation:
        """Set ``worst`` aside in the project's and the run's budgets.

        While a reservation of the same non-empty ``key`` is open, that one is returned and nothing is added.
        ``standing`` is what :meth:`standing` has returned in this transaction, after which nothing was booked.

        Raises:
            BudgetExhausted: a limit would be passed; nothing was reserved.
        """
        tx.budgets.lock(project)
        if key and (present := tx.budgets.open_reservation(project, key)) is not None:
            return present
        budgets = self._current(tx, project, run) if standing is None else standing
        for budget in budgets:
            _check_limit(budget, worst, line)
        for budget in budgets:
            tx.budgets.put_budget(replace(budget, reserved=budget.reserved + worst, updated_at=self.clock.now()))
        now = self.clock.now()
        reservation = Reservation(
            id=self.new_id(),
            key=key,
            project=project,
            run=run,
            line=line,
            remaining=worst,
            open=True,
            day=now.date().isoformat(),
            created_at=now,
        )
        tx.budgets.add_reservation(reservation)
        self._append(tx, reservation, LedgerKind.RESERVE, worst)
        return reservation

    def settle(self, tx: Transaction, reservation_id: str, actual: Cost, *, close: bool = True) -> Reservation:
        """Book what was really spent; with ``close`` the rest is refunded, else it stays reserved.

        A closed reservation is settled all the same (a paid answer that comes late is still paid), but for what was
        booked when it was abandoned.
        """
        reservation = self._reservation(tx, reservation_id)
        booked = _at_most(actual, reservation.presumed)
        spent = actual - booked
        kept = _at_most(spent, reservation.remaining)
        remaining = reservation.remaining - kept
        freed = reservation.remaining if close else kept
        self._move(tx, reservation, spent=spent, freed=freed)
        if booked == NOTHING or spent != NOTHING:
            self._append(tx, reservation, LedgerKind.SETTLE, spent)
        if close and remaining != NOTHING:
            self._append(tx, reservation, LedgerKind.RELEASE, remaining)
        settled = replace(
            reservation,
            remaining=NOTHING if close else remaining,
            open=reservation.open and not close,
            presumed=reservation.presumed - booked,
        )
        tx.budgets.update_reservation(settled)
        return settled

    def release(self, tx: Transaction, reservation_id: str) -> Reservation:
        """Refund all that remains of a reservation; nothing was spent under it any more."""
        reservation = self._reservation(tx, reservation_id)
        if not reservation.open:
            return reservation
        if reservation.remaining != NOTHING:
            self._move(tx, reservation, spent=NOTHING, freed=reservation.remaining)
            self._append(tx, reservation, LedgerKind.RELEASE, reservation.remaining)
        released = replace(reservation, remaining=NOTHING, open=False)
        tx.budgets.update_reservation(released)
        return released

    def abandon(self, tx: Transaction, reservation_id: str) -> Reservation:
        """Close a reservation that nobody will settle: its labels are free again, all else counts as spent.

        A label is booked in the transaction that keeps it, so that one still reserved was certainly not spent.
        """
        reservation = self._reservation(tx, reservation_id)
        if not reservation.open:
            return reservation
        presumed = replace(reservation.remaining, labels=0)
        self._move(tx, reservation, spent=presumed, freed=reservation.remaining)
        if presumed != NOTHING:
            self._append(tx, replace(reservation, line=reservation.line + PRESUMED), LedgerKind.SETTLE, presumed)
        if presumed != reservation.remaining:
            self._append(tx, reservation, LedgerKind.RELEASE, reservation.remaining - presumed)
        abandoned = replace(reservation, remaining=NOTHING, open=False, presumed=presumed)
        tx.budgets.update_reservation(abandoned)
        return abandoned

    def spent(self, tx: Transaction, project: ProjectId, run: str | None = None) -> Cost:
        """Sum what a project, or one of its runs, has settled."""
        return tx.budgets.total(project, LedgerKind.SETTLE, run)

    def affordable_labels(self, tx: Transaction, project: ProjectId, run: str) -> int | None:
        """Return how many more labels the budgets allow, None when nothing limits them."""
        return labels_left(self._current(tx, project, run))

    def standing(self, tx: Transaction, project: ProjectId, run: str) -> Sequence[Budget]:
        """Return the budgets a spender is under, which nobody else changes until the transaction ends."""
        tx.budgets.lock(project)
        return self._current(tx, project, run)

    def exhausted(self, tx: Transaction, project: ProjectId, run: str) -> BudgetDimension | None:
        """Return a dimension of which nothing is left, if there is one."""
        for budget in self._current(tx, project, run):
            for dimension in BudgetDimension:
                bound = budget.limit.amount(dimension)
                if bound is not None and budget.spent.amount(dimension) >= bound:
                    return dimension
        return None

    def current(self, tx: Transaction, project: ProjectId, run: str, window: Window) -> Budget:
        """Return the budget of one window as it stands now; without bounds where none was set."""
        for budget in self._current(tx, project, run):
            if (budget.run, budget.window) == (run, window):
                return budget
        return self._opening(tx, project, run, window)

    def _opening(self, tx: Transaction, project: ProjectId, run: str, window: Window) -> Budget:
        """Return a budget that starts from what the books already say."""
        now = self.clock.now()
        today = now.date().isoformat()
        reserved = NOTHING
        for r in tx.budgets.open_reservations(project):
            if run in ("", r.run):
                reserved += r.remaining
        of_day = window is Window.DAY
        spent = self._booked_today(tx, project, run) if of_day else self.spent(tx, project, run or None)
        return Budget(
            project=project,
            run=run,
            window=window,
            limit=Limit(),
            spent=spent,
            reserved=reserved,
            day=today if of_day else "",
            updated_at=now,
        )

    def _current(self, tx: Transaction, project: ProjectId, run: str) -> Sequence[Budget]:
        """Return the budgets a spender is under, a day's budget rolled over to today.

        The day of a budget does not go back to the day before, where a clock that was set back would grant a day
        twice. A day further ahead is that of a clock that was wrong; what was booked on the right day counts then.
        """
        found = list(tx.budgets.budget(project, ""))
        if run:
            found += tx.budgets.budget(project, run)
        return [self._rolled_over(tx, budget) if budget.window is Window.DAY else budget for budget in found]

    def _rolled_over(self, tx: Transaction, budget: Budget) -> Budget:
        today, tomorrow = self._today_and_tomorrow()
        if today <= budget.day <= tomorrow:
            return budget
        spent = NOTHING if budget.day < today else self._booked_today(tx, budget.project, budget.run)
        return replace(budget, spent=spent, day=today)

    def _booked_today(self, tx: Transaction, project: ProjectId, run: str) -> Cost:
        """Sum what was settled today, and tomorrow by a clock that has been set back since."""
        today, tomorrow = self._today_and_tomorrow()
        entries = tx.budgets.entries(project, run or None)
        settled = (e for e in entries if e.kind is LedgerKind.SETTLE)
        return sum((e.amount for e in settled if today <= e.at.date().isoformat() <= tomorrow), start=NOTHING)

    def _today_and_tomorrow(self) -> tuple[str, str]:
        today = self.clock.now().date()
        return today.isoformat(), (today + timedelta(days=1)).isoformat()

    def _move(self, tx: Transaction, reservation: Reservation, *, spent: Cost, freed: Cost) -> None:
        for budget in self._current(tx, reservation.project, reservation.run):
            tx.budgets.put_budget(
                replace(
                    budget,
                    spent=budget.spent + spent,
                    reserved=budget.reserved - freed,
                    updated_at=self.clock.now(),
                )
            )

    def _append(self, tx: Transaction, reservation: Reservation, kind: LedgerKind, amount: Cost) -> None:
        tx.budgets.append(
            LedgerEntry(
                id=0,
                project=reservation.project,
                run=reservation.run,
                reservation=reservation.id,
                line=reservation.line,
                kind=kind,
                amount=amount,
                at=self.clock.now(),
            )
        )

    def _reservation(self, tx: Transaction, reservation_id: str) -> Reservation:
        reservation = tx.budgets.reservation(reservation_id)
        if reservation is None:
            raise NotFound("reservation", reservation_id)
        if tx.budgets.lock(reservation.project):
            # Another process may have settled between the reading and the lock.
            return tx.budgets.reservation(reservation_id) or reservation
        return reservation


def labels_left(budgets: Sequence[Budget]) -> int | None:
    """Return how many more labels all of these budgets allow, None when nothing limits them."""
    rooms = [b.limit.labels - b.spent.labels - b.reserved.labels for b in budgets if b.limit.labels is not None]
    return max(0, min(rooms)) if rooms else None


def _check_limit(budget: Budget, worst: Cost, line: str) -> None:
    for dimension in BudgetDimension:
        bound = budget.limit.amount(dimension)
        wanted = worst.amount(dimension)
        if bound is None or not wanted:
            continue
        committed = budget.spent.amount(dimension) + budget.reserved.amount(dimension)
        if committed + wanted > bound:
            owner = f"run {budget.run}" if budget.run else "project"
            window = "today's" if budget.window is Window.DAY else "the"
            raise BudgetExhausted(
                dimension,
                bound,
                line=line,
                message=(
                    f"{window} budget of this {owner} is {dimension.shown(bound)}: {dimension.shown(committed)} spent "
                    f"or reserved, {dimension.shown(wanted)} more wanted; raise the budget to go on"
                ),
            )


def _at_most(cost: Cost, bound: Cost) -> Cost:
    return Cost(
        labels=min(cost.labels, bound.labels),
        tokens=min(cost.tokens, bound.tokens),
        micro_usd=min(cost.micro_usd, bound.micro_usd),
    )
