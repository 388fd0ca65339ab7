"""The preference learner: which text of a pair is better; strategies see three classes, first, tie and second."""

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
from nextlabel.server.learners.preferences.evaluation import evaluate_preferences
from nextlabel.server.learners.preferences.learner import ESTIMATORS, reward_samples, train_preferences
from nextlabel.server.learners.preferences.model import PreferenceModel, reward_head
from nextlabel.server.learners.preferences.training import PreferenceTraining
from nextlabel.server.learners.specification import LearnerSpec
from nextlabel.server.values.labeling.answers import PREFERENCES, Body, Preference
from nextlabel.server.values.projects.projects import Project
from nextlabel.strategies import ComparisonHead, LabeledSet, LinearHead, Predictor


class PreferenceLearner(TaskLearner[PreferenceTraining, PreferenceModel]):
    """The better text of a pair, or neither."""

    @property
    @override
    def estimators(self) -> Sequence[str]:
        return ESTIMATORS

    @property
    @override
    def unused_parameters(self) -> Collection[str]:
        return specification.ESTIMATORS["default"]

    @property
    @override
    def compares_pairs(self) -> bool:
        return True

    @override
    def training(self, embeddings_ND: Floats, found: Sequence[Consensus], project: Project) -> PreferenceTraining:
        return PreferenceTraining(
            embeddings_ND=embeddings_ND,
            answers_N=_places([c.body for c in found]),
            trusted_N=np.fromiter((c.trusted for c in found), np.bool_, len(found)),
        )

    @override
    def train(
        self, training: PreferenceTraining, beside: Beside, spec: LearnerSpec, seed: int, previous: TrainedModel | None
    ) -> PreferenceModel:
        return train_preferences(training, spec)

    @override
    def evaluate(
        self, model: PreferenceModel, embeddings_nD: Floats, bodies: Sequence[Body], advice: AdviceFeatures | None
    ) -> Evaluation:
        return evaluate_preferences(model, embeddings_nD, _places(bodies))

    @override
    def predict(self, model: PreferenceModel, embeddings_nD: Floats, advice: AdviceFeatures | None) -> Predicted:
        probabilities_n3 = model.predict_proba(embeddings_nD)
        best_n, highest_n = probabilities_n3.argmax(axis=1).tolist(), probabilities_n3.max(axis=1).tolist()
        answers = [
            PredictedAnswer(Preference(PREFERENCES[best]), highest)
            for best, highest in zip(best_n, highest_n, strict=True)
        ]
        return Predicted(probabilities_n3, answers)

    @override
    def predictor(self, model: PreferenceModel) -> Predictor:
        return ComparisonHead(linear_head(model.head), model.penalty)

    @override
    def labeled_set(self, training: PreferenceTraining) -> LabeledSet:
        return LabeledSet(training.embeddings_ND, training.answers_N)

    @override
    def committee(
        self, training: PreferenceTraining, model: PreferenceModel, members: int, seed: int
    ) -> Sequence[LinearHead]:
        drawn = reward_samples(training, model, members, seed)
        return [linear_head(reward_head(coef_D, model.log_tie)) for coef_D in drawn]


def _places(bodies: Sequence[Body]) -> npt.NDArray[np.int64]:
    return np.array([PREFERENCES.index(body.choice) for body in bodies if isinstance(body, Preference)], np.int64)
