"""What learning needs to know of an annotation type: how answers become a model, and a model becomes answers."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from nextlabel.server.assessment.consensus.votes import Consensus
from nextlabel.server.learners.advice.features import AdviceFeatures
from nextlabel.server.learners.candidates.advice_choice import AdviceUse
from nextlabel.server.learners.candidates.linear import TrainedHead
from nextlabel.server.learners.evaluation import Evaluation
from nextlabel.server.learners.persistence import TrainedModel
from nextlabel.server.learners.specification import LearnerSpec
from nextlabel.server.learners.training import DescribedClasses
from nextlabel.server.values.labeling.answers import Body
from nextlabel.server.values.projects.projects import Project
from nextlabel.strategies import LabeledSet, LinearHead, Predictor

T = TypeVar("T")
M = TypeVar("M", bound=TrainedModel)
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class PredictedAnswer:
    """An answer as a model gives it.

    Attributes:
        probability: what the model gives the whole of it, in [0, 1], of a number that the true one is the same answer;
            None where nothing tells.
        interval: where a number lies, lowest and highest; None where the answer is none.
        source: what it rests on.
    """

    body: Body
    probability: float | None
    interval: tuple[float, float] | None = None
    source: AdviceUse = AdviceUse.LEARNER


@dataclass(frozen=True, slots=True, eq=False)
class Predicted:
    """What a model says of n items: probabilities of its classes, (n, C), where C may be 0, and its answers."""

    probabilities_nC: Floats
    answers: Sequence[PredictedAnswer]


@dataclass(frozen=True, slots=True, eq=False)
class AdvisedGold:
    """Embedded gold items, their true answers, and what advisors say of them."""

    embeddings_nD: Floats
    bodies: Sequence[Body]
    advice: AdviceFeatures


@dataclass(frozen=True, slots=True, eq=False)
class Beside:
    """What a model may learn from beside labels: a sample of the pool, what describes the classes, and advice.

    ``gold`` trains nothing: it says how far advice can be believed. ``pool_advice`` is what is said of the sample, but
    for items that are labeled.
    """

    pool_MD: Floats
    described: DescribedClasses | None
    advice: AdviceFeatures | None
    gold: AdvisedGold | None = None
    pool_advice: AdviceFeatures | None = None


class TaskLearner(Protocol[T, M]):
    """The learner of one annotation type: ``T`` is what it is trained on, ``M`` the model that it makes."""

    @property
    def estimators(self) -> Sequence[str]:
        """Names of the estimators that learn this type."""
        ...

    @property
    def unused_parameters(self) -> Collection[str]:
        """The parameters of estimators that have no part in it."""
        return ()

    @property
    def compares_pairs(self) -> bool:
        """Whether an item is a pair, its embedding that of both texts, one after the other."""
        return False

    def training(self, embeddings_ND: Floats, found: Sequence[Consensus], project: Project) -> T:
        """Return the training set of N embedded items with their consensus."""
        ...

    def train(self, training: T, beside: Beside, spec: LearnerSpec, seed: int, previous: TrainedModel | None) -> M:
        """Train on a thread.

        ``previous`` is the project's last model, to start from where it fits.
        """
        ...

    def evaluate(
        self, model: M, embeddings_nD: Floats, bodies: Sequence[Body], advice: AdviceFeatures | None
    ) -> Evaluation:
        """Compare a model with the true answers of n items, at least one; they name classes that the model knows."""
        ...

    def predict(self, model: M, embeddings_nD: Floats, advice: AdviceFeatures | None) -> Predicted:
        """Return what a model says of n items; ``advice`` is what advisors say of them."""
        ...

    def predictor(self, model: M) -> Predictor:
        """Return a model as strategies see it."""
        ...

    def labeled_set(self, training: T) -> LabeledSet:
        """Return what is labeled as strategies see it: one of the predictor's classes an item."""
        ...

    def committee(self, training: T, model: M, members: int, seed: int) -> Sequence[LinearHead]:
        """Train a committee of the model on bootstrap samples, with the classes of the predictor."""
        ...


def linear_head(head: TrainedHead) -> LinearHead:
    """Return a trained head as strategies see it."""
    return LinearHead(head.coef_CD, head.intercept_C)


AnyTaskLearner = TaskLearner[Any, Any]
