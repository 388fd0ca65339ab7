"""How fast the runs under way spend, and how long what is left of a budget lasts at that rate."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from nextlabel.v1 import budget_service_pb2 as budgets_pb
from nextlabel.v1 import run_service_pb2 as runs_pb

_OF_A_COST = {
    budgets_pb.BUDGET_DIMENSION_LABELS: "labels",
    budgets_pb.BUDGET_DIMENSION_TOKENS: "tokens",
    budgets_pb.BUDGET_DIMENSION_MICRO_USD: "micro_usd",
}


@dataclass(frozen=True, slots=True)
class Pace:
    """What is spent in an hour, in the unit of the budget, and how many hours the rest lasts; None without a limit."""

    per_hour: float
    hours_left: float | None


def pace(budget: budgets_pb.Budget, runs: Iterable[runs_pb.Run], now: datetime) -> Pace | None:
    """Return the pace of the runs that are running, on average since each began; None where they spend nothing."""
    per_hour = 0.0
    for run in runs:
        hours = (now - run.create_time.ToDatetime(UTC)).total_seconds() / 3_600
        if run.state == runs_pb.RUN_STATE_RUNNING and hours > 0:
            per_hour += getattr(run.spent, _OF_A_COST[budget.dimension]) / hours
    if not per_hour:
        return None
    left = budget.limit - budget.settled if budget.HasField("limit") else None
    return Pace(per_hour, None if left is None else max(0.0, left / per_hour))
