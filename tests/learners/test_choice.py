"""The choice among candidates: what it is measured on, and when the plain estimator stays."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from nextlabel.server.learners.candidates.calibration import calibrate
from nextlabel.server.learners.candidates.candidates import CandidateFitter
from nextlabel.server.learners.candidates.choice import (
    FEW_LABELS,
    MOST_PARTS,
    Descriptions,
    HeldOut,
    belief_in,
    choose,
    cross_validate,
    how_often_best,
)
from nextlabel.server.learners.candidates.description import CandidateChoice, CandidateScore, LearnerCandidate
from nextlabel.server.learners.candidates.linear import TrainedHead, softmax
from nextlabel.server.learners.candidates.logistic import LogisticSettings
from nextlabel.server.learners.candidates.measures import Measure, Measured, expected_macro_f1
from nextlabel.server.learners.candidates.pool_training import WeightedLabels
from tests.learners.blobs import Blobs


def _score(candidate: LearnerCandidate, gain: float, error: float) -> CandidateScore:
    return CandidateScore(candidate, False, accuracy=0.5, expected_macro_f1=0.4 + gain, gain=gain, gain_error=error)


@pytest.mark.parametrize(
    ("agreement", "self_training", "expected"),
    [
        ((0.10, 0.02), (0.05, 0.01), LearnerCandidate.AGREEMENT),
        ((0.10, 0.11), (0.05, 0.01), LearnerCandidate.SELF_TRAINING),
        ((0.10, 0.11), (0.05, 0.06), LearnerCandidate.PLAIN),
        ((-0.10, 0.01), (0.0, 0.0), LearnerCandidate.PLAIN),
    ],
)
def test_only_a_gain_above_its_error_beats_the_plain_estimator(
    agreement: tuple[float, float], self_training: tuple[float, float], expected: LearnerCandidate
) -> None:
    scores = [
        _score(LearnerCandidate.PLAIN, 0, 0),
        _score(LearnerCandidate.AGREEMENT, *agreement),
        _score(LearnerCandidate.SELF_TRAINING, *self_training),
    ]
    assert choose(scores) == (expected, False)


class RecordingFitter(CandidateFitter):
    """Remembers the items of every fit."""

    def __init__(self, labels: WeightedLabels, pool: np.ndarray, n_classes: int) -> None:
        super().__init__(labels, np.arange(len(labels)), pool, LogisticSettings(n_classes))
        self.fitted_on: list[set[int]] = []

    def fit(
        self,
        candidate: LearnerCandidate,
        items_n: np.ndarray,
        start: TrainedHead | None = None,
        *,
        described: bool = False,
    ) -> TrainedHead:
        self.fitted_on.append(set(items_n.tolist()))
        return super().fit(candidate, items_n, start, described=described)


def _labels(blobs: Blobs, n: int) -> WeightedLabels:
    return WeightedLabels(blobs.embeddings[:n], blobs.labels[:n], np.ones(n, np.float32))


def _held_out(blobs: Blobs, items: np.ndarray) -> HeldOut:
    shares = np.eye(5, dtype=np.float32)[blobs.labels[items]]
    return HeldOut(items, blobs.embeddings[items], shares, np.zeros(len(items), bool))


@pytest.mark.parametrize(("others", "n", "folds"), [(10, 50, 5), (0, FEW_LABELS, 3)])
def test_every_item_to_choose_by_is_held_out_once_and_no_other(blobs: Blobs, others: int, n: int, folds: int) -> None:
    items = np.arange(others, others + n)
    fitter = RecordingFitter(_labels(blobs, others + n), blobs.embeddings[600:700], 5)
    cross_validate(
        fitter, others + n, _held_out(blobs, items), Descriptions.NONE, expected_macro_f1, np.random.default_rng(0)
    )
    held_out = {frozenset(range(others + n)) - rows for rows in fitter.fitted_on}
    assert len(held_out) == folds
    assert sorted(item for fold in held_out for item in fold) == items.tolist()


def _choice(blobs: Blobs, measure: Measure, n: int = 50) -> CandidateChoice:
    fitter = CandidateFitter(_labels(blobs, n), np.arange(n), blobs.embeddings[600:700], LogisticSettings(5))
    return cross_validate(
        fitter, n, _held_out(blobs, np.arange(n)), Descriptions.NONE, measure, np.random.default_rng(0)
    )


def test_few_labels_use_several_candidates_and_many_the_best(blobs: Blobs) -> None:
    few, many = _choice(blobs, expected_macro_f1), _choice(blobs, expected_macro_f1, FEW_LABELS)
    assert 1 < len(few.parts) <= MOST_PARTS
    assert few.parts[0].candidate is few.candidate
    assert few.sharpness == pytest.approx(sum(part.factor for part in few.parts))
    assert [part.candidate for part in many.parts] == [choose(many.scores)[0]]


def test_how_often_a_candidate_is_the_best_is_that_of_weighing_the_items_anew() -> None:
    rng = np.random.default_rng(3)
    shares = np.eye(3, dtype=np.float32)[rng.integers(0, 3, 60)]
    said = [2 * shares + rng.normal(0, spread, shares.shape) for spread in (1.6, 1.7, 1.8, 4.0)]
    predicted = [softmax(logits.astype(np.float32)) for logits in said]
    found = [expected_macro_f1(probabilities, shares) for probabilities in predicted]
    weights = rng.dirichlet(np.ones(60), 2000).astype(np.float32)
    best = [np.argmax([expected_macro_f1(p, shares * w[:, None]).value for p in predicted]) for w in weights]
    expected = np.bincount(best, minlength=4) / len(best)
    assert expected.max() < 0.9
    everywhere = np.full(4, True)
    np.testing.assert_allclose(how_often_best(found, everywhere, rng), expected, atol=0.08)
    first_two = how_often_best(found, np.arange(4) < 2, rng)
    assert first_two[2:].tolist() == [0, 0]
    assert first_two.sum() == pytest.approx(1)


def test_scores_are_those_of_the_held_out_predictions(blobs: Blobs) -> None:
    choice = _choice(blobs, expected_macro_f1)
    plain, *others = choice.scores
    assert [score.candidate for score in choice.scores] == list(LearnerCandidate)
    assert (plain.gain, plain.gain_error) == (0, 0)
    assert 0.2 < plain.expected_macro_f1 < 1
    for other in others:
        assert other.gain == pytest.approx(other.expected_macro_f1 - plain.expected_macro_f1, abs=1e-6)
        assert other.gain_error > 0


def test_the_measure_chooses(blobs: Blobs) -> None:
    """Of two measures that are opposites no candidate is better by both."""

    def worse(probabilities: NDArray[np.float32], shares: NDArray[np.float32]) -> Measured:
        found = expected_macro_f1(probabilities, shares)
        return Measured(1 - found.value, -found.influence_n)

    better, opposite = _choice(blobs, expected_macro_f1), _choice(blobs, worse)
    assert better.candidate is not opposite.candidate
    assert [score.gain for score in opposite.scores] == pytest.approx([-score.gain for score in better.scores])


def test_descriptions_are_used_where_held_out_labels_say_so_and_only_there(blobs: Blobs) -> None:
    centres = np.stack([blobs.embeddings[blobs.labels == c].mean(axis=0) for c in range(5)])
    items = np.concatenate([np.flatnonzero(blobs.labels == c)[:3] for c in range(5)])
    labels = WeightedLabels(blobs.embeddings[items], blobs.labels[items], np.ones(15, np.float32))
    shares = np.eye(5, dtype=np.float32)[labels.labels_N]
    held_out = HeldOut(np.arange(15), labels.embeddings_ND, shares, np.zeros(15, bool))
    chosen = {}
    for name, order in (("right", np.arange(5)), ("wrong", (np.arange(5) + 1) % 5)):
        described = WeightedLabels(10 * centres[order], np.arange(5), np.ones(5, np.float32))
        fitter = CandidateFitter(labels, np.arange(15), blobs.embeddings[600:700], LogisticSettings(5), described)
        for way in (Descriptions.COMPARED, Descriptions.ALWAYS):
            rng = np.random.default_rng(0)
            choice = cross_validate(fitter, 15, held_out, way, expected_macro_f1, rng)
            chosen[name, way] = choice.described
            if way is Descriptions.ALWAYS:
                assert all(part.described for part in choice.in_use)
    assert [key for key, described in chosen.items() if not described] == [("wrong", Descriptions.COMPARED)]


@pytest.mark.parametrize(
    ("described", "labels", "classes", "expected"),
    [
        (None, 5, 3, Descriptions.NONE),
        ([0, 1, 2], 9, 3, Descriptions.ALWAYS),
        ([0, 1, 2], 30, 3, Descriptions.COMPARED),
        ([0, 1, 2], 30, 2, Descriptions.ALWAYS),
        ([0, 1], 30, 2, Descriptions.COMPARED),
        ([0, 1, 2], FEW_LABELS, 2, Descriptions.COMPARED),
    ],
)
def test_descriptions_are_used_while_labels_are_few_and_miss_a_class_that_is_described(
    described: list[int] | None, labels: int, classes: int, expected: Descriptions
) -> None:
    shares = np.eye(3, dtype=np.float32)[np.arange(labels) % classes]
    assert Descriptions.of(None if described is None else np.array(described), shares) is expected


@pytest.mark.parametrize("noise", [0.0, 0.3])
def test_calibration_finds_sharpness_and_the_noise_of_untrusted_labels(noise: float) -> None:
    rng = np.random.default_rng(1)
    logits = rng.normal(0, 3, (4000, 4)).astype(np.float32)
    labels = (softmax(logits).cumsum(axis=1) < rng.random((4000, 1))).sum(axis=1).clip(max=3)
    labels = np.where(rng.random(4000) < noise, rng.integers(0, 4, 4000), labels)
    shares = np.eye(4, dtype=np.float32)[labels]
    found = calibrate(logits * 2, shares, np.ones(4000, bool))
    assert found.sharpness == pytest.approx(0.5, rel=0.15)
    assert found.noise == pytest.approx(noise, abs=0.04)
    assert found.evidence > calibrate(logits[:, ::-1], shares, np.ones(4000, bool)).evidence
    assert calibrate(logits * 2, shares, np.zeros(4000, bool)).noise == 0


@pytest.mark.parametrize("by_people", [0, 40])
def test_labels_that_err_much_are_believed_less(blobs: Blobs, by_people: int) -> None:
    """Whether the labels that tell so are their own or those of people."""
    rng = np.random.default_rng(0)
    trusted, items = np.arange(100) < by_people, np.arange(by_people or 100)
    believed = []
    for errors in (0.0, 0.6):
        wrong = ~trusted & (rng.random(100) < errors)
        labels = np.where(wrong, rng.integers(0, 5, 100), blobs.labels[:100])
        shares = np.eye(5, dtype=np.float32)[labels[items]]
        fitters = {}
        for belief in (3.0, 0.1):
            weights = np.where(trusted, 1, belief).astype(np.float32)
            weighted = WeightedLabels(blobs.embeddings[:100], labels, weights)
            fitters[belief] = CandidateFitter(weighted, np.arange(100), blobs.embeddings[:0], LogisticSettings(5))
        held_out = HeldOut(items, blobs.embeddings[items], shares, ~trusted[items])
        believed.append(belief_in(fitters, 100, held_out, described=False, rng=np.random.default_rng(0)))
    assert 3 >= believed[0] > 1.5 * believed[1] >= 0.15


@pytest.mark.parametrize(("labels", "stale"), [(80, False), (99, False), (100, True), (79, True)])
def test_a_choice_is_stale_after_a_quarter_more_labels_or_any_fewer(labels: int, stale: bool) -> None:
    assert CandidateChoice(LearnerCandidate.AGREEMENT, False, (), 80).is_stale(labels) is stale
