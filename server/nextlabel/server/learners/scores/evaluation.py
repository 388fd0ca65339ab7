"""How good a score model is on items it was not trained on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr
from sklearn.metrics import cohen_kappa_score

from nextlabel.server.learners.evaluation import Evaluation
from nextlabel.server.learners.scores.model import ScoreModel
from nextlabel.server.values.projects.score_range import ScoreRange

Floats = NDArray[np.floating]


def evaluate_scores(model: ScoreModel, embeddings_nD: Floats, true_n: Floats) -> Evaluation:
    """Evaluates a model.

    `accuracy` is the share of the items whose predicted score is the same answer as the true one: no farther from it
    than `ScoreRange.tolerance`. The measures are `mean_absolute_error` and `root_mean_squared_error` in scores,
    `spearman`, the rank correlation (absent where all are predicted alike, or are alike), `interval_coverage`, the
    share of the true scores that lie within the predicted intervals, `interval_width`, their mean width in scores,
    and, where scores go in steps, `quadratic_weighted_kappa` of the nearest steps (Cohen 1968).

    Raises:
        ValueError: without any item, or if the lengths differ.
    """
    if len(true_n) == 0:
        raise ValueError("there is nothing to evaluate on; give the holdout at least one item with its score")
    if len(true_n) != len(embeddings_nD):
        raise ValueError(f"{len(embeddings_nD)} embeddings for {len(true_n)} scores; expected one each")
    predicted_n = model.predict(embeddings_nD)
    same_n = [model.allowed.same(one, other) for one, other in zip(predicted_n.tolist(), true_n.tolist(), strict=True)]
    return Evaluation(
        n=len(true_n),
        accuracy=float(np.mean(same_n)),
        right=sum(same_n),
        measures=_measures(model, predicted_n, np.asarray(true_n, np.float64)),
    )


def _measures(model: ScoreModel, predicted_n: NDArray[np.float32], true_n: Floats) -> dict[str, float]:
    errors_n = predicted_n - true_n
    low_n, high_n = model.intervals(predicted_n).T
    measures = {
        "mean_absolute_error": float(np.abs(errors_n).mean()),
        "root_mean_squared_error": float(np.sqrt((errors_n**2).mean())),
        "interval_coverage": float(((low_n <= true_n) & (true_n <= high_n)).mean()),
        "interval_width": float((high_n - low_n).mean()),
    }
    if np.ptp(predicted_n) and np.ptp(true_n):
        measures["spearman"] = float(spearmanr(predicted_n, true_n).statistic)
        if model.allowed.step:
            steps = [_steps(model.allowed, of_n) for of_n in (true_n, predicted_n)]
            measures["quadratic_weighted_kappa"] = float(cohen_kappa_score(*steps, weights="quadratic"))
    return measures


def _steps(allowed: ScoreRange, scores_n: Floats) -> NDArray[np.int64]:
    return np.asarray(np.rint((scores_n - allowed.minimum) / allowed.step), np.int64)
