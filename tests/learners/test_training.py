"""Training sets refuse parts that do not fit together, and name the part."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np
import pytest

from nextlabel.server.learners.advice.features import AdviceFeatures
from nextlabel.server.learners.targets import UNTRUSTED_WEIGHT, targets_of
from nextlabel.server.learners.training import DescribedClasses, InvalidTrainingSetError, TrainingSet

GOOD: dict[str, Any] = {
    "embeddings_ND": np.eye(3, dtype=np.float32),
    "labels_N": np.array([0, 1, 0]),
    "trusted_N": np.array([True, False, False]),
    "weights_N": np.array([1, 1, 0.5], np.float32),
    "probabilities_NC": np.array([[0.5, 0.5, 0], [0.2, 0.7, 0.1], [1, 0, 0]], np.float32),
    "classes": ("a", "b", "c"),
}


def test_good_parts_fit() -> None:
    assert TrainingSet(**GOOD).n_classes == 3


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("classes", ()),
        ("embeddings_ND", np.ones(3, np.float32)),
        ("embeddings_ND", np.full((3, 2), np.nan, np.float32)),
        ("labels_N", np.array([0, 1])),
        ("labels_N", np.array([0, 1, 3])),
        ("labels_N", np.array([0, 1, -1])),
        ("trusted_N", np.array([True])),
        ("weights_N", np.array([1, 1, 0], np.float32)),
        ("weights_N", np.array([1, 1, np.nan], np.float32)),
        ("probabilities_NC", np.ones((3, 2), np.float32)),
        ("probabilities_NC", np.ones((3, 3), np.float32)),
        ("probabilities_NC", np.array([[2, -1, 0], [1, 0, 0], [1, 0, 0]], np.float32)),
    ],
)
def test_a_bad_part_is_named(field: str, value: object) -> None:
    with pytest.raises(InvalidTrainingSetError, match=field):
        TrainingSet(**{**GOOD, field: value})


def test_take_keeps_the_parts_together() -> None:
    advice = AdviceFeatures(("llm",), np.eye(3, dtype=np.float32), np.array([True, False, True]))
    taken = TrainingSet(**GOOD, advice=advice).take(np.array([2, 0, 2]))
    assert taken.advice is not None
    np.testing.assert_array_equal(taken.advice.features_NF, np.eye(3)[[2, 0, 2]])
    for field in fields(TrainingSet):
        if field.name not in ("classes", "described", "advice"):
            np.testing.assert_array_equal(getattr(taken, field.name), GOOD[field.name][[2, 0, 2]])


def test_soft_labels_count_by_what_they_tell_classes_apart_and_trusted_ones_at_their_word() -> None:
    targets = targets_of(TrainingSet(**{**GOOD, "weights_N": np.array([1, 1, 0.5], np.float32)}))
    rows = [
        (tuple(x.nonzero()[0]), int(label), round(float(weight) / UNTRUSTED_WEIGHT, 3))
        for x, label, weight in zip(
            targets.labels.embeddings_ND, targets.labels.labels_N, targets.labels.weights_N, strict=True
        )
    ]
    assert rows == [
        ((0,), 0, round(1 / UNTRUSTED_WEIGHT, 3)),
        ((1,), 0, 0.1),
        ((1,), 1, 0.6),
        ((2,), 0, 0.5),
    ]
    assert targets.item_R.tolist() == [0, 1, 1, 2]
    assert targets.trusted_N.tolist() == [True, False, False]


def test_doubt_is_about_labels_that_are_not_trusted() -> None:
    targets = targets_of(TrainingSet(**GOOD))
    doubted = targets.believed(0.5)
    factor = np.where(targets.trusted_N, 1, 0.5)
    np.testing.assert_allclose(doubted.shares_NC, targets.shares_NC * factor[:, None])
    np.testing.assert_allclose(doubted.labels.weights_N, targets.labels.weights_N * factor[targets.item_R])


def test_a_label_as_probable_as_all_others_says_nothing() -> None:
    soft = np.array([[0.5, 0.5], [0.35, 0.65]], np.float32)
    training = TrainingSet(
        np.ones((2, 2), np.float32), np.array([0, 1]), np.zeros(2, bool), np.ones(2, np.float32), soft, ("a", "b")
    )
    targets = targets_of(training)
    assert targets.rows_N.tolist() == [1]
    np.testing.assert_allclose(targets.shares_NC, [[0, 0.3 * UNTRUSTED_WEIGHT]], rtol=1e-5)


def test_the_tail_of_a_soft_label_is_left_out() -> None:
    tail = np.array([[0.3, 0.25, 0.2, 0.1, 0.08, 0.04, 0.03]], np.float32)
    training = TrainingSet(
        np.ones((1, 2), np.float32), np.array([0]), np.array([False]), np.ones(1, np.float32), tail, tuple("abcdefg")
    )
    targets = targets_of(training)
    assert targets.labels.labels_N.tolist() == [0, 1, 2, 3, 4]
    np.testing.assert_allclose(targets.labels.weights_N, UNTRUSTED_WEIGHT * (tail[0, :5] - 0.03), rtol=1e-5)


@pytest.mark.parametrize(
    "described",
    [
        DescribedClasses(np.ones((2, 5), np.float32), np.array([0, 1]), np.ones(2, np.float32)),
        DescribedClasses(np.ones((1, 3), np.float32), np.array([0, 1]), np.ones(2, np.float32)),
        DescribedClasses(np.ones((2, 3), np.float32), np.array([0, 3]), np.ones(2, np.float32)),
    ],
)
def test_descriptions_that_do_not_fit_are_named(described: DescribedClasses) -> None:
    with pytest.raises(InvalidTrainingSetError, match="described"):
        TrainingSet(**GOOD, described=described)
