"""The strategy that the guide writes holds the contract, and needs nothing but what is exported."""

from __future__ import annotations

import re
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest

import nextlabel.strategies
from nextlabel.strategies import Strategy
from nextlabel.strategies.testing import StrategyConformance

GUIDE = (Path(__file__).parents[2] / "docs" / "strategies.md").read_text(encoding="utf-8")
OWN = GUIDE.partition("## Your own")[2].partition("\n## ")[0]


@pytest.fixture(scope="module", autouse=True)
def written(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    """The first program of the chapter, as a module."""
    code = re.findall(r"```python\n(.*?)```", OWN, re.DOTALL)[0]
    path = tmp_path_factory.mktemp("guide") / "last_class.py"
    path.write_text(code)
    spec = spec_from_file_location("last_class", path)
    assert spec
    assert spec.loader
    module = sys.modules["last_class"] = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class TestLastClass(StrategyConformance):
    """The guide's strategy."""

    def make_strategy(self) -> Strategy:
        strategy: Strategy = sys.modules["last_class"].last_class()
        return strategy


def test_the_guide_needs_no_modules_within() -> None:
    imported = re.findall(r"from (nextlabel\.strategies\S*) import", OWN)
    assert set(imported) == {"nextlabel.strategies", "nextlabel.strategies.testing"}


def test_everything_that_is_exported_for_writers_is_in_the_guide() -> None:
    """Errors and the calls of users aside, the chapter names what there is."""
    named = set(re.findall(r"\w+", GUIDE))
    assert [name for name in nextlabel.strategies.__all__ if name not in named] == []
