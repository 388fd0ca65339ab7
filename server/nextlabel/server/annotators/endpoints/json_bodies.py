"""Bodies of replies as JSON, whoever wrote them."""

import json
import math
from typing import Any

_MOST_DIGITS = 18
"""Of a whole number that is taken for one: more than any count, and what every conversion can hold."""


def parse_json(body: bytes) -> Any:
    """The parsed body, or None when it is no JSON.

    A number that is none, or that no conversion can hold, is an object, which nothing takes for a number or a text.

    >>> parse_json(b'[1, 0.5, NaN, 1e400]')
    [1, 0.5, {'no number': 'NaN'}, {'no number': '1e400'}]
    """
    try:
        return json.loads(body, parse_float=_fraction, parse_int=_whole, parse_constant=_no_number)
    except (ValueError, RecursionError):
        return None


def _fraction(text: str) -> float | dict[str, str]:
    value = float(text)
    return value if math.isfinite(value) else _no_number(text)


def _whole(text: str) -> int | dict[str, str]:
    return int(text) if len(text.removeprefix("-")) <= _MOST_DIGITS else _no_number(text)


def _no_number(text: str) -> dict[str, str]:
    return {"no number": text[:_MOST_DIGITS]}
