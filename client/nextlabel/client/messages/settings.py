"""Messages that several services take, from plain values."""

import math
from collections.abc import Mapping
from typing import Any

from google.protobuf.duration_pb2 import Duration
from google.protobuf.struct_pb2 import Struct

from nextlabel.v1.annotation_pb2 import Cost
from nextlabel.v1.project_service_pb2 import LearnerSettings, StrategySpec

MICRO_USD = 1_000_000
"""Micro-dollars in a US dollar."""


def strategy_spec(name: str, params: Mapping[str, Any] | None = None) -> StrategySpec | None:
    """The strategy of this name; None, for the default, when there is no name.

    Raises ValueError for parameters without a name.
    """
    return StrategySpec(name=name, params=_struct(params)) if _is_named("strategy", name, params) else None


def learner_settings(estimator: str, params: Mapping[str, Any] | None = None) -> LearnerSettings | None:
    """The learner with this estimator; None, for the default, when there is no name.

    Raises ValueError for parameters without a name.
    """
    named = _is_named("estimator", estimator, params)
    return LearnerSettings(estimator=estimator, params=_struct(params)) if named else None


def _is_named(what: str, name: str, params: Mapping[str, Any] | None) -> bool:
    if params and not name:
        raise ValueError(f"parameters ({', '.join(params)}) are those of one {what}; name it too, for instance default")
    return bool(name)


def limits(*, labels: int | None = None, tokens: int | None = None, usd: float | None = None) -> Cost:
    """The most that may be spent; None is no limit, and dollars are rounded to micro-dollars.

    >>> limits(usd=1.5).micro_usd
    1500000

    Raises ValueError for a limit that buys nothing: on the wire 0 says that there is no limit.
    """
    return Cost(
        labels=_bought("budget_labels", labels, 1),
        tokens=_bought("budget_tokens", tokens, 1),
        micro_usd=_bought("budget_usd", usd, MICRO_USD),
    )


def _bought(field: str, limit: float | None, unit: int) -> int:
    if limit is None:
        return 0
    if not math.isfinite(limit) or round(limit * unit) < 1:
        raise ValueError(f"{field}: {limit:g} buys nothing; give more, or leave it out for no limit of its own")
    return round(limit * unit)


def duration(seconds: float | None) -> Duration | None:
    """A duration; None stays None, for the default."""
    if seconds is None:
        return None
    message = Duration()
    message.FromNanoseconds(round(seconds * 1e9))
    return message


def _struct(params: Mapping[str, Any] | None) -> Struct | None:
    if not params:
        return None
    struct = Struct()
    struct.update(params)
    return struct
