"""BudgetService over the domain."""

# ruff: noqa: N802 -- the methods are named by the API

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from nextlabel.server.api.convert_annotations import cost_message
from nextlabel.server.api.convert_values import number_of, page, page_size, page_token, timestamp
from nextlabel.server.api.idempotency import Replies
from nextlabel.server.api.project_finder import ProjectFinder
from nextlabel.server.domain.accounts import Budget, LedgerEntry, LedgerKind, Window
from nextlabel.server.domain.budgets import Budgets
from nextlabel.server.domain.errors import BudgetDimension, InvalidArgument, NotFound
from nextlabel.server.domain.ports import StateStore, Transaction
from nextlabel.server.domain.state import Project
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
            return _message(self.budgets.current(tx, project.id, request.run, window), project, dimension)

        return pb.GetBudgetResponse(budget=await self.store.read(work))

    async def SetBudget(self, request: pb.SetBudgetRequest, context: Any) -> pb.SetBudgetResponse:
        """Set or lift a limit."""
        project = await self.finder.project(request.project)
        dimension, window = _dimension_of(request.dimension), _window_of(request.window)
        limit = request.limit if request.HasField("limit") else None

        def work(tx: Transaction) -> pb.SetBudgetResponse:
            _check_run(tx, project, request.run)
            budget = self.budgets.set_limit(tx, project.id, request.run, window, dimension, limit)
            return pb.SetBudgetResponse(budget=_message(budget, project, dimension))

        return await self.replies.once(request, pb.SetBudgetResponse, work)

    async def ListBudgets(self, request: pb.ListBudgetsRequest, context: Any) -> pb.ListBudgetsResponse:
        """List the limits that are set, those of the project first."""
        project = await self.finder.project(request.project)

        def work(tx: Transaction) -> list[pb.Budget]:
            known = sorted(tx.budgets.budgets(project.id), key=lambda b: (b.run, b.window))
            return [
                _message(self.budgets.current(tx, project.id, budget.run, budget.window), project, dimension)
                for budget in known
                for dimension in BudgetDimension
                if getattr(budget.limit, dimension.value) is not None
            ]

        entries, token = page(await self.store.read(work), request.page_token, request.page_size)
        return pb.ListBudgetsResponse(budgets=entries, next_page_token=token)

    async def ListLedgerEntries(
        self, request: pb.ListLedgerEntriesRequest, context: Any
    ) -> pb.ListLedgerEntriesResponse:
        """List the entries of the ledger, oldest first."""
        project = await self.finder.project(request.project)
        size, after = page_size(request.page_size), number_of(request.page_token)
        found = await self.store.read(
            lambda tx: tx.budgets.entries(project.id, request.run or None, after_id=after, limit=size + 1)
        )
        return pb.ListLedgerEntriesResponse(
            entries=[_entry(entry) for entry in found[:size]],
            next_page_token=page_token(found[size - 1].id) if len(found) > size else "",
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


def _message(budget: Budget, project: Project, dimension: BudgetDimension) -> pb.Budget:
    name = dimension.value
    return pb.Budget(
        project=project.name,
        run=budget.run,
        dimension=_DIMENSIONS[dimension],
        window=_WINDOW_MESSAGES[budget.window],
        limit=getattr(budget.limit, name),
        settled=getattr(budget.spent, name),
        reserved=getattr(budget.reserved, name),
        update_time=timestamp(budget.updated_at),
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
