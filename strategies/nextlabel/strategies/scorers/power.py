"""Scores perturbed so that the k highest are a random sample that favours high scores."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nextlabel.strategies.arithmetic.arrays import Array
from nextlabel.strategies.arithmetic.exact import as_scores
from nextlabel.strategies.arithmetic.randomness import row_gumbels
from nextlabel.strategies.context import Need, SelectionContext
from nextlabel.strategies.pool import Block
from nextlabel.strategies.scorer import Scorer

STREAM = "power"
_SMALLEST = 1e-30


@dataclass(frozen=True, slots=True)
class Power:
    """beta * log(score + offset) + Gumbel noise (Kirsch et al. 2021, arXiv 2106.12059).

    The k highest are k draws without replacement with weights (score + offset)^beta.

    Attributes:
        inner: the scorer perturbed; score + offset must be at least 0.
        beta: 0 samples uniformly, larger values approach the plain top-k.
        offset: lifts scores that start below 0 (1 for the margin).
    """

    inner: Scorer
    beta: float = 1.0
    offset: float = 0.0

    @property
    def needs(self) -> frozenset[Need]:
        """What the inner scorer needs."""
        return self.inner.needs

    def score(self, block: Block, context: SelectionContext) -> Array:
        """Return the perturbed log weights."""
        inner_n = as_scores(self.inner.score(block, context)).astype(np.float64)
        log_weights_n = self.beta * np.log(np.maximum(inner_n + self.offset, _SMALLEST))
        return (log_weights_n + row_gumbels(block.rows_n, context.seed, STREAM)).astype(np.float32)
