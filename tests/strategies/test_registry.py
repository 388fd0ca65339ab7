from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from nextlabel.strategies import (
    ParameterError,
    ScoreAndPick,
    ShortlistSize,
    Strategy,
    UnknownStrategyError,
    describe,
    get_strategy,
    registry,
    strategy_names,
)
from nextlabel.strategies.pickers.top import UniformSample
from nextlabel.strategies.scorers.random import Random


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(UnknownStrategyError, match=r"unknown name 'margn'.*margin.*random"):
        get_strategy("margn")


def test_an_unknown_parameter_lists_the_allowed_ones() -> None:
    with pytest.raises(ParameterError, match=r"no parameter 'gamma'; allowed: beta: float = 1.0"):
        get_strategy("power_margin", gamma=2)
    with pytest.raises(ParameterError, match="allowed: none"):
        get_strategy("margin", gamma=2)


@pytest.mark.parametrize("value", ["1", True, None])
def test_a_parameter_of_the_wrong_type_is_refused(value: str | float | None) -> None:
    with pytest.raises(ParameterError, match=r"beta is .*; must be of type float"):
        get_strategy("power_margin", beta=value)


@pytest.mark.parametrize("value", [0, -1.0, float("nan")])
def test_a_parameter_out_of_range_is_refused(value: str | float | None) -> None:
    with pytest.raises(ParameterError, match="must be above 0"):
        get_strategy("power_margin", beta=value)


def test_every_strategy_describes_itself() -> None:
    for name in strategy_names():
        description = describe(name)
        assert description.summary.endswith(".")
        assert get_strategy(name).name == name
        assert get_strategy(name).needs == description.needs
        defaults = {parameter.name: parameter.default for parameter in description.parameters}
        assert get_strategy(name).params == defaults


def test_another_distribution_adds_a_strategy_by_entry_point(monkeypatch: pytest.MonkeyPatch) -> None:
    def coin_toss(share: float = 0.5) -> Strategy:
        """Tosses a coin."""
        return ScoreAndPick("coin_toss", UniformSample(), Random(), ShortlistSize(), params={"share": share})

    class Entry:
        name = "coin_toss"

        def load(self) -> Callable[..., Strategy]:
            return coin_toss

    def entry_points(group: str) -> list[Entry]:
        assert group == "nextlabel.strategies"
        return [Entry()]

    monkeypatch.setattr(registry, "entry_points", entry_points)
    registry._factories.cache_clear()
    try:
        assert "coin_toss" in strategy_names()
        assert get_strategy("coin_toss", share=0.25).params == {"share": 0.25}
        assert describe("coin_toss").summary == "Tosses a coin."
    finally:
        registry._factories.cache_clear()


def test_the_guide_lists_every_strategy() -> None:
    guide = (Path(__file__).parents[2] / "docs" / "strategies.md").read_text(encoding="utf-8")
    assert [name for name in strategy_names() if f"| `{name}` |" not in guide] == []
