"""Budgets and the ledger."""

from collections.abc import AsyncIterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from nextlabel.client.literals import DimensionName, WindowName
from nextlabel.client.messages.enums import enum_value
from nextlabel.client.transport.calls import Mode, Scope, Service, project_call, project_stream
from nextlabel.v1 import budget_service_pb2 as pb
from nextlabel.v1.budget_service_pb2_grpc import BudgetServiceStub

if TYPE_CHECKING:
    from nextlabel.v1.budget_service_pb2_grpc import BudgetServiceAsyncStub


class Budgets(Service[Mode, Scope]):
    """Sets budgets and shows what was spent.

    `dimension` is labels, tokens or micro_usd; `window` total or day (from 00:00 UTC); `run` is the id of a run,
    empty for the budget of the project.
    """

    @cached_property
    def _stub(self) -> "BudgetServiceAsyncStub":
        return BudgetServiceStub(self._connection.channel)

    @project_call
    async def get(
        self, project: str, dimension: DimensionName, *, run: str = "", window: WindowName = "total"
    ) -> pb.Budget:
        """One budget."""
        request = pb.GetBudgetRequest(
            project=project,
            run=run,
            dimension=enum_value(pb.BudgetDimension, dimension, "dimension"),
            window=enum_value(pb.BudgetWindow, window, "window"),
        )
        return (await self._connection.unary(self._stub.GetBudget, request)).budget

    @project_call
    async def set(
        self, project: str, dimension: DimensionName, limit: int | None, *, run: str = "", window: WindowName = "total"
    ) -> pb.Budget:
        """Set a limit in the unit of the dimension, from the next reservation on; None takes it away."""
        request = pb.SetBudgetRequest(
            project=project,
            run=run,
            dimension=enum_value(pb.BudgetDimension, dimension, "dimension"),
            window=enum_value(pb.BudgetWindow, window, "window"),
            limit=limit,
        )
        return (await self._connection.unary(self._stub.SetBudget, request)).budget

    @project_stream
    async def list(self, project: str) -> AsyncIterator[Sequence[pb.Budget]]:
        """The budgets of the project and of its runs."""
        request = pb.ListBudgetsRequest(project=project)
        async for page in self._connection.pages(self._stub.ListBudgets, request, lambda page: page.budgets):
            yield page

    @project_stream
    async def ledger(
        self, project: str, *, run: str = "", deleted: bool = False, page_size: int = 1_000
    ) -> AsyncIterator[Sequence[pb.LedgerEntry]]:
        """The entries of the ledger, oldest first; with `deleted` those of deleted projects that had this name."""
        request = pb.ListLedgerEntriesRequest(project=project, run=run, deleted=deleted, page_size=page_size)
        pages = self._connection.pages(self._stub.ListLedgerEntries, request, lambda page: page.entries)
        async for page in pages:
            yield page

    @project_stream
    async def reservations(self, project: str) -> AsyncIterator[Sequence[pb.Reservation]]:
        """The open reservations, oldest first, each with who may still settle it."""
        request = pb.ListReservationsRequest(project=project)
        pages = self._connection.pages(self._stub.ListReservations, request, lambda page: page.reservations)
        async for page in pages:
            yield page

    @project_call
    async def close_reservation(self, project: str, reservation_id: str, *, refund: bool = False) -> None:
        """Close a reservation that nothing will settle: its worst case counts as spent, or is given back.

        Raises NextlabelError: FAILED_PRECONDITION while a lease, a run under way or a call may still settle it.
        """
        request = pb.CloseReservationRequest(project=project, reservation_id=reservation_id, refund=refund)
        await self._connection.unary(self._stub.CloseReservation, request)
