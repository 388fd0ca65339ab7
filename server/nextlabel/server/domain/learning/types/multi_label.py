"""The multi-label learner: every class is a question of its own, and the answer is the set of those said yes to."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

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
from nextlabel.server.learners.advice.features import AdviceFeatures
from nextlabel.server.learners.evaluation import Evaluation
from nextlabel.server.learners.multi_label.evaluation import evaluate_multi_label
from nextlabel.server.learners.multi_label.learner import (
    ESTIMATORS,
    train_multi_label,
    train_multi_label_committee,
)
from nextlabel.server.learners.multi_label.model import MultiLabelModel
from nextlabel.server.learners.multi_label.training import MultiLabelTraining
from nextlabel.server.learners.persistence import TrainedModel
from nextlabel.server.learners.specification import MEASURE_PARAMETERS, LearnerSpec
from nextlabel.server.learners.targets import counted
from nextlabel.server.tasks.registry import type_of
from nextlabel.server.values.labeling.answers import Body, MultiLabel
from nextlabel.server.values.projects.label_paths import parents_of
from nextlabel.server.values.projects.projects import Project
from nextlabel.strategies import LabeledSet, LinearHead, Predictor, YesNoHeads

NONE = 0
"""The class of an item to which none applies, as strategies see it."""


class MultiLabelLearner(TaskLearner[MultiLabelTraining, MultiLabelModel]):
    """Any number of classes an item."""

    @property
    @override
    def estimators(self) -> Sequence[str]:
        return ESTIMATORS

    @property
    @override
    def unused_parameters(self) -> Collection[str]:
        return MEASURE_PARAMETERS

    @override
    def training(self, embeddings_ND: Floats, found: Sequence[Consensus], project: Project) -> MultiLabelTraining:
        classes = project.class_names
        return MultiLabelTraining(
            embeddings_ND=embeddings_ND,
            targets_NC=class_targets(found, len(classes)),
            trusted_N=np.fromiter((c.trusted for c in found), np.bool_, len(found)),
            classes=classes,
            parents_C=parents_of(project.classes),
        )

    @override
    def train(
        self, training: MultiLabelTraining, beside: Beside, spec: LearnerSpec, seed: int, previous: TrainedModel | None
    ) -> MultiLabelModel:
        start = previous if isinstance(previous, MultiLabelModel) else None
        return train_multi_label(replace(training, described=beside.described), spec, seed, start)

    @override
    def evaluate(
        self, model: MultiLabelModel, embeddings_nD: Floats, bodies: Sequence[Body], advice: AdviceFeatures | None
    ) -> Evaluation:
        return evaluate_multi_label(model, embeddings_nD, _named(bodies, model.classes))

    @override
    def predict(self, model: MultiLabelModel, embeddings_nD: Floats, advice: AdviceFeatures | None) -> Predicted:
        probabilities_nC = model.predict_proba(embeddings_nD, advice)
        given_nC = model.given(probabilities_nC)
        sure_nC = np.where(given_nC, probabilities_nC, 1 - probabilities_nC)
        answers = [
            PredictedAnswer(MultiLabel(tuple(model.classes[c] for c in np.flatnonzero(given_C))), float(sure))
            for given_C, sure in zip(given_nC, sure_nC.prod(axis=1), strict=True)
        ]
        return Predicted(probabilities_nC, answers)

    @override
    def predictor(self, model: MultiLabelModel) -> Predictor:
        return YesNoHeads(linear_head(model.turning))

    @override
    def labeled_set(self, training: MultiLabelTraining) -> LabeledSet:
        """Return each item under the rarest of its classes, which says most about what is missing."""
        given_NC = training.targets_NC > 0.5
        rarity_C = -given_NC.sum(axis=0).astype(np.float64)
        rarest_N = np.where(given_NC, rarity_C, -np.inf).argmax(axis=1) + 1
        classes_N = np.where(given_NC.any(axis=1), rarest_N, NONE).astype(np.int64)
        return LabeledSet(training.embeddings_ND, classes_N, counted(training.trusted_N), given_NC)

    @override
    def committee(
        self, training: MultiLabelTraining, model: MultiLabelModel, members: int, seed: int
    ) -> Sequence[LinearHead]:
        heads = train_multi_label_committee(training, model, members, seed)
        return [YesNoHeads(linear_head(head)).linear for head in heads]


def class_targets(found: Sequence[Consensus], classes: int) -> npt.NDArray[np.float32]:
    """Return how probable it is that each of the first ``classes`` classes applies to n items, (n, C).

    An answer that is right with a known probability is taken as right in each class with that probability at least;
    else the shares of the votes stand.
    """
    if not found:
        return np.zeros((0, classes), np.float32)
    shares_nC: npt.NDArray[np.float32] = np.stack([c.probabilities_C[:classes] for c in found])
    for place, consensus in enumerate(found):
        if consensus.confidence is not None and not consensus.trusted:
            wrong = 1 - consensus.confidence
            shares_nC[place] = np.clip(shares_nC[place], wrong / classes, 1 - wrong)
    return shares_nC


def _named(bodies: Sequence[Body], classes: Sequence[str]) -> npt.NDArray[np.bool_]:
    place = {name: i for i, name in enumerate(classes)}
    named_nC = np.zeros((len(bodies), len(classes)), np.bool_)
    for row, body in enumerate(bodies):
        named_nC[row, [place[name] for name in type_of(body).classes(body)]] = True
    return named_nC
