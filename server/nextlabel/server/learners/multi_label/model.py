"""A trained multi-label model: an immutable value that says how probable every class is, and whether to give it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from nextlabel.server.learners.advice.features import AdviceFeatures
from nextlabel.server.learners.candidates.description import TrainingDescription
from nextlabel.server.learners.candidates.linear import TrainedHead
from nextlabel.server.learners.multi_label.rivals import Rivals
from nextlabel.server.learners.specification import LearnerSpec

Float32 = NDArray[np.float32]
V = TypeVar("V", Float32, NDArray[np.bool_])


@dataclass(frozen=True, slots=True, eq=False)
class MultiLabelModel:
    """A model over a label space of which any number of classes may apply.

    Attributes:
        head: log-odds of every class, each by itself.
        cuts_C: float32, the log-odds above which a class is given, after rivals have counted.
        parents_C: the place of the class that each one is a kind of, -1 for none; empty where no class is one.
        rivals: what the other classes of an item add to the log-odds of each one; None where they say nothing.
        blend: none; advice about several classes has no say yet.
    """

    classes: tuple[str, ...]
    spec: LearnerSpec
    head: TrainedHead
    cuts_C: Float32
    description: TrainingDescription
    parents_C: tuple[int, ...] = ()
    rivals: Rivals | None = None
    blend: None = None

    @property
    def n_classes(self) -> int:
        """Size of the label space."""
        return len(self.classes)

    @property
    def turning(self) -> TrainedHead:
        """The heads moved so that a class is given where its logit is above 0, beside rivals as strong as usual."""
        return TrainedHead(self.head.coef_CD, self.head.intercept_C - self.cuts_C)

    def predict_proba(self, embeddings_nD: NDArray[np.floating], advice: AdviceFeatures | None = None) -> Float32:
        """Probability of every class, (n, C) float32 in [0, 1]; rows need not sum to 1.

        A class is at least as probable as each kind of it.
        """
        logits_nC: NDArray[np.floating] = self.head.logits(np.asarray(embeddings_nD, np.float32))
        if self.rivals is not None:
            logits_nC = self.rivals.moved(logits_nC)
        own_nC = np.asarray(expit(logits_nC), np.float32)
        return raised(own_nC, self.parents_C)

    def hears(self, advice: AdviceFeatures | None) -> bool:
        """Whether this advice counts: not yet."""
        return False

    def given(self, probabilities_nC: NDArray[np.floating]) -> NDArray[np.bool_]:
        """Which classes are given at these probabilities, (n, C): what is above its cut, and what that is a kind of."""
        return raised(np.asarray(probabilities_nC > expit(self.cuts_C)), self.parents_C)


def raised(values_nC: V, parents_C: Sequence[int]) -> V:
    """Return values of classes, each at least that of every kind of it, (n, C).

    >>> raised(np.array([[0.2, 0.5, 0.1]]), (-1, 0, -1)).tolist()
    [[0.5, 0.5, 0.1]]
    """
    if not any(parent >= 0 for parent in parents_C):
        return values_nC
    result_nC = values_nC.copy()
    for c, parent in enumerate(parents_C):
        while parent >= 0:
            np.maximum(result_nC[:, parent], values_nC[:, c], out=result_nC[:, parent])
            parent = parents_C[parent]
    return result_nC


def level_of(place: int, parents_C: Sequence[int]) -> int:
    """Return how deep a class is, 1 for one that is no kind of another."""
    level = 1
    while parents_C and (place := parents_C[place]) >= 0:
        level += 1
    return level
