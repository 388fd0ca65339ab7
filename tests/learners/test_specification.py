"""Learner specifications: an allow-list that says what it allows."""

from __future__ import annotations

from typing import Any

import pytest

from nextlabel.server.learners.specification import ESTIMATORS, parse_learner_spec
from nextlabel.server.values.errors import FieldViolation, InvalidArgument


@pytest.mark.parametrize("name", ESTIMATORS)
def test_defaults_of_every_estimator_are_valid(name: str) -> None:
    spec = parse_learner_spec(name, {})
    assert parse_learner_spec(name, dict(spec.params)) == spec


def test_given_parameters_replace_defaults_and_order_does_not_matter() -> None:
    one = parse_learner_spec("sgd", {"epochs": 3, "alpha": "0.01"})
    other = parse_learner_spec("sgd", {"alpha": 0.01, "epochs": 3.0})
    assert one == other
    assert one.number("epochs") == 3
    assert one.choice("class_weight") == "balanced"


def test_unknown_estimator_lists_the_allowed_ones() -> None:
    with pytest.raises(InvalidArgument) as caught:
        parse_learner_spec("os.system", {})
    assert caught.value.violations[0].field == "learner.estimator"
    assert all(name in str(caught.value) for name in ESTIMATORS)


@pytest.mark.parametrize(
    ("name", "params", "field", "allowed"),
    [
        ("default", {"c": 1}, "learner.params.c", "C, class_weight"),
        ("default", {"C": 0}, "learner.params.C", "0.0001 to 10000"),
        ("default", {"C": float("nan")}, "learner.params.C", "0.0001 to 10000"),
        ("default", {"C": True}, "learner.params.C", "0.0001 to 10000"),
        ("default", {"C": "ten"}, "learner.params.C", "0.0001 to 10000"),
        ("default", {"class_weight": "fair"}, "learner.params.class_weight", "balanced, uniform"),
        ("default", {"measure": "auc"}, "learner.params.measure", "macro_f1, accuracy, f1, average_precision"),
        ("default", {"measure_class": 404}, "learner.params.measure_class", "name of a class"),
        ("nearest_neighbors", {"n_neighbors": 2.5}, "learner.params.n_neighbors", "whole number from 1 to 100"),
    ],
)
def test_bad_parameters_are_named_with_what_is_allowed(
    name: str, params: dict[str, float | str], field: str, allowed: str
) -> None:
    with pytest.raises(InvalidArgument) as caught:
        parse_learner_spec(name, params)
    assert caught.value.violations[0].field == field
    assert allowed in caught.value.violations[0].description


@pytest.mark.parametrize(("name", "parameter"), [(name, one) for name, all_ in ESTIMATORS.items() for one in all_])
@pytest.mark.parametrize(
    "value", [None, [], [1], {"a": 1}, True, "", "x" * 5000, -1, float("inf"), float("nan"), 10**400]
)
def test_any_value_is_taken_or_refused(name: str, parameter: str, value: Any) -> None:
    refused: list[FieldViolation] = []
    try:
        assert hash(parse_learner_spec(name, {parameter: value}).params)
    except InvalidArgument as error:
        refused.extend(error.violations)
    assert all(one.field == f"learner.params.{parameter}" and "allowed" in one.description for one in refused)


def test_all_bad_parameters_are_reported_at_once() -> None:
    with pytest.raises(InvalidArgument) as caught:
        parse_learner_spec("sgd", {"alpha": -1, "epochs": 0, "loss": "hinge"})
    assert [v.field.rpartition(".")[2] for v in caught.value.violations] == ["alpha", "epochs", "loss"]
