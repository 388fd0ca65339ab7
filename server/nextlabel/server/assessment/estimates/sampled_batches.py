"""A share of the pool from batches that were chosen actively, by sampling whose probabilities are known.

LURE's idea (Farquhar et al. 2021, arXiv 2101.11665) for batches: each yields an unbiased guess at the share among its
candidates, the sum of value / probability over its picks / candidates; the guesses are averaged with weights that were
fixed before the draws. Given the threshold of a batch, its picks are uncorrelated (Cohen and Kaplan 2007, rank
conditioning), which gives the variance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nextlabel.server.assessment.estimates.effective import share_estimate
from nextlabel.server.assessment.intervals import Estimate

Floats = npt.NDArray[np.float64]

FEWEST_EFFECTIVE = 30
LEAST_EFFECTIVE_SHARE = 1 / 3
"""Of the picks: where weights are less even, intervals were measured to miss too often, and none is given."""

_UNSEEN = 0.5
"""How many hits that nobody saw the variance allows for, each of the weight that a random candidate has."""


@dataclass(frozen=True, slots=True, eq=False)
class SampledBatch:
    """k picks, each a hit or none, that entered the batch with known probabilities out of ``candidates`` items.

    Every candidate must have had a probability above 0. ``known`` items more are of the share that is asked for, all of
    them looked at before, with ``known_hits`` hits.
    """

    hits_k: npt.NDArray[np.bool_]
    probabilities_k: Floats
    candidates: int
    known: int = 0
    known_hits: int = 0

    def __post_init__(self) -> None:
        if not len(self.hits_k) or len(self.hits_k) != len(self.probabilities_k) or self.candidates < len(self.hits_k):
            raise ValueError(
                f"{len(self.hits_k)} hits with {len(self.probabilities_k)} probabilities of {self.candidates} "
                "candidates; expected one each, at least one, and no more than candidates"
            )
        if not ((self.probabilities_k > 0) & (self.probabilities_k <= 1)).all():
            raise ValueError("probabilities must lie in (0, 1]")

    @property
    def items(self) -> int:
        """How many items the share is of."""
        return self.known + self.candidates


def weighted_share(batches: Sequence[SampledBatch], error: float = 0.05) -> Estimate | None:
    """Return the share of hits among candidates and known items with its 95 % interval; None where that would not hold.

    It holds when the weights are worth at least 30 uniform draws (Kish 1965), and a third of the picks.
    ``error`` is how often it may miss. A value may lie a little outside [0, 1], as unbiased guesses do; the bounds do
    not.

    Raises:
        ValueError: there is no batch.
    """
    if not batches:
        raise ValueError("there is no batch to estimate from")
    items = sum(len(batch.hits_k) for batch in batches)
    parts = [len(batch.hits_k) / items for batch in batches]
    scale = np.concatenate([np.full(len(b.hits_k), part / b.items) for part, b in zip(parts, batches, strict=True)])
    probabilities = np.concatenate([b.probabilities_k for b in batches])
    hits = np.concatenate([b.hits_k for b in batches]).astype(np.float64)
    weights = scale / probabilities
    effective = float(weights.sum() ** 2 / (weights**2).sum())
    if effective < max(FEWEST_EFFECTIVE, LEAST_EFFECTIVE_SHARE * items):
        return None
    value = float(weights @ hits) + sum(p * b.known_hits / b.items for p, b in zip(parts, batches, strict=True))
    unknown = sum(p * b.candidates / b.items for p, b in zip(parts, batches, strict=True))
    variance = float(weights**2 @ (hits * (1 - probabilities))) + _UNSEEN * (unknown / effective) ** 2
    return share_estimate(value, variance, items, effective, items - 1, error)
