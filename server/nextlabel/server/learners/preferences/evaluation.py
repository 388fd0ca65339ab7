"""How good a preference model is on pairs it was not trained on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nextlabel.server.assessment.ranking.davidson import FIRST, SECOND, TIE
from nextlabel.server.assessment.reliability import expected_calibration_error
from nextlabel.server.learners.evaluation import CALIBRATION_BINS, Evaluation
from nextlabel.server.learners.preferences.model import PreferenceModel


def evaluate_preferences(
    model: PreferenceModel, embeddings_nD: NDArray[np.floating], answers_n: NDArray[np.int64]
) -> Evaluation:
    """Evaluates a model.

    `accuracy` is the share of the pairs whose most probable answer, a tie among them, is the true one. The measures
    are `decided_accuracy`, the share of the pairs that are no tie of which the better text is found (absent without
    any), `tie_share`, the share of true ties, `log_loss`, the mean negative logarithm of the probability that the true
    answer was given, where knowing nothing has 1.099, and `calibration_error` of the most probable answer.

    Raises:
        ValueError: without any item, or if the lengths differ.
    """
    if len(answers_n) == 0:
        raise ValueError("there is nothing to evaluate on; give the holdout at least one pair with its answer")
    if len(answers_n) != len(embeddings_nD):
        raise ValueError(f"{len(embeddings_nD)} embeddings for {len(answers_n)} answers; expected one each")
    probabilities_n3 = model.predict_proba(embeddings_nD)
    right_n = probabilities_n3.argmax(axis=1) == answers_n
    given_n = np.maximum(probabilities_n3[np.arange(len(answers_n)), answers_n], np.finfo(np.float32).tiny)
    measures = {
        "tie_share": float((answers_n == TIE).mean()),
        "log_loss": float(-np.log(given_n).mean()),
        "calibration_error": expected_calibration_error(probabilities_n3.max(axis=1), right_n, CALIBRATION_BINS),
    }
    decided = answers_n != TIE
    if decided.any():
        first_n = probabilities_n3[decided, FIRST] > probabilities_n3[decided, SECOND]
        measures["decided_accuracy"] = float((first_n == (answers_n[decided] == FIRST)).mean())
    return Evaluation(n=len(answers_n), accuracy=float(right_n.mean()), right=int(right_n.sum()), measures=measures)
