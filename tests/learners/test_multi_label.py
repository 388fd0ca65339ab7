"""The multi-label learner: heads that say how probable each class is, and cuts that say which to give."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score

from nextlabel.server.learners.candidates.linear import TrainedHead
from nextlabel.server.learners.multi_label.cuts import shared_cut, tuned_cuts
from nextlabel.server.learners.multi_label.evaluation import evaluate_multi_label
from nextlabel.server.learners.multi_label.heads import Answers, fit_heads
from nextlabel.server.learners.multi_label.learner import train_multi_label, train_multi_label_committee
from nextlabel.server.learners.multi_label.model import MultiLabelModel
from nextlabel.server.learners.multi_label.rivals import fitted_rivals
from nextlabel.server.learners.multi_label.training import MultiLabelTraining
from nextlabel.server.learners.persistence import load_model, save_model
from nextlabel.server.learners.specification import parse_learner_spec
from nextlabel.server.learners.training import DescribedClasses, InvalidTrainingSetError

CLASSES = ("billing", "delivery", "praise", "bug", "never")
DIMENSION = 24
RNG = np.random.default_rng(5)
CENTRES = np.linalg.qr(RNG.normal(size=(DIMENSION, len(CLASSES))))[0].T
TRUTH = RNG.random((700, len(CLASSES))) < np.array([0.4, 0.3, 0.2, 0.08, 0.0])
POINTS = (TRUTH @ CENTRES + 0.25 * RNG.normal(size=(700, DIMENSION))).astype(np.float32)
POINTS /= np.linalg.norm(POINTS, axis=1, keepdims=True)
DESCRIBED = DescribedClasses(CENTRES.astype(np.float32), np.arange(5), np.ones(5, np.float32))
DEFAULT = parse_learner_spec("default", {})


def training(n: int, described: DescribedClasses | None = None) -> MultiLabelTraining:
    return MultiLabelTraining(POINTS[:n], TRUTH[:n].astype(np.float32), np.ones(n, np.bool_), CLASSES, described)


@pytest.fixture(scope="module")
def model() -> MultiLabelModel:
    return train_multi_label(training(200, DESCRIBED), DEFAULT, 0, None)


@pytest.mark.parametrize("balanced", [False, True])
def test_heads_are_the_regressions_that_scikit_learn_fits_class_by_class(balanced: bool) -> None:
    answers = Answers(POINTS[:150], TRUTH[:150, :4].astype(np.float64), np.ones((150, 4)))
    head = fit_heads(answers.balanced() if balanced else answers, 10.0)
    for c in range(4):
        weight = "balanced" if balanced else None
        peer = LogisticRegression(C=10.0, class_weight=weight, tol=1e-6, max_iter=500).fit(POINTS[:150], TRUTH[:150, c])
        np.testing.assert_allclose(head.logits(POINTS[150:])[:, c], peer.decision_function(POINTS[150:]), atol=0.03)


def test_it_learns_which_classes_apply_and_never_gives_one_that_nobody_gave(model: MultiLabelModel) -> None:
    found = evaluate_multi_label(model, POINTS[200:], TRUTH[200:])
    given = model.given(model.predict_proba(POINTS[200:]))
    occurring = TRUTH[200:].any(axis=0) | given.any(axis=0)
    assert found.macro_f1 == pytest.approx(
        f1_score(TRUTH[200:][:, occurring], given[:, occurring], average="macro", zero_division=0)
    )
    assert found.measures["micro_f1"] == pytest.approx(f1_score(TRUTH[200:], given, average="micro"))
    assert found.accuracy == (given == TRUTH[200:]).all(axis=1).mean()
    assert found.measures["micro_f1"] > 0.85
    assert min(found.measures["mean_average_precision"], found.measures["ranking_average_precision"]) > 0.85


@pytest.mark.parametrize("n", [0, 1, 3, 25])
def test_any_number_of_answers_makes_a_model_that_predicts(n: int) -> None:
    few = train_multi_label(training(n, DESCRIBED if n % 2 else None), DEFAULT, 0, None)
    probabilities = few.predict_proba(POINTS[:9])
    assert np.isfinite(probabilities).all()
    assert ((probabilities >= 0) & (probabilities <= 1)).all()


def test_training_is_the_same_for_the_same_arguments_and_goes_on_from_an_earlier_model(model: MultiLabelModel) -> None:
    again = train_multi_label(training(200, DESCRIBED), DEFAULT, 0, None)
    np.testing.assert_array_equal(again.predict_proba(POINTS), model.predict_proba(POINTS))
    on = train_multi_label(training(230, DESCRIBED), DEFAULT, 0, model)
    cold = train_multi_label(training(230, DESCRIBED), DEFAULT, 0, None)
    assert (on.description.warm, cold.description.warm) == (True, False)
    np.testing.assert_allclose(on.predict_proba(POINTS), cold.predict_proba(POINTS), atol=0.05)


def test_answers_of_an_llm_count_less_than_those_of_people() -> None:
    targets = np.concatenate([TRUTH[:100], ~TRUTH[:100]]).astype(np.float32)
    twice, people = np.concatenate([POINTS[:100]] * 2), np.arange(200) < 100
    split = train_multi_label(MultiLabelTraining(twice, targets, people, CLASSES), DEFAULT, 0, None)
    assert ((split.predict_proba(POINTS[100:])[:, :3] > 0.5) == TRUTH[100:, :3]).mean() > 0.8


def test_where_an_item_is_surely_of_one_class_doubtful_others_are_less_probable() -> None:
    """One class an item, which no regression of one class knows: what the others say makes up for it."""
    rng = np.random.default_rng(1)
    truth = np.eye(6, dtype=np.bool_)[rng.integers(0, 6, 900)]
    logits, frequencies = 6 * truth - 4 + 2 * rng.normal(size=truth.shape), np.zeros(6, np.float32)
    found = fitted_rivals(logits[:300], truth[:300], frequencies)
    assert found is not None
    assert found.weight < -0.2
    alone = found.scaled(TrainedHead(np.eye(6, dtype=np.float32), frequencies)).logits(logits[300:].astype(np.float32))

    def log_loss(given: NDArray[np.floating]) -> float:
        return float(np.logaddexp(0, np.where(truth[300:], -given, given)).mean())

    assert log_loss(found.moved(alone)) < 0.9 * min(log_loss(alone), log_loss(logits[300:]))


def test_classes_that_say_nothing_of_each_other_stay_as_they_are() -> None:
    rng = np.random.default_rng(2)
    logits, frequencies = 2 * rng.normal(size=(600, 5)), np.array([0.5, 0, -1, 0, 1], np.float32)
    truth = rng.random(logits.shape) < expit(logits + frequencies)
    found = fitted_rivals(logits, truth, frequencies)
    assert found is not None
    assert abs(found.weight) < 0.1
    assert found.slope == pytest.approx(1, abs=0.15)
    one = fitted_rivals(logits[:, :1], truth[:, :1], frequencies[:1])
    assert one is None  # a single class has no rival


@pytest.mark.parametrize("seed", range(8))
def test_what_rivals_are_worth_stays_finite_where_heads_are_steep_and_answers_few(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth = np.eye(28, dtype=np.bool_)[rng.integers(0, 28, 25)]
    logits = rng.normal(-10, 6, truth.shape) + 16 * truth
    found = fitted_rivals(logits, truth, rng.normal(-3, 1, 28).astype(np.float32))
    assert found is not None
    assert 0 < found.slope < 1
    assert np.abs([found.level, found.weight, found.usual]).max() < 10


def test_a_committee_is_as_steep_as_the_model(model: MultiLabelModel) -> None:
    assert model.rivals is not None
    members = train_multi_label_committee(training(200, DESCRIBED), model, 5, 0)
    steep = np.mean([np.linalg.norm(member.coef_CD) for member in members])
    assert steep == pytest.approx(np.linalg.norm(model.turning.coef_CD), rel=0.2)


def test_a_model_comes_back_from_its_file_as_it_was(model: MultiLabelModel, tmp_path: Path) -> None:
    save_model(model, tmp_path / "model")
    loaded = load_model(tmp_path / "model")
    assert isinstance(loaded, MultiLabelModel)
    np.testing.assert_array_equal(loaded.predict_proba(POINTS), model.predict_proba(POINTS))
    np.testing.assert_array_equal(loaded.cuts_C, model.cuts_C)
    assert (loaded.classes, loaded.spec, loaded.description) == (model.classes, model.spec, model.description)


def test_a_committee_disagrees_and_is_the_same_again(model: MultiLabelModel) -> None:
    heads = train_multi_label_committee(training(200, DESCRIBED), model, 3, seed=1)
    again = train_multi_label_committee(training(200, DESCRIBED), model, 3, seed=1)
    assert all(np.array_equal(a.coef_CD, b.coef_CD) for a, b in zip(heads, again, strict=True))
    assert not np.array_equal(heads[0].coef_CD, heads[1].coef_CD)


def test_a_cut_is_that_of_highest_f1_and_one_of_a_rare_class_is_drawn_to_the_common_one() -> None:
    logits = np.array([[3.0, 3.0], [2.0, -1.0], [-1.0, -2.0], [-2.0, -3.0]] * 50)
    truth = np.array([[True, True], [True, False], [False, False], [False, False]] * 50)
    truth[4:, 1] = False
    own = tuned_cuts(logits, truth)
    assert own[0] == pytest.approx(0.5, abs=0.5)
    assert abs(own[1] - shared_cut(logits, truth)) < abs(3.0 - shared_cut(logits, truth))
    assert tuned_cuts(logits, np.zeros_like(truth)).tolist() == [0.0, 0.0]


def test_what_does_not_fit_together_is_told() -> None:
    with pytest.raises(InvalidTrainingSetError, match="targets_NC"):
        MultiLabelTraining(POINTS[:3], np.zeros((2, 5), np.float32), np.ones(3, np.bool_), CLASSES)
    with pytest.raises(InvalidTrainingSetError, match=r"\[0, 1\]"):
        MultiLabelTraining(POINTS[:1], np.full((1, 5), 1.5, np.float32), np.ones(1, np.bool_), CLASSES)


def test_a_class_is_at_least_as_probable_as_each_kind_of_it(tmp_path: Path) -> None:
    """Delivery is a kind of billing here, and praise of delivery: whoever gives praise gives all three."""
    parents = (-1, 0, 1, -1, -1)
    below = np.maximum.accumulate(TRUTH[:, 2::-1], axis=1)[:, ::-1]
    truth = np.hstack([below, TRUTH[:, 3:]])
    known = MultiLabelTraining(
        POINTS[:200], truth[:200].astype(np.float32), np.ones(200, np.bool_), CLASSES, parents_C=parents
    )
    path = tmp_path / "model"
    save_model(train_multi_label(known, DEFAULT, 0, None), path)
    model = load_model(path)
    assert isinstance(model, MultiLabelModel)
    p = model.predict_proba(POINTS[200:])
    assert (np.diff(p[:, :3], axis=1) <= 0).all()
    given = model.given(p)
    assert (given[:, :2] >= given[:, 1:3]).all()
    measures = evaluate_multi_label(model, POINTS[200:], truth[200:]).measures
    by_level = [{0, 3, 4}, {1}, {2}]
    for level, classes in enumerate(by_level, start=1):
        own = sorted(classes)
        expected = f1_score(truth[200:, own].ravel(), given[:, own].ravel())
        assert measures[f"micro_f1_level_{level}"] == pytest.approx(expected)
    assert "micro_f1_level_4" not in measures
