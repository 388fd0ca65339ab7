"""How long a budget lasts at the pace of the runs under way."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from nextlabel.server.web.dashboard.spending import Pace, pace
from nextlabel.v1 import annotation_pb2
from nextlabel.v1 import budget_service_pb2 as budgets_pb
from nextlabel.v1 import run_service_pb2 as runs_pb

NOW = datetime(2026, 1, 2, 12, tzinfo=UTC)


def run(hours: float, labels: int, state: runs_pb.RunState.ValueType = runs_pb.RUN_STATE_RUNNING) -> runs_pb.Run:
    found = runs_pb.Run(state=state, spent=annotation_pb2.Cost(labels=labels, micro_usd=10 * labels))
    found.create_time.FromDatetime(NOW - timedelta(hours=hours))
    return found


def budget(limit: int | None, settled: int = 0) -> budgets_pb.Budget:
    return budgets_pb.Budget(dimension=budgets_pb.BUDGET_DIMENSION_LABELS, limit=limit, settled=settled)


@pytest.mark.parametrize(
    ("runs", "limit", "settled", "found"),
    [
        ([], 100, 0, None),
        ([run(2, 0)], 100, 0, None),
        ([run(0, 5)], 100, 0, None),
        ([run(2, 40)], 100, 40, Pace(20, 3)),
        ([run(2, 40), run(1, 10)], 100, 70, Pace(30, 1)),
        ([run(2, 40), run(1, 10, runs_pb.RUN_STATE_PAUSED)], None, 40, Pace(20, None)),
        ([run(2, 40)], 30, 40, Pace(20, 0)),
    ],
)
def test_what_is_left_lasts_as_long_as_the_runs_under_way_take_for_it(
    runs: list[runs_pb.Run], limit: int | None, settled: int, found: Pace | None
) -> None:
    assert pace(budget(limit, settled), runs, NOW) == found


def test_dollars_have_a_pace_of_their_own() -> None:
    dollars = budgets_pb.Budget(dimension=budgets_pb.BUDGET_DIMENSION_MICRO_USD, limit=1_000)
    assert pace(dollars, [run(2, 40)], NOW) == Pace(200, 5)
