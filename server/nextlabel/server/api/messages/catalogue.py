"""The strategies and estimators that there are, for those who choose among them."""

from __future__ import annotations

from collections.abc import Mapping

from google.protobuf import struct_pb2

from nextlabel.server.domain.selection.llm_strategies import DEFAULTS, LLM_STRATEGIES
from nextlabel.server.learners.specification import ESTIMATORS, ClassName, CostTable, NumberRange, OneOf
from nextlabel.strategies import Parameter, describe, strategy_names
from nextlabel.v1 import learner_service_pb2 as pb

_ESTIMATOR_SUMMARIES: Mapping[str, str] = {
    "default": "Logistic regression that also learns from the unlabeled pool where cross-validation says so.",
    "logistic_regression": "Logistic regression on the labels alone.",
    "sgd": "Logistic regression by stochastic gradient descent, updated in place.",
    "lda": "Shrinkage linear discriminant analysis.",
    "nearest_neighbors": "Votes of the nearest labeled items.",
}


def strategies() -> list[pb.StrategyInfo]:
    """Return every strategy by name, those of third parties and those that ask an LLM too."""
    found = []
    for name in strategy_names():
        described = describe(name)
        found.append(
            pb.StrategyInfo(
                name=name,
                summary=described.summary,
                needs=sorted(need.value for need in described.needs),
                parameters=[_strategy_parameter(parameter) for parameter in described.parameters],
            )
        )
    found += [
        pb.StrategyInfo(name=name, summary=summary, needs=["llm"], parameters=_llm_parameters())
        for name, summary in LLM_STRATEGIES.items()
    ]
    return sorted(found, key=lambda info: info.name)


def _llm_parameters() -> list[pb.ParameterInfo]:
    return [
        pb.ParameterInfo(name=name, default_value=_value(default), allowed=type(default).__name__)
        for name, default in DEFAULTS.items()
    ]


def _strategy_parameter(parameter: Parameter) -> pb.ParameterInfo:
    return pb.ParameterInfo(name=parameter.name, default_value=_value(parameter.default), allowed=parameter.kind)


def estimators() -> list[pb.EstimatorInfo]:
    """Return every estimator on the allow-list by name."""
    return [
        pb.EstimatorInfo(
            name=name,
            summary=_ESTIMATOR_SUMMARIES[name],
            parameters=[_estimator_parameter(key, allowed) for key, allowed in parameters.items()],
        )
        for name, parameters in sorted(ESTIMATORS.items())
    ]


def _estimator_parameter(name: str, allowed: NumberRange | OneOf | ClassName | CostTable) -> pb.ParameterInfo:
    return pb.ParameterInfo(name=name, default_value=_value(allowed.default), allowed=str(allowed))


def _value(value: bool | float | str | None) -> struct_pb2.Value:
    match value:
        case None:
            return struct_pb2.Value(null_value=struct_pb2.NULL_VALUE)
        case bool():
            return struct_pb2.Value(bool_value=value)
        case str():
            return struct_pb2.Value(string_value=value)
    return struct_pb2.Value(number_value=value)
