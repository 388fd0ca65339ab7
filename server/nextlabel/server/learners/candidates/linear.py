"""A softmax over a linear map: the form in which the default learner is kept, scored and shipped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]
Int64 = NDArray[np.int64]

# exp(-1e4) is exactly 0 in float32, and unlike -inf it survives multiplication and subtraction.
UNSEEN_LOGIT = np.float32(-1e4)


@dataclass(frozen=True, slots=True, eq=False)
class TrainedHead:
    """``softmax(x @ coef.T + intercept)`` over the whole label space.

    Attributes:
        coef_CD: float32, one row a class.
        intercept_C: float32; ``UNSEEN_LOGIT`` for a class without labels, whose probability is then exactly 0.
    """

    coef_CD: Float32
    intercept_C: Float32

    @classmethod
    def constant(cls, n_classes: int, dimension: int, seen_k: Int64) -> TrainedHead:
        """Equal probability for the classes in ``seen_k``; for all classes if it is empty."""
        intercept = np.zeros(n_classes, np.float32)
        if len(seen_k):
            intercept[:] = UNSEEN_LOGIT
            intercept[seen_k] = 0
        return cls(np.zeros((n_classes, dimension), np.float32), intercept)

    @property
    def is_seen(self) -> NDArray[np.bool_]:
        """Which classes can be predicted, (C,) bool."""
        return np.asarray(self.intercept_C > UNSEEN_LOGIT / 2)

    def sharpened(self, factor: float) -> TrainedHead:
        """The head whose logits are multiplied by a factor; classes without labels keep probability 0."""
        intercept = np.where(self.is_seen, self.intercept_C * np.float32(factor), UNSEEN_LOGIT)
        return TrainedHead(self.coef_CD * np.float32(factor), intercept.astype(np.float32))

    def stretched(self, factor: float) -> TrainedHead:
        """The head that says of embeddings multiplied by a factor what this one says of them as they are."""
        return TrainedHead(self.coef_CD / np.float32(factor), self.intercept_C)

    def logits(self, embeddings_nD: Float32) -> Float32:
        """Unnormalised log-probabilities, (n, C)."""
        return np.asarray(embeddings_nD @ self.coef_CD.T + self.intercept_C)

    def predict_proba(self, embeddings_nD: Float32) -> Float32:
        """Class probabilities, (n, C) float32, rows summing to 1."""
        return softmax(self.logits(embeddings_nD))


def combined(heads: Sequence[TrainedHead], factors: Sequence[float]) -> TrainedHead:
    """The head whose logits are the sum of those of all heads, each times its factor.

    A class that some of them do not know is up to the others, by whose factors the sum is made up to the same total.

    Args:
        heads: at least one, over the same label space and dimensions.
        factors: one a head, above 0.
    """
    factors_k = np.asarray(factors, np.float64)
    seen_kC = np.stack([head.is_seen for head in heads])
    known_C = factors_k @ seen_kC
    share_kC = factors_k[:, None] * seen_kC * (factors_k.sum() / np.where(known_C > 0, known_C, np.inf))
    coef = sum(share_C[:, None] * head.coef_CD for share_C, head in zip(share_kC, heads, strict=True))
    intercept = (share_kC * np.stack([head.intercept_C for head in heads])).sum(axis=0)
    return TrainedHead(np.asarray(coef, np.float32), np.where(known_C > 0, intercept, UNSEEN_LOGIT).astype(np.float32))


def softmax(logits_nC: Float32) -> Float32:
    """Row-wise softmax, stable for any finite input."""
    shifted = np.exp(logits_nC - logits_nC.max(axis=1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True), np.float32)


def margins(probabilities_nC: Float32) -> Float32:
    """Gap between the two largest probabilities of each row, in [0, 1]; 1 where there is a single class."""
    if probabilities_nC.shape[1] < 2:
        return np.ones(len(probabilities_nC), np.float32)
    top2 = np.partition(probabilities_nC, -2, axis=1)[:, -2:]
    return np.asarray(top2[:, 1] - top2[:, 0])
