"""The score learner: a number an item, with the interval that it lies in; strategies see levels."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
import numpy.typing as npt
from typing_extensions import override

from nextlabel.server.assessment.consensus.votes import Consensus
from nextlabel.server.domain.learning.types.task_learner import (
    Beside,
    Floats,
    Predicted,
    PredictedAnswer,
    TaskLearner,
    linear_head,
)
from nextlabel.server.learners import specification
from nextlabel.server.learners.advice.features import AdviceFeatures
from nextlabel.server.learners.evaluation import Evaluation
from nextlabel.server.learners.persistence import TrainedModel
from nextlabel.server.learners.scores.evaluation import evaluate_scores
from nextlabel.server.learners.scores.learner import ESTIMATORS, train_scores, weight_samples
from nextlabel.server.learners.scores.levels import level_head, levels_of
from nextlabel.server.learners.scores.model import ScoreModel
from nextlabel.server.learners.scores.training import ScoreTraining
from nextlabel.server.learners.specification import LearnerSpec
from nextlabel.server.learners.targets import counted
from nextlabel.server.values.labeling.answers import Body, Score
from nextlabel.server.values.projects.projects import Project
from nextlabel.strategies import LabeledSet, LevelHead, LinearHead, Predictor


class ScoreLearner(TaskLearner[ScoreTraining, ScoreModel]):
    """A number an item."""

    @property
    @override
    def estimators(self) -> Sequence[str]:
        return ESTIMATORS

    @property
    @override
    def unused_parameters(self) -> Collection[str]:
        return specification.ESTIMATORS["default"]

    @override
    def training(self, embeddings_ND: Floats, found: Sequence[Consensus], project: Project) -> ScoreTraining:
        return ScoreTraining(
            embeddings_ND=embeddings_ND,
            scores_N=_values([c.body for c in found]),
            trusted_N=np.fromiter((c.trusted for c in found), np.bool_, len(found)),
            allowed=project.score_range,
        )

    @override
    def train(
        self, training: ScoreTraining, beside: Beside, spec: LearnerSpec, seed: int, previous: TrainedModel | None
    ) -> ScoreModel:
        return train_scores(training, spec)

    @override
    def evaluate(
        self, model: ScoreModel, embeddings_nD: Floats, bodies: Sequence[Body], advice: AdviceFeatures | None
    ) -> Evaluation:
        return evaluate_scores(model, embeddings_nD, _values(bodies))

    @override
    def predict(self, model: ScoreModel, embeddings_nD: Floats, advice: AdviceFeatures | None) -> Predicted:
        scores_n = model.predict(embeddings_nD)
        bounds = model.intervals(scores_n).tolist()
        sure = model.sureness()
        answers = [
            PredictedAnswer(Score(score), sure, (low, high))
            for score, (low, high) in zip(scores_n.tolist(), bounds, strict=True)
        ]
        return Predicted(np.zeros((len(scores_n), 0), np.float32), answers)

    @override
    def predictor(self, model: ScoreModel) -> Predictor:
        return LevelHead(_levels(model.coef_D, model.intercept, model.spread))

    @override
    def labeled_set(self, training: ScoreTraining) -> LabeledSet:
        return LabeledSet(training.embeddings_ND, levels_of(training), counted(training.trusted_N))

    @override
    def committee(self, training: ScoreTraining, model: ScoreModel, members: int, seed: int) -> Sequence[LinearHead]:
        return [_levels(*drawn, model.spread) for drawn in weight_samples(training, model, members, seed)]


def _values(bodies: Sequence[Body]) -> npt.NDArray[np.float64]:
    return np.array([body.value for body in bodies if isinstance(body, Score)], np.float64)


def _levels(coef_D: Floats, intercept: float, spread: float) -> LinearHead:
    return linear_head(level_head(coef_D, intercept, spread))
