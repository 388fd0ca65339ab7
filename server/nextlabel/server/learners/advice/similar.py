"""What advisors say of similar items: advice about the pool, carried from item to item by the embedding."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nextlabel.server.learners.advice.elsewhere import AdviceOnPool

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

PENALTY = 10.0  # of the regression, where embeddings lie at distance 1 from their mean
FEWEST = 20  # items, with fewer of which nothing is carried


@dataclass(frozen=True, slots=True, eq=False)
class SimilarAdvice:
    """A ridge regression on the embedding of whatever M items of the pool without labels are held to be.

    An advisor errs here and there: where it says of an item what it does not say of those like it, it is less likely to
    be right. As in Raykar et al. (2010, "Learning from crowds"), a classifier learns from all answers, recalibrated,
    and each is held against it; here in one step, and how much that is worth is a coefficient that labels tell.

    Attributes:
        advice_MF: columns of `AdviceFeatures`.
        mean_D: of the embeddings.
        solve_DM: by which what is said of the items becomes coefficients.
    """

    advice_MF: Float32
    mean_D: Float64
    solve_DM: Float32

    @classmethod
    def of(cls, pool: AdviceOnPool) -> SimilarAdvice | None:
        """That of items all of which have advice; None where they are too few."""
        embeddings_MD = pool.embeddings_MD
        if len(embeddings_MD) < FEWEST:
            return None
        mean_D = embeddings_MD.mean(axis=0, dtype=np.float64)
        away_MD = embeddings_MD - mean_D
        gram_DD = away_MD.T @ away_MD + PENALTY * np.eye(len(mean_D))
        return cls(pool.advice.features_NF, mean_D, np.linalg.solve(gram_DD, away_MD.T).astype(np.float32))

    def carried(self, said_MC: Float32) -> tuple[Float64, Float64]:
        """Coefficients (C, D) and intercepts (C,) of what the items are like that have an embedding.

        Args:
            said_MC: probabilities of the classes of the M items. What is carried is 0 on the mean.
        """
        coef_CD = (self.solve_DM @ (said_MC - said_MC.mean(axis=0))).T.astype(np.float64)
        return coef_CD, -coef_CD @ self.mean_D
