"""Models that retire are named with the runs that ask them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from nextlabel.server.values.money.costs import Cost
from nextlabel.server.values.projects.projects import Component
from nextlabel.server.values.runs.annotator_options import (
    AnnotatorChoice,
    AnthropicOptions,
    HumanOptions,
    RouteMember,
    RouteOptions,
)
from nextlabel.server.values.runs.runs import Plateau, RunSpec
from nextlabel.server.web.dashboard.pages import standing_warnings
from nextlabel.server.wiring.annotators.retirements import Retirements
from nextlabel.v1 import run_service_pb2 as pb

PRICES = """
as_of = 2026-01-01
[models."old"]
input = 1
output = 2
retires = 2026-06-30
replaced_by = "new"
verified = false
[models."new"]
input = 1
output = 2
"""


@dataclass(frozen=True)
class At:
    month: int

    def now(self) -> datetime:
        return datetime(2026, self.month, 15, tzinfo=UTC)

    async def sleep(self, seconds: float) -> None:
        raise AssertionError("nothing waits")


def asking(annotator: AnnotatorChoice) -> RunSpec:
    return RunSpec(
        annotator=annotator,
        strategy=Component("margin"),
        batch_size=6,
        audit_share=0.0,
        limit=Cost(labels=18),
        target_accuracy=0.0,
        target_macro_f1=0.0,
        plateau=Plateau(),
        max_rounds=0,
        seed=1,
    )


@pytest.fixture
def prices(tmp_path: Path) -> Path:
    file = tmp_path / "prices.toml"
    file.write_text(PRICES)
    return file


def test_a_model_is_named_from_two_months_before_it_retires(prices: Path) -> None:
    run = asking(AnthropicOptions("old"))
    assert Retirements(prices, At(4)).of(run) == []
    (soon,) = Retirements(prices, At(6)).of(run)
    assert soon.startswith("old: the model retires on 2026-06-30")
    assert "new takes its place, measured before by: nextlabel quality compare" in soon
    (past,) = Retirements(prices, At(7)).of(run)
    assert "the provider refuses it; new takes its place" in past


def test_each_model_of_a_route_is_named_once_and_people_never_are(prices: Path) -> None:
    members = [AnthropicOptions("old"), AnthropicOptions("new"), AnthropicOptions("old", name="again")]
    route = RouteOptions(tuple(RouteMember(member, 0) for member in members))
    assert len(Retirements(prices, At(7)).of(asking(route))) == 1
    assert Retirements(prices, At(7)).of(asking(HumanOptions())) == []


def test_what_no_table_has_is_not_known_to_retire(prices: Path, tmp_path: Path) -> None:
    assert Retirements(prices, At(7)).of(asking(AnthropicOptions("unheard-of"))) == []
    assert Retirements(tmp_path / "gone.toml", At(7)).of(asking(AnthropicOptions("old"))) == []


def test_the_dashboard_warns_of_the_newest_run_and_of_those_under_way() -> None:
    def run(state: pb.RunState.ValueType, *warnings: str) -> pb.Run:
        return pb.Run(state=state, warnings=warnings)

    done, on = pb.RUN_STATE_FINISHED, pb.RUN_STATE_RUNNING
    assert standing_warnings([run(done, "a"), run(on, "b", "a"), run(done, "c")]) == ["a", "b"]
    assert standing_warnings([]) == []
