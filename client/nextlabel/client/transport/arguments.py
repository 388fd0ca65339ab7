"""Plain arguments of calls, checked against what the call declares, before anything is sent.

Protobuf says of a wrong value that it "cannot be interpreted as an integer", and not which one it was.
"""

import math
import numbers
import operator
import re
from collections.abc import Callable, Coroutine, Mapping
from functools import update_wrapper
from inspect import iscoroutine, signature
from types import NoneType, UnionType
from typing import Any, TypeVar, get_args

from nextlabel.client.messages.names import shown, text_of

C = TypeVar("C", bound=Callable[..., Any])
Check = Callable[[Any, str], Any]

_BEYOND = re.compile(r"Value out of range: (-?\d+)")
LONGEST_S = 10**9
"""Longest time that a call may name, about 31 years: beyond, gRPC takes a deadline for one that is over."""


def with_checked_arguments(function: C) -> C:
    """The function, which looks at texts, whole numbers and numbers among its arguments before it is called.

    A whole number stands for a text of its digits, so that ids are written here as they stand in tables; None is
    passed on. Raises TypeError for an argument of another type, ValueError for one that cannot be sent; both name it.
    """
    checks: list[tuple[str, Check | None]] = []

    def checked(*args: Any, **kwargs: Any) -> Any:
        if not checks:
            checks.extend((name, _check(one.annotation)) for name, one in signature(function).parameters.items())
        by_place = [_checked(*check, value) for check, value in zip(checks, args, strict=False)]
        named = dict(checks)
        by_name = {name: _checked(name, named.get(name), value) for name, value in kwargs.items()}
        result = function(*by_place, *args[len(by_place) :], **by_name)
        if not iscoroutine(result):
            return result
        return _naming(result, {**dict(zip(named, by_place, strict=False)), **by_name})

    return update_wrapper(checked, function)  # type: ignore[return-value]


def checked_seconds(value: Any, name: str) -> float:
    """A finite number of seconds; for a `timeout_s` above 0. Raises TypeError or ValueError, which name it."""
    seconds = _number(value, name)
    if not math.isfinite(seconds) or abs(seconds) > LONGEST_S:
        raise ValueError(f"{name}: expected seconds, at most {LONGEST_S:,}, got {value!r}")
    if name == "timeout_s" and seconds <= 0:
        raise ValueError(f"{name}: expected more than 0 seconds, got {value!r}")
    return seconds


async def _naming(call: Coroutine[Any, Any, Any], given: Mapping[str, Any]) -> Any:
    """What a call gives; a whole number that its message has no room for is named: protobuf tells the number only."""
    try:
        return await call
    except ValueError as error:
        beyond = _BEYOND.fullmatch(str(error))
        names = [name for name, value in given.items() if beyond and value == int(beyond[1])]
        if len(names) != 1:
            raise
        raise ValueError(f"{names[0]}: it is beyond the whole numbers of 32 bits") from None


def _checked(name: str, check: Check | None, value: Any) -> Any:
    if check is None or value is None:
        return value
    return (checked_seconds if check is _number and name.endswith("_s") else check)(value, name)


def _check(annotation: Any) -> Check | None:
    kinds = {*get_args(annotation)} - {NoneType} if isinstance(annotation, UnionType) else {annotation}
    return _CHECKS.get(kinds.pop()) if len(kinds) == 1 else None


def _whole(value: Any, name: str) -> int:
    try:
        whole = operator.index(value)
    except TypeError:
        wrong = ValueError if isinstance(value, float) else TypeError
        raise wrong(f"{name}: expected a whole number, got {shown(value)}") from None
    if not -(2**63) <= whole < 2**63:
        raise ValueError(f"{name}: it is beyond the whole numbers of 64 bits")
    return whole


def _number(value: Any, name: str) -> float:
    if not isinstance(value, numbers.Real):
        raise TypeError(f"{name}: expected a number, got {shown(value)}")
    return float(value)


_CHECKS: Mapping[Any, Check] = {str: text_of, int: _whole, float: _number}
