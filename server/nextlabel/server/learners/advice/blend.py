"""A learner's opinion, advice and embedding in one softmax, fitted to labels that the learner had not seen.

Stacking (Wolpert 1992) with a prior: before any label an advisor is taken at its word as far as one is right in seven
of ten cases, and each label moves what an answer of it is worth. The embedding stands beside the advice with a strong
penalty: what it can add to a good advisor is little, and unpenalised it would drown it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from nextlabel.server.learners.advice.features import KINDS
from nextlabel.server.learners.candidates.linear import softmax

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

PRESUMED_RIGHT = 0.7  # of an advisor's answers, before labels say otherwise
PRESUMED_SLOPE = 0.5  # of an answer's log-odds on the stated confidence's, likewise
VARIANCE = 0.3  # of the prior of each coefficient; scikit-learn calls it C
LEARNER_WEIGHT, LEARNER_VARIANCE = 0.25, 0.25
EMBEDDING_SCALE = 0.5  # of embeddings of length 1 beside advice: the smaller, the stronger their penalty
LEAST_PROBABILITY = 1e-3  # of a class by the learner, which may not have seen one that the advisor names
MAX_STEPS = 200


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
    """``softmax(weight · log p_learner + x · embedding + a · advice + intercept)`` over the whole label space.

    Attributes:
        advisors: whose advice the columns of ``advice_CF`` are about.
        learner_weight: at least 0; 0 leaves the learner out.
        embedding_CD: float32; zeros leave the embedding out.
        advice_CF: float32, over the columns of `AdviceFeatures`.
        intercept_C: float32.
    """

    advisors: tuple[str, ...]
    learner_weight: float
    embedding_CD: Float32
    advice_CF: Float32
    intercept_C: Float32

    def weight(self, place: int) -> float:
        """By how much the advisor at this place, naming a class, raises its log-odds over the others', on the mean."""
        n_classes = len(self.intercept_C)
        first = place * KINDS * n_classes
        named_CC = self.advice_CF[:, first : first + n_classes].astype(np.float64)
        if n_classes < 2:
            return 0.0
        own = np.trace(named_CC)
        return float(own - (named_CC.sum() - own) / (n_classes - 1)) / n_classes

    def stretched(self, factor: float) -> Blend:
        """The blend that says of embeddings multiplied by a factor what this one says of them as they are."""
        return replace(self, embedding_CD=self.embedding_CD / np.float32(factor))

    def logits(self, learner_nC: Float32, embeddings_nD: Float32, advice_nF: Float32) -> Float32:
        """Unnormalised log-probabilities, (n, C).

        Args:
            learner_nC: the learner's probabilities.
        """
        evidence = embeddings_nD @ self.embedding_CD.T + advice_nF @ self.advice_CF.T + self.intercept_C
        return np.asarray(evidence + np.float32(self.learner_weight) * log_bounded(learner_nC), np.float32)

    def predict_proba(self, evidence: Evidence) -> Float32:
        """Class probabilities, (n, C) float32, rows summing to 1."""
        return softmax(self.logits(evidence.learner_nC, evidence.embeddings_nD, evidence.advice_nF))


def log_bounded(probabilities_nC: Float32) -> Float32:
    """Log-probabilities, none below that of `LEAST_PROBABILITY`."""
    return np.log(np.maximum(probabilities_nC, np.float32(LEAST_PROBABILITY)))


def fit_blend(advisors: tuple[str, ...], evidence: Evidence, shares_nC: Float32, *, advice_alone: bool) -> Blend:
    """The most probable blend under the labels and the prior.

    Args:
        shares_nC: what each label says, its weight spread over classes.
        advice_alone: whether learner and embedding are left out.
    """
    n_classes, n_advice = shares_nC.shape[1], evidence.advice_nF.shape[1]
    columns = evidence.advice_nF
    if not advice_alone:
        columns = np.concatenate([columns, EMBEDDING_SCALE * evidence.embeddings_nD], axis=1)
    prior_CF = np.zeros((n_classes, columns.shape[1]))
    prior_CF[:, :n_advice] = np.tile(_presumed(n_classes), len(advisors))
    learner = np.zeros_like(shares_nC) if advice_alone else log_bounded(evidence.learner_nC)
    coef, intercept, weight = _most_probable(
        columns.astype(np.float64), learner.astype(np.float64), shares_nC.astype(np.float64), prior_CF
    )
    embedding = np.zeros((n_classes, evidence.embeddings_nD.shape[1]))
    if not advice_alone:
        embedding = EMBEDDING_SCALE * coef[:, n_advice:]
    return Blend(
        advisors,
        0.0 if advice_alone else weight,
        embedding.astype(np.float32),
        coef[:, :n_advice].astype(np.float32),
        intercept.astype(np.float32),
    )


def _presumed(n_classes: int) -> Float64:
    """The prior's mean of one advisor's coefficients, (C, 2 · C)."""
    odds = PRESUMED_RIGHT / (1 - PRESUMED_RIGHT) * max(n_classes - 1, 1)
    named, sure = np.eye(n_classes) * np.log(odds), np.eye(n_classes) * PRESUMED_SLOPE
    return np.concatenate([named, sure], axis=1)


def _most_probable(
    columns_nF: Float64, learner_nC: Float64, shares_nC: Float64, prior_CF: Float64
) -> tuple[Float64, Float64, float]:
    n_classes, n_columns = prior_CF.shape
    weight_n = shares_nC.sum(axis=1, keepdims=True)

    def unpacked(parameters: Float64) -> tuple[Float64, Float64, float]:
        coef = parameters[: n_classes * n_columns].reshape(n_classes, n_columns)
        return coef, parameters[n_classes * n_columns : -1], float(parameters[-1])

    def loss(parameters: Float64) -> tuple[float, Float64]:
        coef, intercept, weight = unpacked(parameters)
        logits = columns_nF @ coef.T + weight * learner_nC + intercept
        logits -= logits.max(axis=1, keepdims=True)
        log_p = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        error = np.exp(log_p) * weight_n - shares_nC
        away, away_weight = coef - prior_CF, weight - LEARNER_WEIGHT
        penalty = (away**2).sum() / VARIANCE + (intercept**2).sum() / VARIANCE + away_weight**2 / LEARNER_VARIANCE
        gradient = np.concatenate(
            [
                (error.T @ columns_nF + away / VARIANCE).ravel(),
                error.sum(axis=0) + intercept / VARIANCE,
                [(error * learner_nC).sum() + away_weight / LEARNER_VARIANCE],
            ]
        )
        return float(-(shares_nC * log_p).sum() + penalty / 2), gradient

    start = np.concatenate([prior_CF.ravel(), np.zeros(n_classes), [LEARNER_WEIGHT]])
    bounds = [(None, None)] * (len(start) - 1) + [(0, None)]
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": MAX_STEPS})
    return unpacked(found.x)
