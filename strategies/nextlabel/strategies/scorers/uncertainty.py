"""Uncertainty of one predictor: margin, entropy, least confidence, ratio."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from math import log

from array_api_compat import array_namespace

from nextlabel.strategies.arithmetic.arrays import Array
from nextlabel.strategies.context import Need, SelectionContext
from nextlabel.strategies.heads import Predictor, YesNoHeads, predictor_logits
from nextlabel.strategies.pool import Block

PROBABILITIES = frozenset({Need.PROBABILITIES})


def top_two(values_Cn: Array) -> tuple[Array, Array]:
    """Return the largest and second largest of every column, each shape (n,).

    A tournament of pairwise maxima: 3 C comparisons in log C array operations, no sort. With one class
    the second is -inf.

    >>> import numpy as np
    >>> top_two(np.asarray([[1.0, 5.0], [3.0, 5.0], [2.0, 4.0]]))
    (array([3., 5.]), array([2., 5.]))
    """
    xp = array_namespace(values_Cn)
    first, second = values_Cn, xp.full_like(values_Cn[:1], -xp.inf)
    without_pair = []
    while len(first) > 1:
        half = len(first) // 2
        if len(first) % 2:
            without_pair.append((first[-1], second[-1]))
        left, right = first[:half], first[half : 2 * half]
        loser = xp.minimum(left, right)
        if len(second) > 1:
            loser = xp.maximum(loser, xp.maximum(second[:half], second[half : 2 * half]))
        first, second = xp.maximum(left, right), loser
    best, next_best = first[0], second[0]
    for its_best, its_next in without_pair:
        next_best = xp.maximum(xp.minimum(best, its_best), xp.maximum(next_best, its_next))
        best = xp.maximum(best, its_best)
    return best, next_best


class LogitScorer(ABC):
    """A function of one predictor's logits alone."""

    __slots__ = ()

    @property
    def needs(self) -> frozenset[Need]:
        """Probabilities."""
        return PROBABILITIES

    def score(self, block: Block, context: SelectionContext) -> Array:
        """Return one score a row, shape (n,)."""
        return self.of_prediction(context.require_predictor(), block.embeddings_nD)

    def of_prediction(self, predictor: Predictor, embeddings_nD: Array) -> Array:
        """Return the scores of what a predictor says of n rows, shape (n,)."""
        if isinstance(predictor, YesNoHeads):
            return self.of_questions(predictor.questions.logits(embeddings_nD))
        return self.of_logits(predictor_logits(predictor, embeddings_nD))

    def of_questions(self, logits_Cn: Array) -> Array:
        """Return the mean over C classes of the score of each one's yes or no, shape (n,)."""
        return array_namespace(logits_Cn).mean(self.of_each_question(logits_Cn), axis=0)

    def of_each_question(self, logits_Cn: Array) -> Array:
        """Return the score of each class's yes or no, shape (C, n)."""
        xp = array_namespace(logits_Cn)
        yes_1m = xp.reshape(logits_Cn, (1, -1))
        return xp.reshape(self.of_logits(xp.concat([xp.zeros_like(yes_1m), yes_1m])), logits_Cn.shape)

    @abstractmethod
    def of_logits(self, logits_Cn: Array) -> Array:
        """Return the scores of class-major logits, shape (n,)."""

    @abstractmethod
    def slope(self, n_classes: int) -> float:
        """Return a bound of how much the score moves when every logit moves by at most 1."""


@dataclass(frozen=True, slots=True)
class Margin(LogitScorer):
    """Minus the gap between the two most probable classes, in [-1, 0] (Scheffer et al. 2001)."""

    def of_logits(self, logits_Cn: Array) -> Array:
        """Return p2 - p1; as expm1 of the logits' gap it keeps its precision near 0."""
        xp = array_namespace(logits_Cn)
        first, second = top_two(logits_Cn)
        return xp.expm1(second - first) / _total(logits_Cn, first)

    def slope(self, n_classes: int) -> float:
        """Return 1: each of the two probabilities moves by half a logit at most."""
        return 1.0


@dataclass(frozen=True, slots=True)
class MinMargin(Margin):
    """Where any number of classes applies, the margin of the most doubtful one instead of the mean; else the margin."""

    def of_questions(self, logits_Cn: Array) -> Array:
        """Return the highest of the scores of all yes or no, shape (n,)."""
        return array_namespace(logits_Cn).max(self.of_each_question(logits_Cn), axis=0)


@dataclass(frozen=True, slots=True)
class LeastConfidence(LogitScorer):
    """One minus the highest probability, in [0, 1 - 1/C] (Lewis and Gale 1994)."""

    def of_logits(self, logits_Cn: Array) -> Array:
        """Return 1 - p1."""
        first = array_namespace(logits_Cn).max(logits_Cn, axis=0)
        return 1 - 1 / _total(logits_Cn, first)

    def slope(self, n_classes: int) -> float:
        """Return 1/2, the largest derivative of a logistic function times two logits that part."""
        return 0.5


@dataclass(frozen=True, slots=True)
class Ratio(LogitScorer):
    """Second highest over highest probability, in [0, 1] (Settles 2009)."""

    def of_logits(self, logits_Cn: Array) -> Array:
        """Return p2 / p1."""
        first, second = top_two(logits_Cn)
        # The product keeps an infinite logit from passing as a ratio of 0.
        return array_namespace(logits_Cn).exp(second - first) + 0 * first

    def slope(self, n_classes: int) -> float:
        """Return 2: the gap of two logits, under an exponential that is at most 1."""
        return 2.0


@dataclass(frozen=True, slots=True)
class Entropy(LogitScorer):
    """Shannon entropy of the prediction in nats, in [0, log C] (Settles 2009)."""

    def of_logits(self, logits_Cn: Array) -> Array:
        """Return -sum p log p."""
        return entropy_of_logits(logits_Cn)

    def slope(self, n_classes: int) -> float:
        """Return 1 + log C, above the mean distance of log p from its mean."""
        return 1.0 + log(n_classes)


def entropy_of_logits(logits: Array) -> Array:
    """Return the entropy of the softmax of class-major logits (…, C, n), shape (…, n).

    Uses log S - sum(e z) / S with shifted logits z and e = exp(z), which has no logarithm of 0.
    """
    xp = array_namespace(logits)
    shifted = logits - xp.max(logits, axis=-2, keepdims=True)
    exponentials = xp.exp(shifted)
    total = xp.sum(exponentials, axis=-2)
    shifted *= exponentials
    return xp.log(total) - xp.sum(shifted, axis=-2) / total


def _total(logits_Cn: Array, first_n: Array) -> Array:
    xp = array_namespace(logits_Cn)
    return xp.sum(xp.exp(logits_Cn - first_n), axis=0)
