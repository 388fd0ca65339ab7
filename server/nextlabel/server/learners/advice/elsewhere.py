"""What advisors say of items that nothing is trained on: gold, and the rest of the pool."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from nextlabel.server.learners.advice.features import AdviceFeatures


@dataclass(frozen=True, slots=True, eq=False)
class AdviceOnGold:
    """G gold items. They tell how much to believe whom.

    Attributes:
        embeddings_GD: float32.
        labels_G: int64, their answers, indexes into the label space.
        advice: what is said of them.
    """

    embeddings_GD: NDArray[np.float32]
    labels_G: NDArray[np.int64]
    advice: AdviceFeatures

    def stretched(self, factor: float) -> AdviceOnGold:
        """The same with all embeddings multiplied by a factor."""
        return replace(self, embeddings_GD=self.embeddings_GD * np.float32(factor))

    def advised(self) -> AdviceOnGold:
        """Those of which something is said."""
        given = self.advice.given_N
        return AdviceOnGold(self.embeddings_GD[given], self.labels_G[given], self.advice.take(given))


@dataclass(frozen=True, slots=True, eq=False)
class AdviceOnPool:
    """M items of the pool whose labels are not known, and what is said of them. They tell what similar ones are like.

    Attributes:
        embeddings_MD: float32.
    """

    embeddings_MD: NDArray[np.float32]
    advice: AdviceFeatures

    def advised(self) -> AdviceOnPool:
        """Those of which something is said."""
        given = self.advice.given_N
        return AdviceOnPool(self.embeddings_MD[given], self.advice.take(given))


@dataclass(frozen=True, slots=True, eq=False)
class AdviceElsewhere:
    """Advice about other items than the labeled ones; None where there is none."""

    gold: AdviceOnGold | None = None
    pool: AdviceOnPool | None = None

    def by(self, advisors: tuple[str, ...]) -> AdviceElsewhere:
        """Items that these advisors say something of, if the advice is theirs."""
        gold, pool = self.gold, self.pool
        return AdviceElsewhere(
            None if gold is None or gold.advice.advisors != advisors else gold.advised(),
            None if pool is None or pool.advice.advisors != advisors else pool.advised(),
        )
