"""What candidates are compared by: the figures of the textbooks, and errors that are those of resampling."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, f1_score

from nextlabel.server.learners.candidates.measures import (
    Measure,
    average_precision_of,
    expected_accuracy,
    expected_f1_of,
    expected_macro_f1,
    measure_of,
    without_noise,
)
from nextlabel.server.learners.specification import parse_learner_spec

MEASURES = [expected_accuracy, expected_macro_f1, expected_f1_of(2), average_precision_of(2)]


@dataclass(frozen=True)
class Held:
    labels: NDArray[np.int64]
    calls: NDArray[np.int64]
    probabilities: NDArray[np.float32]
    shares: NDArray[np.float32]


@pytest.fixture(scope="module")
def held() -> Held:
    """300 items of three classes, the last one rare; calls that are right in 70 % of cases."""
    rng = np.random.default_rng(0)
    labels = rng.choice(3, 300, p=[0.8, 0.13, 0.07])
    calls = np.where(rng.random(300) < 0.7, labels, rng.integers(0, 3, 300))
    probabilities = rng.dirichlet(np.ones(3), 300) + 1.5 * np.eye(3)[calls] * rng.random((300, 1))
    probabilities = np.round(probabilities / probabilities.sum(axis=1, keepdims=True), 1)  # with ties
    return Held(labels, calls, probabilities.astype(np.float32), np.eye(3, dtype=np.float32)[labels])


def test_certain_predictions_have_the_figures_of_their_calls(held: Held) -> None:
    certain = np.eye(3, dtype=np.float32)[held.calls]
    found = [measure(certain, held.shares).value for measure in MEASURES]
    f1 = f1_score(held.labels, held.calls, average=None)
    precision = average_precision_score(held.labels == 2, held.calls == 2)
    assert found == pytest.approx([(held.calls == held.labels).mean(), f1.mean(), f1[2], precision], abs=1e-6)


def test_average_precision_is_that_of_the_ranking(held: Held) -> None:
    found = average_precision_of(2)(held.probabilities, held.shares).value
    assert found == pytest.approx(average_precision_score(held.labels == 2, held.probabilities[:, 2]), abs=1e-6)


@pytest.mark.parametrize("measure", MEASURES)
def test_errors_are_those_of_resampling(held: Held, measure: Measure) -> None:
    found = measure(held.probabilities, held.shares)
    assert abs(found.influence_n.mean()) < 1e-9
    rng = np.random.default_rng(1)
    drawn = [measure(held.probabilities[rows], held.shares[rows]).value for rows in rng.integers(0, 300, (500, 300))]
    assert found.influence_n.std() / 300**0.5 == pytest.approx(np.std(drawn), rel=0.2)


@pytest.mark.parametrize("measure", MEASURES)
def test_half_a_label_twice_is_one_label(held: Held, measure: Measure) -> None:
    doubled, halves = np.repeat(held.probabilities, 2, axis=0), np.repeat(held.shares * np.float32(0.5), 2, axis=0)
    assert measure(doubled, halves).value == pytest.approx(measure(held.probabilities, held.shares).value, abs=1e-6)


@pytest.mark.parametrize("measure", MEASURES[:3])
def test_labels_corrected_for_their_noise_measure_what_right_ones_do(held: Held, measure: Measure) -> None:
    """On the mean over errors, a third of the labels drawn at random."""
    rng = np.random.default_rng(2)
    found = []
    for _ in range(300):
        drawn = np.where(rng.random(300) < 1 / 3, rng.integers(0, 3, 300), held.labels)
        said = without_noise(np.eye(3, dtype=np.float32)[drawn], np.full(300, True), 1 / 3)
        found.append(measure(held.probabilities, said).value)
    assert np.mean(found) == pytest.approx(measure(held.probabilities, held.shares).value, abs=0.01)


def test_trusted_labels_are_taken_at_their_word(held: Held) -> None:
    trusted = np.arange(300) < 100
    said = without_noise(held.shares, ~trusted, 0.6)
    np.testing.assert_array_equal(said[trusted], held.shares[trusted])
    np.testing.assert_allclose(said[~trusted], (held.shares[~trusted] - 0.2) / 0.4, rtol=1e-5)


def test_a_class_of_which_noise_leaves_nothing_has_a_finite_figure(held: Held) -> None:
    said = without_noise(held.shares, np.full(300, True), 0.8)
    assert said[:, 2].sum() < 0
    for measure in MEASURES:
        found = measure(held.probabilities, said)
        assert -2 < found.value < 2
        assert abs(found.influence_n.mean()) < 1e-9


@pytest.mark.parametrize("measure", MEASURES[2:])
def test_what_no_label_says_is_not_measured(held: Held, measure: Measure) -> None:
    known = held.labels != 2
    found = measure(held.probabilities[known], held.shares[known])
    assert found.value == 0
    assert not found.influence_n.any()


def test_the_declared_measure_is_taken(held: Held) -> None:
    classes = ("a", "b", "rare")

    def value(**params: str) -> float:
        measure = measure_of(parse_learner_spec("default", params), classes)
        return measure(held.probabilities, held.shares).value

    wanted = [measure(held.probabilities, held.shares).value for measure in MEASURES]
    found = [value(measure="accuracy"), value()]
    found += [value(measure=name, measure_class="rare") for name in ("f1", "average_precision")]
    assert found == wanted
