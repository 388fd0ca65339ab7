"""The choice among candidates: what it is measured on, and when the plain estimator stays."""

from __future__ import annotations

import numpy as np
import pytest

from nextlabel.server.learners.candidates.candidates import CandidateFitter
from nextlabel.server.learners.candidates.choice import FEW_LABELS, choose, cross_validate
from nextlabel.server.learners.candidates.description import CandidateChoice, CandidateScore, LearnerCandidate
from nextlabel.server.learners.candidates.linear import TrainedHead
from nextlabel.server.learners.candidates.logistic import LogisticSettings
from nextlabel.server.learners.candidates.pool_training import WeightedLabels
from tests.learners.blobs import Blobs


def _score(candidate: LearnerCandidate, gain: float, error: float) -> CandidateScore:
    return CandidateScore(candidate, accuracy=0.5, expected_accuracy=0.4 + gain, gain=gain, gain_error=error)


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
    assert choose(scores) is expected


class RecordingFitter(CandidateFitter):
    """Remembers the rows of every fit."""

    def __init__(self, labels: WeightedLabels, clamped: np.ndarray, pool: np.ndarray, n_classes: int) -> None:
        super().__init__(labels, clamped, pool, LogisticSettings(n_classes))
        self.fitted_on: list[set[int]] = []

    def fit(self, candidate: LearnerCandidate, rows_n: np.ndarray, start: TrainedHead | None = None) -> TrainedHead:
        self.fitted_on.append(set(rows_n.tolist()))
        return super().fit(candidate, rows_n, start)


@pytest.mark.parametrize(("untrusted", "trusted", "folds"), [(10, 50, 5), (0, FEW_LABELS, 3)])
def test_every_trusted_label_is_held_out_once_and_no_other(
    blobs: Blobs, untrusted: int, trusted: int, folds: int
) -> None:
    n = untrusted + trusted
    trusted_rows = np.arange(untrusted, n)
    labels = WeightedLabels(blobs.embeddings[:n], blobs.labels[:n], np.ones(n, np.float32))
    fitter = RecordingFitter(labels, np.arange(n) >= untrusted, blobs.embeddings[600:700], 5)
    candidates = [LearnerCandidate.PLAIN, LearnerCandidate.SELF_TRAINING]
    rng = np.random.default_rng(0)
    cross_validate(fitter, candidates, labels.embeddings_ND, labels.labels_N, trusted_rows, rng)
    held_out = {frozenset(range(n)) - rows for rows in fitter.fitted_on}
    assert len(held_out) == folds
    assert sorted(row for fold in held_out for row in fold) == trusted_rows.tolist()


def test_scores_are_those_of_the_held_out_predictions(blobs: Blobs) -> None:
    n = 50
    labels = WeightedLabels(blobs.embeddings[:n], blobs.labels[:n], np.ones(n, np.float32))
    fitter = CandidateFitter(labels, np.ones(n, bool), blobs.embeddings[600:700], LogisticSettings(5))
    plain, other = cross_validate(
        fitter,
        [LearnerCandidate.PLAIN, LearnerCandidate.SELF_TRAINING],
        labels.embeddings_ND,
        labels.labels_N,
        np.arange(n),
        np.random.default_rng(0),
    )
    assert (plain.gain, plain.gain_error) == (0, 0)
    assert 0.2 < plain.expected_accuracy < plain.accuracy <= 1
    assert other.gain == pytest.approx(other.expected_accuracy - plain.expected_accuracy, abs=1e-6)
    assert other.gain_error > 0


def test_untrusted_labels_do_not_seed_the_walk(blobs: Blobs) -> None:
    rows = np.concatenate([np.flatnonzero(blobs.labels == c)[:8] for c in (0, 1)])
    labels = WeightedLabels(blobs.embeddings[rows], blobs.labels[rows], np.ones(16, np.float32))
    wrong = WeightedLabels(labels.embeddings_ND, np.where(np.arange(16) % 8 < 4, labels.labels_N, 2), labels.weights_N)
    clamped = np.arange(16) % 8 < 4
    pool = blobs.embeddings[600:800]
    heads = [
        CandidateFitter(given, clamped, pool, LogisticSettings(5)).fit(LearnerCandidate.AGREEMENT, np.arange(16))
        for given in (labels, wrong)
    ]
    plain = wrong.fit(LogisticSettings(5))
    calls = [int((head.logits(pool).argmax(axis=1) == 2).sum()) for head in (*heads, plain)]
    assert calls[0] == 0
    assert calls[1] < calls[2] / 2


@pytest.mark.parametrize(("trusted", "stale"), [(80, False), (99, False), (100, True), (79, True)])
def test_a_choice_is_stale_after_a_quarter_more_labels_or_any_fewer(trusted: int, stale: bool) -> None:
    assert CandidateChoice(LearnerCandidate.AGREEMENT, (), 80).is_stale(trusted) is stale
