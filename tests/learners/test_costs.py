"""Answers that cost least, and what candidates are compared by where wrong answers have a cost."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nextlabel.server.learners.candidates.measures import expected_accuracy, measure_of
from nextlabel.server.learners.costs import cheapest, cost_matrix, parse_costs
from nextlabel.server.learners.evaluation import evaluate
from nextlabel.server.learners.single_label.learner import train
from nextlabel.server.learners.specification import parse_learner_spec
from nextlabel.server.learners.training import TrainingSet

CLASSES = ("fraud", "ok", "other")


@given(st.integers(0, 10_000))
def test_the_answer_is_the_one_of_least_expected_cost(seed: int) -> None:
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet(np.ones(3), 5).astype(np.float32)
    costs = (rng.integers(0, 30, (3, 3)) * (1 - np.eye(3))).astype(np.float32)
    found = cheapest(probabilities, costs)
    for row, answer in zip(probabilities, found, strict=True):
        expected = [sum(row[true] * costs[true, one] for true in range(3)) for one in range(3)]
        assert expected[answer] == pytest.approx(min(expected), rel=1e-4, abs=1e-5)


def test_among_equal_costs_the_most_probable_class_is_the_answer() -> None:
    probabilities = np.array([[0.2, 0.5, 0.3], [0, 0, 1]], np.float32)
    assert cheapest(probabilities, np.zeros((3, 3), np.float32)).tolist() == [1, 2]
    assert cheapest(probabilities, cost_matrix({}, CLASSES)).tolist() == [1, 2]


def test_what_is_not_named_costs_one_and_what_is_no_class_nothing() -> None:
    costs = cost_matrix({"fraud": {"ok": 20, "gone": 5}, "gone": {"ok": 3}}, CLASSES)
    assert costs.tolist() == [[0, 20, 1], [1, 0, 1], [1, 1, 0]]


@pytest.mark.parametrize(
    "value",
    [
        *(None, 1, True, [], "x", "[1]", {"a": 1}, {"a": {"b": "c"}}, {"a": {"b": -1}}, {"a": {"b": float("nan")}}),
        *({"a": {"b": True}}, {"a": {"b": 1e7}}, {"a": {"a": 1}}),
    ],
)
def test_what_are_no_costs_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        parse_costs(value)


def test_costs_may_be_an_object_or_its_json() -> None:
    assert parse_costs({"a": {"b": 2}}) == parse_costs('{"a": {"b": 2}}')
    assert parse_costs("") == ""


def test_where_all_costs_are_alike_candidates_are_compared_by_accuracy() -> None:
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet(np.ones(3), 50).astype(np.float32)
    shares = np.eye(3, dtype=np.float32)[rng.integers(0, 3, 50)]
    spec = parse_learner_spec("default", {"measure": "cost", "costs": {"ok": {"fraud": 1}}})
    by_cost, by_accuracy = measure_of(spec, CLASSES)(probabilities, shares), expected_accuracy(probabilities, shares)
    assert by_cost.value == pytest.approx(by_accuracy.value)
    np.testing.assert_allclose(by_cost.influence_n, by_accuracy.influence_n, atol=1e-9)


def test_costs_of_one_class_are_the_mean_over_soft_counts() -> None:
    spec = parse_learner_spec("default", {"measure": "cost", "costs": {"fraud": {"ok": 20}}})
    probabilities = np.array([[0.25, 0.75, 0], [0.5, 0.5, 0]], np.float32)
    shares = np.array([[1, 0, 0], [0, 1, 0]], np.float32)
    assert measure_of(spec, CLASSES)(probabilities, shares).value == pytest.approx(1 - (0.75 * 20 + 0.5) / 2 / 20)


def test_a_learner_with_costs_pays_less_than_one_without() -> None:
    rng = np.random.default_rng(1)
    labels = (rng.random(400) < 0.8).astype(np.int64)  # a fifth is fraud, which overlaps with the rest
    rows = (rng.normal(size=(400, 4)) + 0.7 * labels[:, None]).astype(np.float32)
    training = TrainingSet(rows[:200], labels[:200], np.ones(200, np.bool_), np.ones(200, np.float32), None, CLASSES)
    found = {}
    for name, params in (("cost", {"measure": "cost", "costs": {"fraud": {"ok": 20}}}), ("plain", {})):
        model = train(training, rows[200:], parse_learner_spec("default", params), 0, None)
        found[name] = evaluate(model, rows[200:], labels[200:])
    costs = cost_matrix({"fraud": {"ok": 20}}, CLASSES)
    paid = {name: (one.confusion_CC * costs).sum() / one.n for name, one in found.items()}
    assert found["cost"].measures["mean_cost"] == pytest.approx(paid["cost"])
    assert "mean_cost" not in found["plain"].measures
    assert paid["cost"] < paid["plain"]
