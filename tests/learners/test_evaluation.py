"""Evaluation against scikit-learn and hand-made cases."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, confusion_matrix, precision_recall_fscore_support

from nextlabel.server.assessment.reliability import expected_calibration_error
from nextlabel.server.learners.evaluation import evaluate
from nextlabel.server.learners.model import Model
from nextlabel.server.learners.single_label.learner import train
from nextlabel.server.learners.specification import parse_learner_spec
from tests.learners.blobs import Blobs


@pytest.fixture(scope="module")
def model(blobs: Blobs) -> Model:
    rows = np.flatnonzero(blobs.labels != 4)[:60]
    return train(blobs.training(rows), blobs.embeddings[:0], parse_learner_spec("logistic_regression", {}), 0, None)


def test_scores_are_scikit_learns(blobs: Blobs, model: Model) -> None:
    truth = blobs.labels[600:]
    evaluation = evaluate(model, blobs.embeddings[600:], truth)
    predicted = model.predict_proba(blobs.embeddings[600:]).argmax(axis=1)
    precision, recall, f1, support = precision_recall_fscore_support(truth, predicted, labels=range(5), zero_division=0)
    assert evaluation.accuracy == pytest.approx(accuracy_score(truth, predicted))
    assert evaluation.macro_f1 == pytest.approx(f1.mean())
    np.testing.assert_array_equal(evaluation.confusion_CC, confusion_matrix(truth, predicted, labels=range(5)))
    rows = [(s.precision, s.recall, s.f1, s.support) for s in evaluation.per_class]
    np.testing.assert_allclose(rows, np.transpose([precision, recall, f1, support]))
    assert evaluation.n == len(truth)


def test_macro_f1_leaves_out_classes_that_never_occur(blobs: Blobs, model: Model) -> None:
    predicted = model.predict_proba(blobs.embeddings).argmax(axis=1)
    right = np.flatnonzero((predicted == blobs.labels) & (predicted < 2))[:20]
    assert evaluate(model, blobs.embeddings[right], blobs.labels[right]).macro_f1 == 1


def test_calibration_error_by_hand() -> None:
    confidence = np.array([0.95, 0.95, 0.55, 0.55], np.float32)
    correct = np.array([True, False, True, True])
    assert expected_calibration_error(confidence, correct, 15) == pytest.approx((2 * 0.45 + 2 * 0.45) / 4)
    assert expected_calibration_error(np.ones(3, np.float32), np.ones(3, bool), 15) == 0


@pytest.mark.parametrize(
    ("n", "labels", "message"), [(0, [], "at least one"), (2, [0], "one each"), (1, [5], r"\[0, 5\)")]
)
def test_unfit_labels_are_refused(blobs: Blobs, model: Model, n: int, labels: list[int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        evaluate(model, blobs.embeddings[:n], np.array(labels, np.int64))
