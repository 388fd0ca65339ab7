"""BudgetService over the domain."""

# ruff: noqa: N802 -- the methods are named by the API

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from nextlabel.server.api.boundary.calls import current_call
from nextlabel.server.api.boundary.idempotency import Replies
from nextlabel.server.api.messages.labeling.annotations import cost_message
from nextlabel.server.api.messages.values import fitting, number_of, page, page_size, page_token, timestamp
from nextlabel.server.api.reading.project_finder import ProjectFinder
from nextlabel.server.domain.budgets import reconciliation
from nextlabel.server.domain.budgets.budgets import Budgets
from nextlabel.server.ports.state_store import StateStore, Transaction
from nextlabel.server.values.access import Role
from nextlabel.server.values.errors import InvalidArgument, NotFound, PermissionDenied
from nextlabel.server.values.ids import ProjectId
from nextlabel.server.values.money.budgets import Holder, Reservation, Window
from nextlabel.server.values.money.costs import BudgetDimension, Cost
from nextlabel.server.values.money.ledger import LedgerEntry, LedgerKind
from nextlabel.server.values.projects.projects import Project
from nextlabel.v1 import budget_service_pb2 as pb
from nextlabel.v1.budget_service_pb2_grpc import BudgetServiceServicer

_DIMENSIONS = {
    BudgetDimension.LABELS: pb.BUDGET_DIMENSION_LABELS,
    BudgetDimension.TOKENS: pb.BUDGET_DIMENSION_TOKENS,
    BudgetDimension.MICRO_USD: pb.BUDGET_DIMENSION_MICRO_USD,
}
_WINDOWS = {
    pb.BUDGET_WINDOW_UNSPECIFIED: Window.TOTAL,
    pb.BUDGET_WINDOW_TOTAL: Window.TOTAL,
    pb.BUDGET_WINDOW_DAY: Window.DAY,
}
_WINDOW_MESSAGES = {Window.TOTAL: pb.BUDGET_WINDOW_TOTAL, Window.DAY: pb.BUDGET_WINDOW_DAY}
_KINDS = {
    LedgerKind.RESERVE: pb.LEDGER_ENTRY_KIND_RESERVE,
    LedgerKind.SETTLE: pb.LEDGER_ENTRY_KIND_SETTLE,
    LedgerKind.RELEASE: pb.LEDGER_ENTRY_KIND_RELEASE,
    LedgerKind.SET_LIMIT: pb.LEDGER_ENTRY_KIND_SET_LIMIT,
}
_HOLDERS = {
    Holder.NOBODY: pb.RESERVATION_HOLDER_NOBODY,
    Holder.LEASE: pb.RESERVATION_HOLDER_LEASE,
    Holder.RUN: pb.RESERVATION_HOLDER_RUN,
    Holder.MESSAGE_BATCH: pb.RESERVATION_HOLDER_MESSAGE_BATCH,
    Holder.CALL: pb.RESERVATION_HOLDER_CALL,
}


