"""Gold items that annotators advise on: how often each of them and the learner are right where the answer is known."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from nextlabel.server.learners.advice.features import AdviceFeatures


@dataclass(frozen=True, slots=True, eq=False)
class AdviceOnGold:
    """G gold items. Nothing is trained on them: they tell how much to believe whom.

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
