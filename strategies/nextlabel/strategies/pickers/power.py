"""The k highest perturbed scores, with the probability that each had."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nextlabel.strategies.arithmetic.randomness import row_gumbels
from nextlabel.strategies.candidates import Candidates, Picks
from nextlabel.strategies.context import Need, SelectionContext
from nextlabel.strategies.errors import ParameterError
from nextlabel.strategies.pickers.top import Top
from nextlabel.strategies.scorers.power import STREAM


@dataclass(frozen=True, slots=True)
class PowerSample:
    """Top k of candidates scored by Power; needs k + 1 of them to know the threshold.

    Given the (k+1)-th highest perturbed score t, a row of log weight w was in with probability
    1 - exp(-exp(w - t)); sums weighted by the inverse are unbiased (Kool et al. 2019, arXiv 1903.06059).
    """

    @property
    def needs(self) -> frozenset[Need]:
        """Nothing beyond the scores."""
        return frozenset()

    def pick(self, candidates: Candidates, k: int, context: SelectionContext, rng: np.random.Generator) -> Picks:
        """Choose the k best; all of a pool of k have probability 1."""
        if candidates.scores_m is None:
            raise ParameterError("picker 'power' needs scores perturbed by the scorer Power; compose it with one")
        if len(candidates) == k and candidates.pool_size > k:
            raise ParameterError(f"picker 'power' needs {k + 1} candidates to pick {k}; raise the shortlist's size")
        positions = Top().pick(candidates, len(candidates), context, rng).positions_k
        chosen = positions[:k]
        if len(candidates) == k:
            return Picks(chosen, np.ones(k, np.float32))
        threshold = float(candidates.scores_m[positions[k]])
        noise = row_gumbels(candidates.rows_m[chosen], context.seed, STREAM)
        log_weights = candidates.scores_m[chosen].astype(np.float64) - noise
        return Picks(chosen, (-np.expm1(-np.exp(log_weights - threshold))).astype(np.float32))
