"""Whether written texts help a learner, measured on real items that it has not seen.

Nothing of a real item that measures may have shaped the texts that it measures: in each fold, texts that were written
from its items are left out, and so are those that a learner without its items finds of another kind. Without the
second rule the texts that a learner of all labels agrees with carry its labels into every fold.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nextlabel.server.learners.threads import TRAINING_THREADS
from nextlabel.server.learners.truths import Truth

Float32 = NDArray[np.float32]
Int64 = NDArray[np.int64]

FEWEST_ITEMS = 20
"""Real items below which nothing can be said."""

WEIGHT = 0.25
"""What a written text counts in labels."""

_FOLDS, _REPEATS = 5, 3
_CERTAIN = 2.326
"""Standard errors that a gain has to be above 0: one-sided, 99 %, as a wrong yes costs more than a missed gain."""


@dataclass(frozen=True, slots=True, eq=False)
class WrittenTexts:
    """S texts with what they were written for, as `Truth.targets_N` has it.

    ``seeds_SN`` says for each of the N real items whether a text was written from it.
    """

    embeddings_SD: Float32
    targets_S: NDArray[Any]
    seeds_SN: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Usefulness:
    """What a learner gains by written texts, on ``items`` real ones out of fold.

    The measures are those of `Truth.right`, in [0, 1]; ``error`` is the standard error of their difference.
    """

    items: int
    without: float
    with_texts: float
    error: float

    @property
    def helps(self) -> bool:
        """True where the gain is beyond chance; what is uncertain does not help."""
        return self.with_texts - self.without > _CERTAIN * self.error


def usefulness(embeddings_ND: Float32, truth: Truth[Any], written: WrittenTexts) -> Usefulness | None:
    """Measure a plain learner with and without the texts by cross-validation on N real items.

    Returns None with fewer real items than `FEWEST_ITEMS`, of which nothing can be told apart, or without texts.
    """
    n = len(truth.targets_N)
    if n < FEWEST_ITEMS or not truth.varies or not len(written.targets_S):
        return None
    rng = np.random.default_rng(0)
    right_kN = np.zeros((2, n))
    with TRAINING_THREADS.bounded():
        for _ in range(_REPEATS):
            for held_out in truth.folds(rng, _FOLDS):
                known = np.setdiff1d(np.arange(n), held_out)
                right_kN[:, held_out] += _right(embeddings_ND, truth, known, held_out, written)
    right_kN /= _REPEATS
    gain_N = right_kN[1] - right_kN[0]
    means = right_kN.mean(axis=1)
    return Usefulness(n, float(means[0]), float(means[1]), float(gain_N.std(ddof=1) / np.sqrt(n)))


def _right(
    embeddings_ND: Float32, truth: Truth[Any], known_n: Int64, held_out_h: Int64, written: WrittenTexts
) -> NDArray[np.float64]:
    """Return how right learners without and with the texts are about the held-out items: (2, h)."""
    ones = np.ones(len(known_n), np.float32)
    plain = truth.fit(embeddings_ND[known_n], truth.targets_N[known_n], ones, None)
    clean = ~written.seeds_SN[:, held_out_h].any(axis=1)
    used = np.flatnonzero(clean & truth.agrees(plain, written.embeddings_SD, written.targets_S))
    joined = truth.fit(
        np.concatenate([embeddings_ND[known_n], written.embeddings_SD[used]]),
        np.concatenate([truth.targets_N[known_n], written.targets_S[used]]),
        np.concatenate([ones, np.full(len(used), WEIGHT, np.float32)]),
        plain,
    )
    return np.stack([truth.right(head, embeddings_ND[held_out_h], held_out_h) for head in (plain, joined)])
