"""Which estimator a project trains: an allow-list of names with validated parameters."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from nextlabel.server.learners.costs import HIGHEST_COST, Costs, parse_costs
from nextlabel.server.values.errors import InvalidArgument

ParameterValue = str | float | int | bool


@dataclass(frozen=True, slots=True)
class NumberRange:
    """Numbers in ``[low, high]``; whole ones only if ``integral``."""

    default: float
    low: float
    high: float
    integral: bool = False

    def parse(self, value: Any) -> float | int:
        """The value as a number of this range.

        Raises:
            ValueError: saying what is allowed.
        """
        number = _as_number(value)
        if number is None or not self.low <= number <= self.high or (self.integral and number != int(number)):
            raise ValueError(f"got {value!r}; allowed is {self}")
        return int(number) if self.integral else number

    def __str__(self) -> str:
        kind = "a whole number" if self.integral else "a number"
        return f"{kind} from {self.low:g} to {self.high:g} (default {self.default:g})"


@dataclass(frozen=True, slots=True)
class OneOf:
    """One of a few strings."""

    default: str
    allowed: tuple[str, ...]

    def parse(self, value: Any) -> str:
        """The value, if it is one of the allowed ones.

        Raises:
            ValueError: saying what is allowed.
        """
        if not isinstance(value, str) or value not in self.allowed:
            raise ValueError(f"got {value!r}; allowed is {self}")
        return value

    def __str__(self) -> str:
        return f"one of {', '.join(self.allowed)} (default {self.default})"


@dataclass(frozen=True, slots=True)
class ClassName:
    """The name of a class of the label space, or nothing."""

    default: str = ""

    def parse(self, value: Any) -> str:
        """The value, if it is a string; whether there is such a class is for who knows the label space.

        Raises:
            ValueError: saying what is allowed.
        """
        if not isinstance(value, str):
            raise ValueError(f"got {value!r}; allowed is {self}")
        return value

    def __str__(self) -> str:
        return "the name of a class"


@dataclass(frozen=True, slots=True)
class CostTable:
    """What wrong answers cost."""

    default: str = ""

    def parse(self, value: Any) -> str:
        """The costs as JSON.

        Raises:
            ValueError: saying what is allowed.
        """
        try:
            return parse_costs(value)
        except ValueError as error:
            raise ValueError(f"{error}; allowed is {self}") from error

    def __str__(self) -> str:
        return (
            'an object of what answers cost by the true class, such as {"fraud": {"ok": 20}}, each a number from 0 to '
            f"{HIGHEST_COST:,.0f}; a wrong answer that is not named costs 1"
        )


def _as_number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return float(value)
    except (OverflowError, ValueError):
        return None


_REGULARIZATION = NumberRange(default=10.0, low=1e-4, high=1e4)
_CLASS_WEIGHT = OneOf(default="balanced", allowed=("balanced", "uniform"))
MEASURES_OF_A_CLASS = ("f1", "average_precision")
_MEASURE = OneOf(default="macro_f1", allowed=("macro_f1", "accuracy", *MEASURES_OF_A_CLASS, "cost"))
MEASURE_PARAMETERS = ("measure", "measure_class", "costs")

ESTIMATORS: Mapping[str, Mapping[str, NumberRange | OneOf | ClassName | CostTable]] = MappingProxyType(
    {
        "default": {
            "C": _REGULARIZATION,
            "class_weight": _CLASS_WEIGHT,
            "measure": _MEASURE,
            "measure_class": ClassName(),
            "costs": CostTable(),
        },
        "logistic_regression": {"C": _REGULARIZATION, "class_weight": _CLASS_WEIGHT},
        "sgd": {
            "alpha": NumberRange(default=1e-4, low=1e-8, high=1.0),
            "epochs": NumberRange(default=20, low=1, high=1000, integral=True),
            "class_weight": _CLASS_WEIGHT,
        },
        "lda": {"shrinkage": NumberRange(default=0.5, low=0.0, high=1.0)},
        "nearest_neighbors": {
            "n_neighbors": NumberRange(default=5, low=1, high=100, integral=True),
            "weights": OneOf(default="distance", allowed=("distance", "uniform")),
        },
    }
)
"""Allowed estimators and their parameters.

`default`: logistic regression that also learns from the pool where cross-validation says so, judged by its `measure`
(of single labels alone), which for F1 and average precision is that of `measure_class`, and for `cost` that of `costs`.
`logistic_regression`: the labels alone. `sgd`: the same loss by stochastic gradient descent, updated in place.
`lda`: shrinkage linear discriminant analysis. `nearest_neighbors`: votes of the nearest labeled items.
"""


@dataclass(frozen=True, slots=True)
class LearnerSpec:
    """A name of `ESTIMATORS` with all its parameters; make it with `parse_learner_spec`."""

    estimator: str
    params: tuple[tuple[str, ParameterValue], ...]

    def number(self, name: str) -> float:
        """A numeric parameter."""
        return float(dict(self.params)[name])

    def choice(self, name: str) -> str:
        """A string parameter."""
        return str(dict(self.params)[name])

    @property
    def measure(self) -> str:
        """What candidates are compared by."""
        return str(dict(self.params).get("measure", _MEASURE.default))

    @property
    def measure_class(self) -> str:
        """The class that the measure is about; '' where it is about all."""
        return str(dict(self.params).get("measure_class", ""))

    @property
    def costs(self) -> Costs | None:
        """What wrong answers cost; None where no costs are declared, and the most probable class is the answer."""
        return json.loads(str(dict(self.params).get("costs") or "{}")) if self.measure == "cost" else None

    def is_measured_as(self, other: LearnerSpec) -> bool:
        """Whether what was chosen under one of them could have been under the other."""
        return (self.measure, self.measure_class, self.costs) == (other.measure, other.measure_class, other.costs)


def parse_learner_spec(name: str, params: Mapping[str, Any]) -> LearnerSpec:
    """Validates an estimator name and its parameters; what is not given takes its default.

    Raises:
        InvalidArgument: on an unknown estimator, an unknown parameter or a value out of range, all of them listed,
            each with what is allowed.
    """
    if name not in ESTIMATORS:
        raise InvalidArgument.field(
            "learner.estimator", f"unknown estimator {name!r}; allowed are {', '.join(sorted(ESTIMATORS))}"
        )
    allowed = ESTIMATORS[name]
    values: dict[str, ParameterValue] = {key: parameter.default for key, parameter in allowed.items()}
    violations = []
    for key, value in params.items():
        field = f"learner.params.{key}"
        if key not in allowed:
            violations.append((field, f"unknown parameter of {name!r}; allowed are {', '.join(sorted(allowed))}"))
            continue
        try:
            values[key] = allowed[key].parse(value)
        except ValueError as error:
            violations.append((field, str(error)))
    if violations:
        raise InvalidArgument(violations)
    return LearnerSpec(name, tuple(sorted(values.items())))
