"""Messages that several services take, from plain values."""

from collections.abc import Mapping
from typing import Any

from google.protobuf.duration_pb2 import Duration
from google.protobuf.struct_pb2 import Struct

from nextlabel.v1.annotation_pb2 import Cost
from nextlabel.v1.project_service_pb2 import LearnerSettings, StrategySpec

MICRO_USD = 1_000_000
"""Micro-dollars in a US dollar."""


def strategy_spec(name: str, params: Mapping[str, Any] | None = None) -> StrategySpec | None:
    """The strategy of this name; None, for the default, when there is no name."""
    return StrategySpec(name=name, params=_struct(params)) if name else None


def learner_settings(estimator: str, params: Mapping[str, Any] | None = None) -> LearnerSettings | None:
    """The learner with this estimator; None, for the default, when there is no name."""
    return LearnerSettings(estimator=estimator, params=_struct(params)) if estimator else None


def cost(*, labels: int = 0, tokens: int = 0, usd: float = 0.0) -> Cost:
    """An amount; dollars are rounded to micro-dollars."""
    return Cost(labels=labels, tokens=tokens, micro_usd=round(usd * MICRO_USD))


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
