"""The result of a selection."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nextlabel.strategies.arithmetic.arrays import Floats, Rows
from nextlabel.strategies.candidates import Candidates, Picks


@dataclass(frozen=True, slots=True)
class Selection:
    """Rows to label next.

    Attributes:
        rows_k: int64 pool rows, unique, shape (k,), in order of picking; audit rows last.
        scores_k: float32 scores, higher = ask; NaN where the strategy scores nothing.
        inclusion_probabilities_k: float64 probability in (0, 1] with which the row entered the batch;
            NaN where the choice is deterministic or the probability has no closed form. Rows of the audit
            and others have the probability of entering the way they did; sums weighted by its inverse are
            unbiased over either kind alone. For power sampling it is conditional on the threshold that
            row k + 1 set (Kool et al. 2019, arXiv 1903.06059).
        reasons_k: a short reason each.
        audit_k: True for rows of the audit share.
        fallback: why rows were picked in another way than the strategy's own; '' where none was.
    """

    rows_k: Rows
    scores_k: Floats
    inclusion_probabilities_k: npt.NDArray[np.float64]
    reasons_k: tuple[str, ...]
    audit_k: npt.NDArray[np.bool_]
    fallback: str = ""

    def __len__(self) -> int:
        return len(self.rows_k)

    @classmethod
    def empty(cls) -> Selection:
        """Return the selection from an empty pool."""
        return cls(np.empty(0, np.int64), np.empty(0, np.float32), np.empty(0, np.float64), (), np.empty(0, np.bool_))

    @classmethod
    def from_picks(cls, candidates: Candidates, picks: Picks, reason: str) -> Selection:
        """Attach rows, scores and a default reason to a picker's choice."""
        positions_k = picks.positions_k
        unknown = np.full(len(positions_k), np.nan)
        probabilities = picks.inclusion_probabilities_k
        scores = unknown if candidates.scores_m is None else candidates.scores_m[positions_k]
        return cls(
            candidates.rows_m[positions_k],
            scores.astype(np.float32),
            unknown if probabilities is None else probabilities.astype(np.float64),
            tuple(own or reason for own in picks.reasons_k or [""] * len(positions_k)),
            np.zeros(len(positions_k), np.bool_),
        )

    def only(self, positions: npt.NDArray[np.int64]) -> Selection:
        """Return the selection restricted to these positions, in this order."""
        return Selection(
            self.rows_k[positions],
            self.scores_k[positions],
            self.inclusion_probabilities_k[positions],
            tuple(self.reasons_k[position] for position in positions),
            self.audit_k[positions],
            self.fallback,
        )

    def then(self, other: Selection) -> Selection:
        """Return this selection followed by another."""
        return Selection(
            np.concatenate([self.rows_k, other.rows_k]),
            np.concatenate([self.scores_k, other.scores_k]),
            np.concatenate([self.inclusion_probabilities_k, other.inclusion_probabilities_k]),
            self.reasons_k + other.reasons_k,
            np.concatenate([self.audit_k, other.audit_k]),
            self.fallback or other.fallback,
        )
