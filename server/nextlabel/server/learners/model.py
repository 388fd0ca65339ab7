"""A trained model: an immutable value that predicts, is scored by strategies and is saved."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from nextlabel.server.learners.advice.blend import Blend, Evidence
from nextlabel.server.learners.advice.features import AdviceFeatures
from nextlabel.server.learners.candidates.description import TrainingDescription
from nextlabel.server.learners.candidates.linear import TrainedHead
from nextlabel.server.learners.costs import cheapest, cost_matrix
from nextlabel.server.learners.specification import LearnerSpec

Float32 = NDArray[np.float32]


class ProbabilisticClassifier(Protocol):
    """What is needed of a scikit-learn classifier that is no linear softmax."""

    classes_: NDArray[np.int64]

    def predict_proba(self, X: Float32) -> NDArray[np.floating]:
        """Probabilities, (n, len(classes_))."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """A trained model over a label space.

    Attributes:
        linear: the model as a linear head, so that a pool is scored by one matrix product; None for an estimator
            that is not linear.
        estimator: the scikit-learn estimator where the linear head is not the whole of it: one that is not
            linear, or one whose optimiser state the next training goes on from.
        blend: what predicts items that have advice; None where the learner alone does.
        costs_CC: what each answer costs, by the true class; None where wrong answers have no costs of their own.
    """

    classes: tuple[str, ...]
    spec: LearnerSpec
    linear: TrainedHead | None
    estimator: ProbabilisticClassifier | None
    description: TrainingDescription
    blend: Blend | None = None
    costs_CC: Float32 | None = field(init=False, repr=False)

    def __post_init__(self) -> None:
        costs = self.spec.costs
        object.__setattr__(self, "costs_CC", None if costs is None else cost_matrix(costs, self.classes))

    @property
    def n_classes(self) -> int:
        """Size of the label space."""
        return len(self.classes)

    def predict_proba(self, embeddings_nD: NDArray[np.floating], advice: AdviceFeatures | None = None) -> Float32:
        """Class probabilities, (n, C) float32, rows summing to 1.

        The learner gives a class without labels 0; without any labels all classes are equally probable. Items
        without advice, or with that of other advisors than the model knows, are predicted by
        the learner alone.
        """
        embeddings = np.asarray(embeddings_nD, np.float32)
        probabilities = self._by_learner(embeddings)
        if self.blend is None or advice is None or not self.hears(advice):
            return probabilities
        given = advice.given_N
        evidence = Evidence(probabilities[given], embeddings[given], advice.features_NF[given])
        probabilities[given] = self.blend.predict_proba(evidence)
        return probabilities

    def stretched(self, factor: float) -> Model:
        """The model that says of embeddings multiplied by a factor what this one says of them; of linear ones alone."""
        linear = None if self.linear is None else self.linear.stretched(factor)
        return replace(self, linear=linear, blend=None if self.blend is None else self.blend.stretched(factor))

    def decide(self, probabilities_nC: Float32) -> NDArray[np.int64]:
        """The answers, (n,) places in `classes`: the most probable, or where wrong answers have costs, the cheapest."""
        if self.costs_CC is None:
            return np.asarray(probabilities_nC.argmax(axis=1))
        return cheapest(probabilities_nC, self.costs_CC)

    def hears(self, advice: AdviceFeatures | None) -> bool:
        """Whether this advice counts: the model learned what these advisors are worth, and found it worth something."""
        return self.blend is not None and advice is not None and advice.advisors == self.blend.advisors

    def _by_learner(self, embeddings_nD: Float32) -> Float32:
        if self.linear is not None:
            return self.linear.predict_proba(embeddings_nD)
        probabilities = np.zeros((len(embeddings_nD), self.n_classes), np.float32)
        if self.estimator is not None and len(embeddings_nD):
            probabilities[:, self.estimator.classes_] = self.estimator.predict_proba(embeddings_nD)
        return probabilities


class Classless:
    """What models have in common whose answers are no classes: no label space, and no advice that has a say yet."""

    __slots__ = ()

    classes: ClassVar[tuple[str, ...]] = ()
    blend: ClassVar[None] = None

    @property
    def n_classes(self) -> int:
        """Size of the label space: there is none."""
        return 0

    def hears(self, advice: AdviceFeatures | None) -> bool:
        """Whether this advice counts: not yet."""
        return False
