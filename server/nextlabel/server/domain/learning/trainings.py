"""Training and evaluation as work that another process can do: what is needed travels, what is made comes back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from nextlabel.server.domain.learning.types.task_learner import AnyTaskLearner, Beside, Floats
from nextlabel.server.learners.advice.features import AdviceFeatures
from nextlabel.server.learners.evaluation import Evaluation
from nextlabel.server.learners.persistence import TrainedModel
from nextlabel.server.learners.specification import LearnerSpec
from nextlabel.server.learners.threads import TRAINING_THREADS
from nextlabel.server.values.labeling.answers import Body


def _threads_here() -> int:
    return TRAINING_THREADS.limit


@dataclass(frozen=True, slots=True, eq=False)
class Training:
    """Trains a model, with as many threads of numerical libraries as in the process that made this: sums stay the same.

    ``labels`` is what the learner makes training sets of.
    """

    learner: AnyTaskLearner
    labels: Any
    beside: Beside
    spec: LearnerSpec
    seed: int
    previous: TrainedModel | None
    threads: int = field(default_factory=_threads_here)

    def __call__(self) -> TrainedModel:
        """Return the model."""
        with TRAINING_THREADS.bounded(self.threads):
            model: TrainedModel = self.learner.train(self.labels, self.beside, self.spec, self.seed, self.previous)
            return model


@dataclass(frozen=True, slots=True, eq=False)
class Evaluating:
    """Compares a model with the true answers of n embedded items, with as many threads as `Training`."""

    learner: AnyTaskLearner
    model: TrainedModel
    embeddings_nD: Floats
    bodies: Sequence[Body]
    advice: AdviceFeatures | None
    threads: int = field(default_factory=_threads_here)

    def __call__(self) -> Evaluation:
        """Return the figures."""
        with TRAINING_THREADS.bounded(self.threads):
            return self.learner.evaluate(self.model, self.embeddings_nD, self.bodies, self.advice)
