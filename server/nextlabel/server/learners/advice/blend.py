"""A learner's opinion, advice and embedding in one softmax: stacking (Wolpert 1992)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from nextlabel.server.learners.advice.features import KINDS
from nextlabel.server.learners.advice.usual_confidence import UsualConfidence
from nextlabel.server.learners.candidates.linear import softmax

Float32 = NDArray[np.float32]

LEAST_PROBABILITY = 1e-3  # of a class that the learner has seen
LEAST_LEAD = 1e-6  # of the learner's most probable class over the least probable one, for it to name any


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """What there is to predict n labels by.

    Attributes:
        learner_nC: probabilities by a learner that had not seen the labels.
        embeddings_nD: of the items.
        advice_nF: columns of `AdviceFeatures`.
    """

    learner_nC: Float32
    embeddings_nD: Float32
    advice_nF: Float32

    def take(self, rows_n: NDArray[np.int64]) -> Evidence:
        """The evidence about these."""
        return Evidence(self.learner_nC[rows_n], self.embeddings_nD[rows_n], self.advice_nF[rows_n])


@dataclass(frozen=True, slots=True, eq=False)
class Blend:
    """``softmax(weight · log p_learner + vote · named + x · embedding + a · advice + intercept)`` over all classes.

    Attributes:
        advisors: whose advice the columns of ``advice_CF`` are about.
        learner_weight: at least 0; 0 leaves the learner's probabilities out.
        embedding_CD: float32; zeros leave the embedding out.
        advice_CF: float32, over the columns of `AdviceFeatures`.
        intercept_C: float32.
        learner_vote: at least 0, what the learner's most probable class gains however sure it is, since few labels make
            a learner that is right and hardly surer than chance.
    """

    advisors: tuple[str, ...]
    learner_weight: float
    embedding_CD: Float32
    advice_CF: Float32
    intercept_C: Float32
    learner_vote: float = 0.0

    @classmethod
    def of_learner(cls, advisors: tuple[str, ...], evidence: Evidence) -> Blend:
        """The blend that says what the learner says."""
        n_classes, dimension = evidence.learner_nC.shape[1], evidence.embeddings_nD.shape[1]
        unheard = np.zeros((n_classes, evidence.advice_nF.shape[1]), np.float32)
        return cls(
            advisors, 1.0, np.zeros((n_classes, dimension), np.float32), unheard, np.zeros(n_classes, np.float32)
        )

    def weight(self, place: int, usual: UsualConfidence) -> float:
        """By how much the advisor at this place, naming a class as surely as it does on the mean, raises its log-odds.

        Over those of the others, on the mean over classes.
        """
        n_classes = len(self.intercept_C)
        of_advisor_CKC = self.advice_CF.reshape(n_classes, len(self.advisors), KINDS, n_classes)[:, place]
        named_CC = of_advisor_CKC[:, 0].astype(np.float64) + of_advisor_CKC[:, 1] * usual.means_AC[place]
        if n_classes < 2:
            return 0.0
        own = np.trace(named_CC)
        return float(own - (named_CC.sum() - own) / (n_classes - 1)) / n_classes

    def stretched(self, factor: float) -> Blend:
        """The blend that says of embeddings multiplied by a factor what this one says of them as they are."""
        return replace(self, embedding_CD=self.embedding_CD / np.float32(factor))

    def toward(self, other: Blend, share: float) -> Blend:
        """The blend whose logits lie this share of the way to those of another of the same advisors."""

        def between(own: Float32, others: Float32) -> Float32:
            return np.asarray((1 - share) * own + share * others, np.float32)

        return Blend(
            self.advisors,
            (1 - share) * self.learner_weight + share * other.learner_weight,
            between(self.embedding_CD, other.embedding_CD),
            between(self.advice_CF, other.advice_CF),
            between(self.intercept_C, other.intercept_C),
            (1 - share) * self.learner_vote + share * other.learner_vote,
        )

    def logits(self, learner_nC: Float32, embeddings_nD: Float32, advice_nF: Float32) -> Float32:
        """Unnormalised log-probabilities, (n, C).

        Args:
            learner_nC: the learner's probabilities.
        """
        evidence = embeddings_nD @ self.embedding_CD.T + advice_nF @ self.advice_CF.T + self.intercept_C
        voted = np.float32(self.learner_vote) * named_by(learner_nC)
        return np.asarray(evidence + voted + np.float32(self.learner_weight) * log_bounded(learner_nC), np.float32)

    def logits_of(self, evidence: Evidence) -> Float32:
        """The same of evidence."""
        return self.logits(evidence.learner_nC, evidence.embeddings_nD, evidence.advice_nF)

    def predict_proba(self, evidence: Evidence) -> Float32:
        """Class probabilities, (n, C) float32, rows summing to 1."""
        return softmax(self.logits_of(evidence))

    def predict_by_advice(self, advice_nF: Float32) -> Float32:
        """Class probabilities, (n, C), of items of which nothing else is known."""
        return softmax(np.asarray(advice_nF @ self.advice_CF.T + self.intercept_C, np.float32))


def log_bounded(probabilities_nC: Float32) -> Float32:
    """Log-probabilities, none below that of `LEAST_PROBABILITY`.

    Of a class with probability 0 the learner has seen nothing: it says of it what it would say of any at random.
    """
    unseen = np.float32(1 / probabilities_nC.shape[1])
    bounded = np.maximum(probabilities_nC, np.float32(LEAST_PROBABILITY))
    return np.asarray(np.log(np.where(probabilities_nC > 0, bounded, unseen)), np.float32)


def named_by(probabilities_nC: Float32) -> Float32:
    """1 in the column of the most probable class, else 0; a row of zeros where all are alike.

    >>> named_by(np.array([[0.2, 0.8], [0.5, 0.5]], np.float32)).tolist()
    [[0.0, 1.0], [0.0, 0.0]]
    """
    named_nC = np.zeros_like(probabilities_nC)
    if named_nC.size:
        rows = np.flatnonzero(np.ptp(probabilities_nC, axis=1) > LEAST_LEAD)
        named_nC[rows, probabilities_nC[rows].argmax(axis=1)] = 1
    return named_nC
