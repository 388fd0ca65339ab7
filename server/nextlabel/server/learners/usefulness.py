"""Whether written texts help a learner, measured on real items that it has not seen.

Nothing of a real item that measures may have shaped the texts that it measures: in each fold, texts that were written
from its items are left out, and so are those that a learner without its items finds of another class. Without the
second rule the texts that a learner of all labels agrees with carry its labels into every fold.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nextlabel.server.learners.candidates.choice import stratified_folds
from nextlabel.server.learners.candidates.logistic import LogisticSettings, fit_logistic
from nextlabel.server.learners.threads import TRAINING_THREADS

Float32 = NDArray[np.float32]
Int64 = NDArray[np.int64]

FEWEST_ITEMS = 20
"""Real items below which nothing can be said."""

WEIGHT = 0.25
"""What a written text counts in labels."""

_FOLDS, _REPEATS = 5, 3
_CERTAIN = 1.645
"""Standard errors that a gain has to be above 0: one-sided, 95 %."""


@dataclass(frozen=True, slots=True, eq=False)
class WrittenTexts:
    """S texts with the classes they were written for.

    ``seeds_SN`` says for each of the N real items whether a text was written from it.
    """

    embeddings_SD: Float32
    labels_S: Int64
    seeds_SN: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Usefulness:
    """What a learner gains by written texts, on ``items`` real ones out of fold.

    Accuracies are means over classes, in [0, 1]; ``error`` is the standard error of their difference.
    """

    items: int
    without: float
    with_texts: float
    error: float

    @property
    def helps(self) -> bool:
        """True where the gain is beyond chance; what is uncertain does not help."""
        return self.with_texts - self.without > _CERTAIN * self.error


def usefulness(embeddings_ND: Float32, labels_N: Int64, written: WrittenTexts, n_classes: int) -> Usefulness | None:
    """Measure balanced logistic regression with and without the texts by cross-validation on N real labels.

    Returns None with fewer real items than `FEWEST_ITEMS`, of a single class, or without texts.
    """
    n = len(labels_N)
    if n < FEWEST_ITEMS or len(np.unique(labels_N)) < 2 or not len(written.labels_S):
        return None
    rng = np.random.default_rng(0)
    right_kN = np.zeros((2, n))
    with TRAINING_THREADS.bounded():
        for _ in range(_REPEATS):
            for held_out in stratified_folds(labels_N, rng, _FOLDS):
                known = np.setdiff1d(np.arange(n), held_out)
                predictions = _predictions(embeddings_ND, labels_N, known, held_out, written, n_classes)
                right_kN[:, held_out] += predictions == labels_N[held_out]
    right_kN /= _REPEATS
    # Every class has the same say, as in training.
    weight_N = n / (np.bincount(labels_N)[labels_N] * len(np.unique(labels_N)))
    gain_N = (right_kN[1] - right_kN[0]) * weight_N
    means = (right_kN * weight_N).mean(axis=1)
    return Usefulness(n, float(means[0]), float(means[1]), float(gain_N.std(ddof=1) / np.sqrt(n)))


def _predictions(
    embeddings_ND: Float32,
    labels_N: Int64,
    known_n: Int64,
    held_out_h: Int64,
    written: WrittenTexts,
    n_classes: int,
) -> NDArray[np.int64]:
    """Predict the held-out items without and with the texts: (2, h)."""
    settings = LogisticSettings(n_classes)
    ones = np.ones(len(known_n), np.float32)
    plain = fit_logistic(embeddings_ND[known_n], labels_N[known_n], ones, settings)
    clean = ~written.seeds_SN[:, held_out_h].any(axis=1)
    agreed = plain.logits(written.embeddings_SD).argmax(axis=1) == written.labels_S
    used = np.flatnonzero(clean & agreed)
    joined = fit_logistic(
        np.concatenate([embeddings_ND[known_n], written.embeddings_SD[used]]),
        np.concatenate([labels_N[known_n], written.labels_S[used]]),
        np.concatenate([ones, np.full(len(used), WEIGHT, np.float32)]),
        settings,
        plain,
    )
    held_out = embeddings_ND[held_out_h]
    return np.stack([head.logits(held_out).argmax(axis=1) for head in (plain, joined)])
