"""How good a multi-label model is on items it was not trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, label_ranking_average_precision_score
from typing_extensions import override

from nextlabel.server.assessment.agreement.macro_f1 import macro_f1_of_sets
from nextlabel.server.assessment.intervals import Estimate
from nextlabel.server.assessment.reliability import expected_calibration_error
from nextlabel.server.learners.evaluation import CALIBRATION_BINS, ClassEvaluation, ClassScores
from nextlabel.server.learners.multi_label.model import MultiLabelModel, level_of

Bool = NDArray[np.bool_]

MOST_LEVELS = 8
"""Levels of paths that are told apart."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class MultiLabelEvaluation(ClassEvaluation):
    """Scores of a multi-label model; it has no confusions.

    Attributes:
        truth_nC: which classes apply.
        given_nC: which classes the model gives.
    """

    truth_nC: Bool
    given_nC: Bool

    @override
    def macro_f1_missing(self, error: float) -> Estimate:
        return macro_f1_of_sets(self.truth_nC, self.given_nC, error)


def evaluate_multi_label(
    model: MultiLabelModel, embeddings_nD: NDArray[np.floating], truth_nC: Bool
) -> MultiLabelEvaluation:
    """Evaluates a model.

    `accuracy` is the share of the items whose set of classes is exactly right, `macro_f1` the mean F1 of the classes
    that occur among truth or predictions, and `ece` that of all probabilities of all classes. The further measures,
    all in [0, 1], are `micro_f1`, `mean_average_precision` over the classes that occur (absent when none does) and
    `ranking_average_precision` (LRAP, Schapire and Singer 2000): how far up an item's classes are in its ranking.
    Where names of classes are paths, `micro_f1` is the hierarchical F1 (Kiritchenko et al. 2006), as sets hold what
    their classes are kinds of; `micro_f1_level_1` and `macro_f1_level_1` are those of the most general classes alone,
    and so on, down to level 8.

    Args:
        truth_nC: which of the model's classes apply.

    Raises:
        ValueError: without any item, or if the shapes do not fit.
    """
    if len(truth_nC) == 0:
        raise ValueError("there is nothing to evaluate on; give the holdout at least one labeled item")
    if truth_nC.shape != (len(embeddings_nD), model.n_classes):
        raise ValueError(f"truth of shape {truth_nC.shape}; expected {(len(embeddings_nD), model.n_classes)}")
    probabilities_nC = model.predict_proba(embeddings_nD)
    given_nC = model.given(probabilities_nC)
    right_n = (given_nC == truth_nC).all(axis=1)
    per_class = tuple(_class_scores(name, truth_nC[:, c], given_nC[:, c]) for c, name in enumerate(model.classes))
    return MultiLabelEvaluation(
        n=len(truth_nC),
        accuracy=float(right_n.mean()),
        right=int(right_n.sum()),
        macro_f1=macro_f1_of_sets(truth_nC, given_nC).value,
        per_class=per_class,
        confusion_CC=np.zeros((model.n_classes, model.n_classes), np.int64),
        ece=expected_calibration_error(probabilities_nC.ravel(), truth_nC.ravel(), CALIBRATION_BINS),
        measures={
            **_measures(probabilities_nC, given_nC, truth_nC),
            **_by_level(given_nC, truth_nC, model.parents_C),
        },
        truth_nC=truth_nC,
        given_nC=given_nC,
    )


def _measures(probabilities_nC: NDArray[np.float32], given_nC: Bool, truth_nC: Bool) -> dict[str, float]:
    both = int(given_nC.sum()) + int(truth_nC.sum())
    measures = {
        "micro_f1": 2 * int((given_nC & truth_nC).sum()) / both if both else 0.0,
        "ranking_average_precision": float(label_ranking_average_precision_score(truth_nC, probabilities_nC)),
    }
    occurring = truth_nC.any(axis=0)
    if occurring.any():
        precision = average_precision_score(truth_nC[:, occurring], probabilities_nC[:, occurring])
        measures["mean_average_precision"] = float(precision)
    return measures


def _by_level(given_nC: Bool, truth_nC: Bool, parents_C: Sequence[int]) -> dict[str, float]:
    levels_C = np.array([level_of(c, parents_C) for c in range(len(parents_C))], np.int64)
    measures = {}
    for level in range(1, min(MOST_LEVELS, int(levels_C.max(initial=0))) + 1):
        given_nL, truth_nL = given_nC[:, levels_C == level], truth_nC[:, levels_C == level]
        both = int(given_nL.sum()) + int(truth_nL.sum())
        measures[f"micro_f1_level_{level}"] = 2 * int((given_nL & truth_nL).sum()) / both if both else 0.0
        measures[f"macro_f1_level_{level}"] = macro_f1_of_sets(truth_nL, given_nL).value
    return measures


def _class_scores(name: str, truth_n: Bool, given_n: Bool) -> ClassScores:
    hits, support, calls = int((truth_n & given_n).sum()), int(truth_n.sum()), int(given_n.sum())
    return ClassScores(
        name=name,
        precision=hits / calls if calls else 0.0,
        recall=hits / support if support else 0.0,
        f1=2 * hits / (support + calls) if support + calls else 0.0,
        support=support,
    )
