"""How good a model is on labeled items it was not trained on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from nextlabel.server.assessment.agreement.macro_f1 import macro_f1
from nextlabel.server.assessment.intervals import Estimate, wilson_interval
from nextlabel.server.assessment.reliability import expected_calibration_error
from nextlabel.server.learners.advice.features import AdviceFeatures
from nextlabel.server.learners.model import Model

CALIBRATION_BINS = 15


@dataclass(frozen=True, slots=True)
class ClassScores:
    """Scores of one class, each in [0, 1]; 0 where its denominator is 0. `support` counts its items."""

    name: str
    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Evaluation:
    """Scores of a model on n labeled items.

    Attributes:
        accuracy: share of the items that are predicted entirely right, in [0, 1].
        right: how many these are.
        measures: further measures by name, those of the annotation type.
    """

    n: int
    accuracy: float
    right: int
    measures: Mapping[str, float] = field(default_factory=dict)

    @property
    def accuracy_estimate(self) -> Estimate:
        """Accuracy with its 95 % interval, for one look."""
        return wilson_interval(self.right, self.n)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class ClassEvaluation(Evaluation):
    """Scores of a model that predicts classes.

    Attributes:
        macro_f1: mean F1 of the classes that occur among the labels or the predictions, in [0, 1].
        per_class: one entry a class of the label space.
        confusion_CC: int64 counts, true class by row, predicted class by column.
        ece: expected calibration error of the answers with 15 equal bins (Guo et al. 2017), in [0, 1].
    """

    macro_f1: float
    per_class: tuple[ClassScores, ...]
    confusion_CC: NDArray[np.int64]
    ece: float

    @property
    def macro_f1_estimate(self) -> Estimate:
        """Macro-F1 with its 95 % interval, for one look."""
        return self.macro_f1_missing(0.05)

    def macro_f1_missing(self, error: float) -> Estimate:
        """Macro-F1 with an interval that misses in this share of cases at most."""
        return macro_f1(self.confusion_CC, error)


def evaluate(
    model: Model,
    embeddings_nD: NDArray[np.floating],
    labels_n: NDArray[np.int64],
    advice: AdviceFeatures | None = None,
) -> ClassEvaluation:
    """Evaluates a model.

    Args:
        labels_n: indexes into the model's classes.
        advice: what advisors say of the items.

    Raises:
        ValueError: without any item, or if the lengths differ or a label is out of range.
    """
    if len(labels_n) == 0:
        raise ValueError("there is nothing to evaluate on; give the holdout at least one labeled item")
    if len(labels_n) != len(embeddings_nD):
        raise ValueError(f"{len(embeddings_nD)} embeddings for {len(labels_n)} labels; expected one each")
    if labels_n.min() < 0 or labels_n.max() >= model.n_classes:
        raise ValueError(f"labels must lie in [0, {model.n_classes}), the indexes of the model's classes")
    probabilities = model.predict_proba(embeddings_nD, advice)
    predicted = model.decide(probabilities)
    sure = np.take_along_axis(probabilities, predicted[:, None], axis=1)[:, 0]
    confusion = np.zeros((model.n_classes, model.n_classes), np.int64)
    np.add.at(confusion, (labels_n, predicted), 1)
    per_class = tuple(_class_scores(name, confusion, i) for i, name in enumerate(model.classes))
    occurs = (confusion.sum(axis=0) + confusion.sum(axis=1)) > 0
    correct = predicted == labels_n
    return ClassEvaluation(
        n=len(labels_n),
        accuracy=float(correct.mean()),
        right=int(correct.sum()),
        macro_f1=float(np.mean([scores.f1 for scores, there in zip(per_class, occurs, strict=True) if there])),
        per_class=per_class,
        confusion_CC=confusion,
        ece=expected_calibration_error(sure, correct, CALIBRATION_BINS),
        measures=_mean_cost(model, confusion),
    )


def _mean_cost(model: Model, confusion_CC: NDArray[np.int64]) -> Mapping[str, float]:
    """What an answer costs on the mean, where a project declares costs."""
    if model.costs_CC is None:
        return {}
    return {"mean_cost": float((confusion_CC * model.costs_CC).sum() / confusion_CC.sum())}


def _class_scores(name: str, confusion_CC: NDArray[np.int64], c: int) -> ClassScores:
    hits, support, calls = int(confusion_CC[c, c]), int(confusion_CC[c].sum()), int(confusion_CC[:, c].sum())
    return ClassScores(
        name=name,
        precision=hits / calls if calls else 0.0,
        recall=hits / support if support else 0.0,
        f1=2 * hits / (support + calls) if support + calls else 0.0,
        support=support,
    )
