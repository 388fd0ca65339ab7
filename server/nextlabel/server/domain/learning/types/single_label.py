"""The learner of single labels: a distribution over the classes; the answer is the likeliest or the cheapest one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import cast

import numpy as np
from typing_extensions import override

from nextlabel.server.assessment.consensus.votes import Consensus
from nextlabel.server.domain.learning.evidence import distributions
from nextlabel.server.domain.learning.types.task_learner import (
    Beside,
    Floats,
    Predicted,
    PredictedAnswer,
    TaskLearner,
    linear_head,
)
from nextlabel.server.learners.advice.elsewhere import AdviceOnGold
from nextlabel.server.learners.advice.features import AdviceFeatures
from nextlabel.server.learners.evaluation import ClassEvaluation, evaluate
from nextlabel.server.learners.model import Model
from nextlabel.server.learners.persistence import TrainedModel
from nextlabel.server.learners.single_label.committee import train_committee
from nextlabel.server.learners.single_label.learner import train
from nextlabel.server.learners.specification import ESTIMATORS, LearnerSpec
from nextlabel.server.learners.targets import counted
from nextlabel.server.learners.training import TrainingSet
from nextlabel.server.tasks.registry import type_of
from nextlabel.server.values.labeling.answers import Body, Label
from nextlabel.server.values.projects.projects import Project
from nextlabel.strategies import LabeledSet, LinearHead, Predictor


class SingleLabelLearner(TaskLearner[TrainingSet, Model]):
    """One class an item."""

    @property
    @override
    def estimators(self) -> Sequence[str]:
        return tuple(ESTIMATORS)

    @override
    def training(self, embeddings_ND: Floats, found: Sequence[Consensus], project: Project) -> TrainingSet:
        classes = project.class_names
        return TrainingSet(
            embeddings_ND=embeddings_ND,
            labels_N=_places([c.body for c in found], classes),
            trusted_N=np.fromiter((c.trusted for c in found), np.bool_, len(found)),
            weights_N=np.ones(len(found), np.float32),
            probabilities_NC=distributions(found, len(classes)) if found else None,
            classes=classes,
        )

    @override
    def train(
        self, training: TrainingSet, beside: Beside, spec: LearnerSpec, seed: int, previous: TrainedModel | None
    ) -> Model:
        start = previous if isinstance(previous, Model) else None
        known = replace(training, described=beside.described, advice=beside.advice)
        gold = None
        if (found := beside.gold) is not None:
            gold = AdviceOnGold(found.embeddings_nD, _places(found.bodies, training.classes), found.advice)
        return train(known, beside.pool_MD, spec, seed, start, gold=gold, pool_advice=beside.pool_advice)

    @override
    def evaluate(
        self, model: Model, embeddings_nD: Floats, bodies: Sequence[Body], advice: AdviceFeatures | None
    ) -> ClassEvaluation:
        labels_n = _places(bodies, model.classes)
        found = evaluate(model, embeddings_nD, labels_n, advice)
        if advice is None or not model.hears(advice) or not advice.given_N.any():
            return found
        alone = evaluate(model, embeddings_nD, labels_n)
        measures = {
            "accuracy_without_advice": alone.accuracy,
            "macro_f1_without_advice": alone.macro_f1,
            "calibration_error_without_advice": alone.ece,
        }
        return replace(found, measures={**found.measures, **measures})

    @override
    def predict(self, model: Model, embeddings_nD: Floats, advice: AdviceFeatures | None) -> Predicted:
        probabilities_nC = model.predict_proba(embeddings_nD, advice)
        decided_n = model.decide(probabilities_nC)
        sure_n = np.take_along_axis(probabilities_nC, decided_n[:, None], axis=1)[:, 0]
        answers = [
            PredictedAnswer(Label(model.classes[place]), sure)
            for place, sure in zip(decided_n.tolist(), sure_n.tolist(), strict=True)
        ]
        return Predicted(probabilities_nC, answers)

    @override
    def predictor(self, model: Model) -> Predictor:
        head = model.linear
        if head is None:
            return cast("Predictor", model)  # of a model without a linear form the members are the same
        return linear_head(head)

    @override
    def labeled_set(self, training: TrainingSet) -> LabeledSet:
        return LabeledSet(training.embeddings_ND, training.labels_N, counted(training.trusted_N))

    @override
    def committee(self, training: TrainingSet, model: Model, members: int, seed: int) -> Sequence[LinearHead]:
        return [linear_head(head) for head in train_committee(training, model, members, seed)]


def _places(bodies: Sequence[Body], classes: Sequence[str]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    place = {name: i for i, name in enumerate(classes)}
    return np.fromiter((place[name] for body in bodies for name in type_of(body).classes(body)), np.int64, len(bodies))
