"""Choosing a candidate by cross-validation on trusted labels; the plain one wins unless another is clearly better."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from nextlabel.server.learners.candidates.candidates import CandidateFitter
from nextlabel.server.learners.candidates.description import CandidateChoice, CandidateScore, LearnerCandidate
from nextlabel.server.learners.candidates.linear import TrainedHead

Float32 = NDArray[np.float32]
Int64 = NDArray[np.int64]

FEW_LABELS, FOLDS_OF_FEW, FOLDS = 300, 5, 3
CHOICE_TOLERANCE = 3e-4  # looser than for the model itself: the order of the candidates does not need more
MIN_TRUSTED = 10  # fewer labels than this cannot tell candidates apart
MAX_TRUSTED = 2_000  # with more the pool adds little, and cross-validation would take long


def unchosen(trusted: int) -> CandidateChoice:
    """The plain estimator, where trusted labels are too few to choose by."""
    return CandidateChoice(LearnerCandidate.PLAIN, (), trusted)


def cross_validate(
    fitter: CandidateFitter,
    candidates: Sequence[LearnerCandidate],
    embeddings_ND: Float32,
    labels_N: Int64,
    trusted_n: Int64,
    rng: np.random.Generator,
) -> tuple[CandidateScore, ...]:
    """Scores candidates on held-out trusted labels, all on the same folds.

    Args:
        embeddings_ND: of the rows the fitter knows.
        labels_N: class indexes of those rows.
        trusted_n: the rows that may be held out; all others are always trained on.
    """
    probability = np.zeros((len(candidates), len(embeddings_ND)), np.float32)
    correct = np.zeros_like(probability)
    everything = np.arange(len(embeddings_ND))
    start: TrainedHead | None = None
    for held_out in _stratified_folds(labels_N, trusted_n, rng):
        known = np.setdiff1d(everything, held_out, assume_unique=True)
        start = fitter.fit(LearnerCandidate.PLAIN, known, start)
        for i, candidate in enumerate(candidates):
            predicted = fitter.fit(candidate, known, start).predict_proba(embeddings_ND[held_out])
            probability[i, held_out] = predicted[np.arange(len(held_out)), labels_N[held_out]]
            correct[i, held_out] = predicted.argmax(axis=1) == labels_N[held_out]
    return _scores(candidates, probability[:, trusted_n], correct[:, trusted_n])


def _stratified_folds(labels_N: Int64, trusted_n: Int64, rng: np.random.Generator) -> list[Int64]:
    """Disjoint parts of `trusted_n`; every class is dealt out over them as evenly as it can be."""
    shuffled = rng.permutation(trusted_n)
    by_class = shuffled[np.argsort(labels_N[shuffled], kind="stable")]
    folds = FOLDS_OF_FEW if len(trusted_n) < FEW_LABELS else FOLDS
    return [by_class[fold::folds] for fold in range(folds)]


def _scores(
    candidates: Sequence[LearnerCandidate], probability_kn: Float32, correct_kn: Float32
) -> tuple[CandidateScore, ...]:
    plain = probability_kn[list(candidates).index(LearnerCandidate.PLAIN)]
    scores = []
    for candidate, probability, correct in zip(candidates, probability_kn, correct_kn, strict=True):
        difference = probability - plain
        scores.append(
            CandidateScore(
                candidate=candidate,
                accuracy=float(correct.mean()),
                expected_accuracy=float(probability.mean()),
                gain=float(difference.mean()),
                gain_error=float(difference.std(ddof=1) / np.sqrt(len(difference))),
            )
        )
    return tuple(scores)


def choose(scores: Sequence[CandidateScore]) -> LearnerCandidate:
    """The candidate of greatest gain among those whose gain exceeds its standard error; else the plain one."""
    clear = [score for score in scores if score.gain > score.gain_error]
    return max(clear, key=lambda score: score.gain).candidate if clear else LearnerCandidate.PLAIN
