"""Choosing a candidate by cross-validation on trusted labels; the plain estimator wins unless another is better."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nextlabel.server.learners.candidates import Candidate, CandidateFitter
from nextlabel.server.learners.linear import LinearHead

Float32 = NDArray[np.float32]
Int64 = NDArray[np.int64]

FOLDS = 5
MIN_TRUSTED = 10  # fewer labels than this cannot tell candidates apart
GROWTH_BEFORE_NEXT_CHOICE = 1.25


@dataclass(frozen=True, slots=True)
class CandidateScore:
    """How a candidate did on held-out trusted labels.

    Attributes:
        accuracy: share of held-out labels it got right, in [0, 1].
        gain: mean difference to the plain estimator's accuracy, paired by item.
        gain_error: standard error of `gain`.
    """

    candidate: Candidate
    accuracy: float
    gain: float
    gain_error: float


@dataclass(frozen=True, slots=True)
class Choice:
    """The candidate in use, why, and the number of trusted labels it was chosen on."""

    candidate: Candidate
    scores: tuple[CandidateScore, ...]
    trusted: int

    def is_stale(self, trusted: int) -> bool:
        """Whether there are enough new trusted labels (or fewer than before) to choose again."""
        return trusted < self.trusted or trusted >= self.trusted * GROWTH_BEFORE_NEXT_CHOICE


def unchosen(trusted: int) -> Choice:
    """The plain estimator, where trusted labels are too few to choose by."""
    return Choice(Candidate.PLAIN, (), trusted)


def cross_validate(
    fitter: CandidateFitter,
    candidates: Sequence[Candidate],
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
    correct = np.zeros((len(candidates), len(embeddings_ND)), np.float32)
    everything = np.arange(len(embeddings_ND))
    starts: list[LinearHead | None] = [None] * len(candidates)
    for held_out in _stratified_folds(labels_N, trusted_n, rng):
        known = np.setdiff1d(everything, held_out, assume_unique=True)
        for i, candidate in enumerate(candidates):
            head = starts[i] = fitter.fit(candidate, known, starts[0])
            correct[i, held_out] = head.logits(embeddings_ND[held_out]).argmax(axis=1) == labels_N[held_out]
    return _scores(candidates, correct[:, trusted_n])


def _stratified_folds(labels_N: Int64, trusted_n: Int64, rng: np.random.Generator) -> list[Int64]:
    """Disjoint parts of `trusted_n`; every class is dealt out over them as evenly as it can be."""
    shuffled = rng.permutation(trusted_n)
    by_class = shuffled[np.argsort(labels_N[shuffled], kind="stable")]
    return [by_class[fold::FOLDS] for fold in range(FOLDS)]


def _scores(candidates: Sequence[Candidate], correct_kn: Float32) -> tuple[CandidateScore, ...]:
    plain = correct_kn[list(candidates).index(Candidate.PLAIN)]
    scores = []
    for candidate, correct in zip(candidates, correct_kn, strict=True):
        difference = correct - plain
        error = float(difference.std(ddof=1) / np.sqrt(len(difference)))
        scores.append(CandidateScore(candidate, float(correct.mean()), float(difference.mean()), error))
    return tuple(scores)


def choose(scores: Sequence[CandidateScore]) -> Candidate:
    """The most accurate candidate among those clearly better than the plain one; else the plain one."""
    clear = [score for score in scores if score.gain > score.gain_error]
    return max(clear, key=lambda score: score.accuracy).candidate if clear else Candidate.PLAIN
