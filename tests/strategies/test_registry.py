from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from nextlabel.strategies import (
    ParameterError,
    UnknownStrategyError,
    describe,
    get_strategy,
    strategy_names,
)

COIN_TOSS = '''
from nextlabel.strategies import Random, ScoreAndPick, ShortlistSize, Strategy, UniformSample

def coin_toss(share: float = 0.5) -> Strategy:
    """Tosses a coin."""
    return ScoreAndPick("coin_toss", UniformSample(), Random(), ShortlistSize(), params={"share": share})
'''


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


def test_another_distribution_adds_a_strategy_by_entry_point(tmp_path: Path) -> None:
    (tmp_path / "tosses.py").write_text(COIN_TOSS)
    metadata = tmp_path / "tosses-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: tosses\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[nextlabel.strategies]\ncoin_toss = tosses:coin_toss\n")
    asked = (
        "from nextlabel.strategies import describe, get_strategy, strategy_names\n"
        "print('coin_toss' in strategy_names(), get_strategy('coin_toss', share=0.25).params, "
        "describe('coin_toss').summary, describe('coin_toss').parameters[0].kind)\n"
        "try: get_strategy('coin_toss', share='half')\n"
        "except Exception as refused: print(refused)\n"
    )
    path = os.pathsep.join([str(tmp_path), *filter(None, sys.path)])
    told = subprocess.run(
        [sys.executable, "-c", asked], env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True, check=True
    )
    assert told.stdout.splitlines() == [
        "True {'share': 0.25} Tosses a coin. float",
        "strategy 'coin_toss': share is 'half'; must be of type float",
    ]


def test_the_guide_lists_every_strategy() -> None:
    guide = (Path(__file__).parents[2] / "docs" / "strategies.md").read_text(encoding="utf-8")
    assert [name for name in strategy_names() if f"| `{name}` |" not in guide] == []
