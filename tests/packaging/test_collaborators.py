"""Who builds a part of the server can tell its collaborators apart: beyond a few they are given by name."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import nextlabel.server

MOST = 6
ROOMS = ("api", "domain", "annotators", "wiring", "operations", "web", "store")
ROOT = Path(nextlabel.server.__path__[0])


def modules() -> Iterator[ModuleType]:
    for found in pkgutil.walk_packages(nextlabel.server.__path__, "nextlabel.server."):
        if found.name.split(".")[2] in ROOMS and "migrations" not in found.name:
            yield importlib.import_module(found.name)


def is_part(kind: type) -> bool:
    """Whether something is done by objects of the class, in their public methods, rather than known by them."""
    methods = (value for name, value in vars(kind).items() if not name.startswith("_"))
    return any(inspect.iscoroutinefunction(method) for method in methods)


def test_no_part_takes_more_than_a_few_collaborators_by_position() -> None:
    crowded = []
    for module in modules():
        for name, kind in vars(module).items():
            if not inspect.isclass(kind) or kind.__module__ != module.__name__ or not is_part(kind):
                continue
            parameters = inspect.signature(kind).parameters.values()
            by_place = [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
            if len(by_place) > MOST:
                crowded.append(f"{module.__name__}.{name}: {', '.join(by_place)}")
    assert not crowded


def test_no_call_passes_more_than_a_few_arguments_by_position() -> None:
    # A table's columns are a list, as long as the table is wide.
    crowded = [
        f"{path.relative_to(ROOT)}:{call.lineno} {ast.unparse(call.func)}"
        for path in sorted(ROOT.rglob("*.py"))
        for call in ast.walk(ast.parse(path.read_text()))
        if isinstance(call, ast.Call)
        and len(call.args) > MOST
        and ast.unparse(call.func) not in ("Table", "op.create_table")
    ]
    assert not crowded
