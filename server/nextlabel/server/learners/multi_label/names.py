"""What to expect of the heads before any answer: an item is the likelier of a class the more it is like its texts.

How much likelier is one number for all classes, so that the answers about frequent classes tell what the names of rare
ones are worth.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from nextlabel.server.learners.candidates.linear import TrainedHead
from nextlabel.server.learners.multi_label.heads import Answers
from nextlabel.server.learners.training import DescribedClasses

Float64 = NDArray[np.float64]

NEWTON_STEPS = 30
PENALTY = 1e-3


def expected_heads(answers: Answers, described: DescribedClasses) -> TrainedHead:
    """Return heads that point along the texts of their classes, as far as the answers say that this helps.

    The log-odds of all classes are one line of the similarity between item and class, counted from the mean of the
    class because some texts are like everything.
    """
    names_CD = class_directions(described, answers.targets_NC.shape[1])
    mean_D = answers.embeddings_ND.mean(axis=0, dtype=np.float64)
    similarity_NC = (answers.embeddings_ND - mean_D) @ names_CD.T
    slope, level = _line(similarity_NC, answers)
    coef_CD = slope * names_CD
    intercept_C = level - coef_CD @ mean_D
    return TrainedHead(coef_CD.astype(np.float32), intercept_C.astype(np.float32))


def class_directions(described: DescribedClasses, n_classes: int) -> Float64:
    """Return the mean embedding of the texts of each class, (C, D); 0 for a class without any."""
    weight_CE = np.eye(n_classes)[described.labels_E].T * described.weights_E
    share_CE = weight_CE / np.maximum(weight_CE.sum(axis=1, keepdims=True), np.finfo(np.float32).tiny)
    return np.asarray(share_CE @ described.embeddings_ED.astype(np.float64))


def _line(similarity_NC: Float64, answers: Answers) -> tuple[float, float]:
    """Fit log-odds = slope x similarity + level to all answers at once, by Newton's method; the slope is at least 0."""
    points = np.stack([similarity_NC.ravel(), np.ones(similarity_NC.size)], axis=1)
    targets, weights = answers.targets_NC.ravel(), answers.weights_NC.ravel()
    line = np.zeros(2)
    for _ in range(NEWTON_STEPS):
        yes = expit(points @ line)
        gradient = points.T @ (weights * (yes - targets)) + PENALTY * line
        curvature = (points.T * (weights * yes * (1 - yes))) @ points + PENALTY * np.eye(2)
        step = np.linalg.solve(curvature, gradient)
        line -= step
        if np.abs(step).max() < 1e-6:
            break
    return max(0.0, float(line[0])), float(line[1])