@dataclass(frozen=True, slots=True)
class BudgetServicer(BudgetServiceServicer):
    """Translates calls about budgets and the ledger."""

    store: StateStore
    finder: ProjectFinder
    replies: Replies
    budgets: Budgets

    async def GetBudget(self, request: pb.GetBudgetRequest, context: Any) -> pb.GetBudgetResponse:
        """Return one budget."""
        project = await self.finder.project(request.project)
        dimension, window = _dimension_of(request.dimension), _window_of(request.window)

        def work(tx: Transaction) -> pb.Budget:
            _check_run(tx, project, request.run)
            return self._budget(tx, project, request.run, window, dimension)

        return pb.GetBudgetResponse(budget=await self.store.read(work))

    async def SetBudget(self, request: pb.SetBudgetRequest, context: Any) -> pb.SetBudgetResponse:
        """Set or lift a limit."""
        project = await self.finder.project(request.project)
        dimension, window = _dimension_of(request.dimension), _window_of(request.window)
        limit = request.limit if request.HasField("limit") else None

        def work(tx: Transaction) -> pb.SetBudgetResponse:
            _check_run(tx, project, request.run)
            self.budgets.set_limit(tx, project.id, request.run, window, dimension, limit)
            return pb.SetBudgetResponse(budget=self._budget(tx, project, request.run, window, dimension))

        return await self.replies.once(request, pb.SetBudgetResponse, work)

    async def ListBudgets(self, request: pb.ListBudgetsRequest, context: Any) -> pb.ListBudgetsResponse:
        """List the limits that are set, those of the project first."""
        project = await self.finder.project(request.project)

        def work(tx: Transaction) -> list[pb.Budget]:
            known = sorted(tx.budgets.budgets(project.id), key=lambda b: (b.run, b.window))
            return [
                self._budget(tx, project, budget.run, budget.window, dimension)
                for budget in known
                for dimension in BudgetDimension
                if budget.limit.amount(dimension) is not None
            ]

        entries, token = page(await self.store.read(work), request.page_token, request.page_size, lambda entry: entry)
        return pb.ListBudgetsResponse(budgets=entries, next_page_token=token)

    async def ListLedgerEntries(
        self, request: pb.ListLedgerEntriesRequest, context: Any
    ) -> pb.ListLedgerEntriesResponse:
        """List the entries of the ledger, oldest first; for an admin those of deleted projects too."""
        if request.deleted and current_call().principal.role is not Role.ADMIN:
            raise PermissionDenied("only an admin may read the ledgers of deleted projects", reason="ROLE_MISSING")
        size, after = page_size(request.page_size), number_of(request.page_token)

        def work(tx: Transaction) -> list[LedgerEntry]:
            found: list[LedgerEntry] = []
            for project in self._ledgers(tx, request):
                missing = size + 1 - len(found)
                found += tx.budgets.entries(project, request.run or None, after_id=after, limit=missing)
            return found

        found = await self.store.read(work)
        entries = fitting(map(_entry, found[:size]))
        more = len(found) > len(entries)
        return pb.ListLedgerEntriesResponse(
            entries=entries, next_page_token=page_token(found[len(entries) - 1].id) if more else ""
        )

    async def ListReservations(self, request: pb.ListReservationsRequest, context: Any) -> pb.ListReservationsResponse:
        """List the open reservations, oldest first."""
        project = await self.finder.project(request.project)
        found = await self.store.read(lambda tx: reconciliation.held(tx, self.budgets, project.id))
        reservations, token = page(found, request.page_token, request.page_size, lambda entry: _reservation(*entry))
        return pb.ListReservationsResponse(reservations=reservations, next_page_token=token)

    async def CloseReservation(self, request: pb.CloseReservationRequest, context: Any) -> pb.CloseReservationResponse:
        """Close a reservation that nothing will settle."""
        project = await self.finder.project(request.project)

        def work(tx: Transaction) -> pb.CloseReservationResponse:
            reconciliation.close(tx, self.budgets, project.id, request.reservation_id, refund=request.refund)
            return pb.CloseReservationResponse()

        return await self.replies.once(request, pb.CloseReservationResponse, work)

    def _ledgers(self, tx: Transaction, request: pb.ListLedgerEntriesRequest) -> Sequence[ProjectId]:
        """Return the projects whose entries are asked for; NotFound when there never was one."""
        if not request.deleted:
            return [self.finder.projects.get(tx, request.project).id]
        deleted = tx.projects.deleted(request.project)
        if not deleted:
            raise NotFound("deleted project", request.project)
        return deleted

    def _budget(
        self, tx: Transaction, project: Project, run: str, window: Window, dimension: BudgetDimension
    ) -> pb.Budget:
        budget = self.budgets.current(tx, project.id, run, window)
        presumed = tx.budgets.presumed(project.id, run or None) if window is Window.TOTAL else Cost()
        return pb.Budget(
            project=project.name,
            run=run,
            dimension=_DIMENSIONS[dimension],
            window=_WINDOW_MESSAGES[window],
            limit=budget.limit.amount(dimension),
            settled=budget.spent.amount(dimension),
            reserved=budget.reserved.amount(dimension),
            presumed=presumed.amount(dimension),
            update_time=timestamp(budget.updated_at),
        )


def _check_run(tx: Transaction, project: Project, run_id: str) -> None:
    run = tx.runs.get(run_id) if run_id else None
    if run_id and (run is None or run.project != project.id):
        raise NotFound("run", run_id)


def _dimension_of(message: pb.BudgetDimension.ValueType) -> BudgetDimension:
    for dimension, known in _DIMENSIONS.items():
        if known == message:
            return dimension
    raise InvalidArgument.field("dimension", "must be LABELS, TOKENS or MICRO_USD")


def _window_of(message: pb.BudgetWindow.ValueType) -> Window:
    if message not in _WINDOWS:
        raise InvalidArgument.field("window", "must be TOTAL or DAY")
    return _WINDOWS[message]


def _reservation(reservation: Reservation, holder: Holder) -> pb.Reservation:
    return pb.Reservation(
        reservation_id=reservation.id,
        run=reservation.run,
        line=reservation.line,
        remaining=cost_message(reservation.remaining),
        holder=_HOLDERS[holder],
        create_time=timestamp(reservation.created_at),
    )


def _entry(entry: LedgerEntry) -> pb.LedgerEntry:
    return pb.LedgerEntry(
        number=entry.id,
        kind=_KINDS[entry.kind],
        reservation=entry.reservation,
        run=entry.run,
        line=entry.line,
        amount=cost_message(entry.amount),
        create_time=timestamp(entry.at),
    )
