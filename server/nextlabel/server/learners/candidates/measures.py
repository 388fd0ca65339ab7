"""What candidates are compared by: figures of probabilities on held-out labels, each with its standard error.

All take probabilities as soft counts, which on few labels is far less noisy than counting the most probable class
alone. Errors are those of the infinitesimal jackknife (Jaeckel 1972): how each item moves the figure.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nextlabel.server.learners.costs import cost_matrix
from nextlabel.server.learners.specification import LearnerSpec

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

TINY = 1e-12


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """A figure.

    Attributes:
        value: in [0, 1], greater is better.
        influence_n: float64 whose mean is 0 and whose spread over the root of n is the standard error of ``value``.
    """

    value: float
    influence_n: Float64

    def error_of_gain(self, over: Measured) -> float:
        """Standard error of the difference to a figure of the same items."""
        difference_n = self.influence_n - over.influence_n
        return float(difference_n.std(ddof=1) / np.sqrt(len(difference_n)))


Measure = Callable[[Float32, Float32], Measured]
"""Of predicted probabilities (n, C), and what the labels say (n, C), the weight of each spread over classes; a class
that a label speaks against may have a negative part of it (`without_noise`)."""


def measure_of(spec: LearnerSpec, classes: tuple[str, ...]) -> Measure:
    """The measure that a specification declares; macro-F1 where its class is not in the label space."""
    if spec.measure == "accuracy":
        return expected_accuracy
    if spec.costs is not None:
        return expected_cost_of(cost_matrix(spec.costs, classes))
    if spec.measure_class not in classes:
        return expected_macro_f1
    place = classes.index(spec.measure_class)
    return average_precision_of(place) if spec.measure == "average_precision" else expected_f1_of(place)


def without_noise(shares_nC: Float32, untrusted_n: NDArray[np.bool_], noise: float) -> Float32:
    """What labels would say on the mean if they were right, the weight of each spread over classes; may be negative.

    A measure that is linear in what labels say is with these what it would be with right labels, on the mean.
    Natarajan, Dhillon, Ravikumar and Tewari (2013), "Learning with Noisy Labels".

    Args:
        untrusted_n: which labels may be noise.
        noise: in [0, 1), the share of these that are as if drawn at random.
    """
    random_nC = noise * shares_nC.mean(axis=1, keepdims=True)
    return np.where(untrusted_n[:, None], (shares_nC - random_nC) / (1 - noise), shares_nC).astype(np.float32)


def expected_accuracy(probabilities_nC: Float32, shares_nC: Float32) -> Measured:
    """Mean probability of the right class, items counted by the weight of their labels."""
    hits_n = (probabilities_nC * shares_nC.astype(np.float64)).sum(axis=1)
    return _ratio(hits_n, shares_nC.sum(axis=1, dtype=np.float64))


def expected_cost_of(costs_CC: Float32) -> Measure:
    """1 less the mean cost, as a share of the highest one: where all wrong answers cost the same, the accuracy."""
    saved_CC = 1 - costs_CC.astype(np.float64) / max(float(costs_CC.max()), TINY)

    def measure(probabilities_nC: Float32, shares_nC: Float32) -> Measured:
        saved_n = ((shares_nC @ saved_CC) * probabilities_nC).sum(axis=1)
        return _ratio(saved_n, shares_nC.sum(axis=1, dtype=np.float64))

    return measure


def expected_macro_f1(probabilities_nC: Float32, shares_nC: Float32) -> Measured:
    """Mean F1 of the classes among the labels."""
    probabilities_nC, shares_nC = probabilities_nC.astype(np.float64), shares_nC.astype(np.float64)
    seen_C = (shares_nC > 0).any(axis=0)
    if not seen_C.any():
        return _unknown(len(shares_nC))
    called_nS, right_nS = probabilities_nC[:, seen_C], shares_nC[:, seen_C]
    there_S = right_nS.sum(axis=0) > 0  # noise may leave nothing of a class
    of_nS = called_nS * shares_nC.sum(axis=1, keepdims=True) + np.where(there_S, right_nS, 0)
    parts_nS, total_S = 2 * called_nS * right_nS, np.maximum(of_nS.sum(axis=0), TINY)
    f1_S = parts_nS.sum(axis=0) / total_S
    return Measured(float(f1_S.mean()), ((parts_nS - f1_S * of_nS) / total_S).mean(axis=1) * len(shares_nC))


def expected_f1_of(place: int) -> Measure:
    """F1 of the class at this place of the label space; 0 where no label says it."""

    def measure(probabilities_nC: Float32, shares_nC: Float32) -> Measured:
        called_n, right_n = probabilities_nC[:, place].astype(np.float64), shares_nC[:, place].astype(np.float64)
        if not (right_n > 0).any():
            return _unknown(len(shares_nC))
        there_n = right_n if right_n.sum() > 0 else np.zeros_like(right_n)  # noise may leave nothing of the class
        return _ratio(2 * called_n * right_n, called_n * shares_nC.sum(axis=1, dtype=np.float64) + there_n)

    return measure


def average_precision_of(place: int) -> Measure:
    """Average precision of the class at this place of the label space; 0 where no label says it.

    Items of the same probability count as called together. What is negative in labels counts as nothing: random errors
    hardly change an order, and no ranking has negative precision.
    """

    def measure(probabilities_nC: Float32, shares_nC: Float32) -> Measured:
        right_n = np.maximum(shares_nC[:, place], 0).astype(np.float64)
        weight_n = shares_nC.sum(axis=1, dtype=np.float64)
        total = right_n.sum()
        if total == 0:
            return _unknown(len(shares_nC))
        _, step_n = np.unique(-probabilities_nC[:, place], return_inverse=True)
        right_s, called_s = np.bincount(step_n, right_n), np.maximum(np.cumsum(np.bincount(step_n, weight_n)), TINY)
        precision_s = np.cumsum(right_s) / called_s
        value = float(right_s @ precision_s / total)
        gained_s, diluted_s = _from_here(right_s / called_s), _from_here(right_s * precision_s / called_s)
        moved_n = right_n * (precision_s[step_n] - value + gained_s[step_n]) - weight_n * diluted_s[step_n]
        return Measured(value, moved_n / total * len(right_n))

    return measure


def _from_here(values_s: Float64) -> Float64:
    """Sums of each value and all after it."""
    return np.asarray(np.cumsum(values_s[::-1])[::-1])


def _ratio(parts_n: Float64, of_n: Float64) -> Measured:
    total = of_n.sum()
    if total == 0:
        return _unknown(len(of_n))
    value = float(parts_n.sum() / total)
    return Measured(value, (parts_n - value * of_n) / total * len(of_n))


def _unknown(n: int) -> Measured:
    return Measured(0.0, np.zeros(n))
