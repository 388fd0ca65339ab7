"""Strategies by name: the built-in ones and those of other distributions."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from importlib.metadata import entry_points
from typing import Any

from nextlabel.strategies.builtin import BUILT_IN
from nextlabel.strategies.composition.handover import Handover
from nextlabel.strategies.context import Need
from nextlabel.strategies.errors import ParameterError, UnknownStrategyError
from nextlabel.strategies.strategy import ParameterValue, Strategy

ENTRY_POINTS = "nextlabel.strategies"
"""Entry-point group: each entry is a function with typed keyword parameters that returns a Strategy."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a strategy."""

    name: str
    kind: str
    default: ParameterValue


@dataclass(frozen=True, slots=True)
class Description:
    """What there is to know about a strategy before using it."""

    name: str
    summary: str
    needs: frozenset[Need]
    parameters: tuple[Parameter, ...]


def strategy_names() -> tuple[str, ...]:
    """Return every known name, sorted."""
    return tuple(sorted(_factories()))


def describe(name: str) -> Description:
    """Describe a strategy with its default parameters.

    Raises:
        UnknownStrategyError: no strategy has that name.
    """
    factory = _factory(name)
    parameters = tuple(
        Parameter(parameter.name, _kind(parameter), parameter.default)
        for parameter in inspect.signature(factory).parameters.values()
    )
    summary = (inspect.getdoc(factory) or "").partition("\n")[0]
    return Description(name, summary, factory().needs, parameters)


def get_strategy(name: str, **params: ParameterValue) -> Strategy:
    """Return the strategy of that name with these parameters.

    ``first>second`` is a handover between two names after ``switch_at`` labels (100 unless given).

    Raises:
        UnknownStrategyError: no strategy has that name; the message lists the known ones.
        ParameterError: a parameter is unknown, of the wrong type or out of range; the message lists the
            allowed ones.
    """
    first, handover, second = name.partition(">")
    factory: Callable[..., Any] = partial(_handover, first, second) if handover else _factory(name)
    allowed = inspect.signature(factory).parameters
    for key, value in params.items():
        if key not in allowed:
            known = ", ".join(f"{p.name}: {_kind(p)} = {p.default!r}" for p in allowed.values())
            raise ParameterError(f"strategy {name!r}: no parameter {key!r}; allowed: {known or 'none'}")
        _check_type(name, allowed[key], value)
    strategy: Strategy = factory(**params)
    return strategy


def _handover(first: str, second: str, switch_at: int = 100) -> Strategy:
    if switch_at < 0:
        raise ParameterError(f"strategy {first}>{second}: switch_at is {switch_at}; must be at least 0")
    return Handover(get_strategy(first), get_strategy(second), switch_at)


def _factory(name: str) -> Callable[..., Any]:
    try:
        return _factories()[name]
    except KeyError:
        raise UnknownStrategyError(name, strategy_names()) from None


@cache
def _factories() -> Mapping[str, Callable[..., Any]]:
    return {**{entry.name: entry.load() for entry in entry_points(group=ENTRY_POINTS)}, **BUILT_IN}


_ACCEPTED: Mapping[str, tuple[type, ...]] = {"float": (int, float), "int": (int,), "bool": (bool,), "str": (str,)}


def _check_type(strategy: str, parameter: inspect.Parameter, value: ParameterValue) -> None:
    kind = _kind(parameter)
    accepted = _ACCEPTED.get(kind)
    if accepted is None:
        return
    if not isinstance(value, accepted) or (isinstance(value, bool) and kind != "bool"):
        raise ParameterError(f"strategy {strategy!r}: {parameter.name} is {value!r}; must be of type {kind}")


def _kind(parameter: inspect.Parameter) -> str:
    """Return the name of a parameter's type, whether or not its module puts off the evaluation of annotations."""
    annotation = parameter.annotation
    return annotation.__name__ if isinstance(annotation, type) else str(annotation)
