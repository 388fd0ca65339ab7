"""Advice as numbers: which class an advisor names, and how sure it says it is of that, each in columns of its own.

Confidence stands beside the class instead of becoming a probability of it: an LLM that says "impolite, .1" may be
right in .7 of such cases, and only labels can tell how much each of its answers is worth. It is taken as it was stated:
as log-odds what lies between .95 and .99 would weigh as much as what lies between .75 and .95.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]
Int64 = NDArray[np.int64]
Bool = NDArray[np.bool_]

LEAST_DOUBT = 0.02  # a stated confidence of 1 is read as .98
CONFIDENCE_SCALE = 4.0  # of stated confidence, so that what it is worth has about the size of what naming a class is
KINDS = 2  # columns an advisor has for each class: named, and confidence if named


@dataclass(frozen=True, slots=True)
class Opinion:
    """What an advisor says of an item.

    Attributes:
        shares: probability of each class index it holds possible, in (0, 1]; a single class has 1.
        confidence: how sure it says it is of the most probable one, in [0, 1]; None where it does not say.
    """

    shares: Mapping[int, float]
    confidence: float | None


@dataclass(frozen=True, slots=True, eq=False)
class AdviceFeatures:
    """Advice about N items.

    Attributes:
        advisors: who advises, in the order of the columns.
        features_NF: float32, (N, 2 · C · advisors): for each advisor the share of each class, then by how
            much the confidence is above one half, times 4, in the column of the class that it is about; zeros where
            nothing is said.
        given_N: which items any advisor has said something of.
    """

    advisors: tuple[str, ...]
    features_NF: Float32
    given_N: Bool

    def take(self, rows_n: Int64 | Bool | slice) -> AdviceFeatures:
        """The advice about these items."""
        return AdviceFeatures(self.advisors, self.features_NF[rows_n], self.given_N[rows_n])


def advice_features(
    opinions: Sequence[Mapping[str, Opinion]], advisors: tuple[str, ...], n_classes: int
) -> AdviceFeatures:
    """Features of what advisors say of each item, by name of the advisor; those not in ``advisors`` are left out."""
    features = np.zeros((len(opinions), len(advisors), KINDS, n_classes), np.float32)
    for item, said in enumerate(opinions):
        for place, advisor in enumerate(advisors):
            if (opinion := said.get(advisor)) is None:
                continue
            for named, share in opinion.shares.items():
                features[item, place, 0, named] = share
            if opinion.confidence is not None:
                top = max(opinion.shares, key=lambda c: opinion.shares[c])
                features[item, place, 1, top] = CONFIDENCE_SCALE * (opinion.confidence - 0.5)
    flat = features.reshape(len(opinions), len(advisors) * KINDS * n_classes)
    return AdviceFeatures(advisors, flat, np.asarray(features[:, :, 0].any(axis=(1, 2))))


def half_log_odds(confidence: float) -> float:
    """Confidence on a scale without ends, 0 at one half.

    >>> round(half_log_odds(0.5), 3), round(half_log_odds(1.0), 3), round(half_log_odds(0.0), 3)
    (0.0, 1.946, -1.946)
    """
    bounded = min(max(confidence, LEAST_DOUBT), 1 - LEAST_DOUBT)
    return float(np.log(bounded / (1 - bounded)) / 2)
