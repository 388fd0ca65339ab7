"""The examples in docstrings are true."""

import doctest
import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("client/nextlabel/client", "strategies/nextlabel/strategies", "server/nextlabel/server")


def modules_with_examples():
    for package in PACKAGES:
        root = ROOT / package.split("/")[0]
        for path in sorted((ROOT / package).rglob("*.py")):
            if ">>> " in path.read_text():
                yield ".".join(path.relative_to(root).with_suffix("").parts)


@pytest.mark.parametrize("name", list(modules_with_examples()))
def test_the_examples_of_a_module_are_true(name):
    failed, attempted = doctest.testmod(importlib.import_module(name.removesuffix(".__init__")))
    assert attempted
    assert not failed


def test_there_are_examples_to_check():
    assert len(list(modules_with_examples())) > 10
