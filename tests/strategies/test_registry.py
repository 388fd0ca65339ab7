from __future__ import annotations

import pytest

from nextlabel.strategies import ParameterError, UnknownStrategyError, describe, get_strategy, strategy_names


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
