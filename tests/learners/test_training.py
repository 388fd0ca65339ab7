"""Training sets refuse parts that do not fit together, and name the part."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np
import pytest

from nextlabel.server.learners.targets import targets_of
from nextlabel.server.learners.training import InvalidTrainingSetError, TrainingSet

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
    taken = TrainingSet(**GOOD).take(np.array([2, 0, 2]))
    for field in fields(TrainingSet):
        if field.name != "classes":
            np.testing.assert_array_equal(getattr(taken, field.name), GOOD[field.name][[2, 0, 2]])


def test_soft_labels_are_spread_but_trusted_ones_taken_at_their_word() -> None:
    targets = targets_of(TrainingSet(**GOOD))
    rows = [
        (tuple(x.nonzero()[0]), int(label), round(float(weight), 3), bool(trusted))
        for x, label, weight, trusted in zip(
            targets.labels.embeddings_ND,
            targets.labels.labels_N,
            targets.labels.weights_N,
            targets.trusted_R,
            strict=True,
        )
    ]
    assert rows == [
        ((0,), 0, 1.0, True),
        ((1,), 0, 0.2, False),
        ((1,), 1, 0.7, False),
        ((1,), 2, 0.1, False),
        ((2,), 0, 0.5, False),
    ]


def test_the_tail_of_a_soft_label_goes_to_its_most_probable_classes() -> None:
    tail = np.array([[0.3, 0.25, 0.2, 0.1, 0.08, 0.04, 0.03]], np.float32)
    training = TrainingSet(
        np.ones((1, 2), np.float32), np.array([0]), np.array([False]), np.ones(1, np.float32), tail, tuple("abcdefg")
    )
    targets = targets_of(training)
    assert targets.labels.labels_N.tolist() == [0, 1, 2, 3, 4]
    np.testing.assert_allclose(targets.labels.weights_N, tail[0, :5] / tail[0, :5].sum(), rtol=1e-6)
