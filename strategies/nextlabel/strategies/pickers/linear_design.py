"""What an answer about a row tells a linear learner: the row's direction, how much, and what is known already."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nextlabel.strategies.arithmetic.arrays import Exact, to_numpy
from nextlabel.strategies.arithmetic.exact import exactly
from nextlabel.strategies.context import SelectionContext
from nextlabel.strategies.heads import ComparisonHead, sides_apart

GAIN_GRID = 2.0**-20
"""Gains are rounded to multiples of this share of the first one; noise of factorizations is far below."""

UNKNOWN_TOLD = 0.25
"""What an answer about a pair tells while no learner says how sure it is of it."""


@dataclass(frozen=True, slots=True, eq=False)
class LinearDesign:
    """Candidates as a linear learner sees them.

    For a learner of pairs x is the difference of both sides, told the variance of the answer, and the prior its own
    penalty (see `ComparisonHead`). For any other x is the embedding and told the sum over the classes of p (1 - p); 1
    without a learner.

    Attributes:
        rows_md: x of every candidate.
        told_m: what an answer about each tells of the value that is linear in x, at least 0.
        covariance_dd: of the coefficients after the labels: the inverse of prior I + sum of told x x' over them.
    """

    rows_md: Exact
    told_m: Exact
    covariance_dd: Exact

    @classmethod
    def of(cls, embeddings_mD: Exact, context: SelectionContext, prior: float) -> LinearDesign:
        """Return the design of candidates; ``prior`` is that of learners that do not say theirs."""
        predictor, labeled = context.predictor, context.labeled
        rows_md, told_m = _seen(embeddings_mD, context)
        precision_dd = (predictor.penalty if isinstance(predictor, ComparisonHead) else prior) * np.eye(
            rows_md.shape[1]
        )
        if labeled is not None and len(labeled):
            known_Ld, told_L = _seen(to_numpy(exactly(labeled.embeddings_LD)), context)
            counted_L = told_L if labeled.weights_L is None else told_L * labeled.weights_L
            precision_dd += (counted_L[:, None] * known_Ld).T @ known_Ld
        return cls(rows_md, told_m, np.asarray(np.linalg.inv(precision_dd), np.float64))


def _seen(embeddings_nD: Exact, context: SelectionContext) -> tuple[Exact, Exact]:
    predictor = context.predictor
    if isinstance(predictor, ComparisonHead):
        return sides_apart(embeddings_nD), predictor.information(embeddings_nD)
    if predictor is None:
        if context.pairs:
            return sides_apart(embeddings_nD), np.full(len(embeddings_nD), UNKNOWN_TOLD)
        return embeddings_nD, np.ones(len(embeddings_nD))
    probabilities_nC = to_numpy(predictor.predict_proba(embeddings_nD)).astype(np.float64)
    return embeddings_nD, np.asarray(1 - (probabilities_nC**2).sum(axis=1))
