"""Advice with 1 to 20 labels: neither does a lucky draw turn an advisor round, nor a bad advisor cost much for long."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pytest
from numpy.typing import NDArray

from nextlabel.server.learners.advice.elsewhere import AdviceOnGold
from nextlabel.server.learners.advice.features import AdviceFeatures, Opinion, advice_features
from nextlabel.server.learners.model import Model
from nextlabel.server.learners.single_label.learner import train
from nextlabel.server.learners.specification import parse_learner_spec
from nextlabel.server.learners.training import DescribedClasses, TrainingSet

Int64 = NDArray[np.int64]

CLASSES = ("a", "b", "c")
DEFAULT = parse_learner_spec("default", {})
SEEDS = range(4)
ADVISORS = ("good", "useless", "inverted")
GOLD = np.arange(100, 120)
TEST = np.arange(120, 420)
CENTRES = np.random.default_rng(8).normal(size=(3, 16)).astype(np.float32)


@dataclass(frozen=True)
class World:
    """Items whose class the texts of the classes tell in some of three cases of four, and what is said of them."""

    embeddings: NDArray[np.float32]
    labels: Int64
    named: Int64

    def advice(self, rows: Int64) -> AdviceFeatures:
        return advice_features([{"llm": Opinion({int(c): 1.0}, None)} for c in self.named[rows]], ("llm",), 3)

    def model(self, labels: int, *, gold: Int64 | None = None) -> Model:
        rows = np.arange(labels)
        training = TrainingSet(
            self.embeddings[rows],
            self.labels[rows],
            np.ones(labels, np.bool_),
            np.ones(labels, np.float32),
            None,
            CLASSES,
            DescribedClasses(CENTRES, np.arange(3), np.ones(3, np.float32)),
            self.advice(rows),
        )
        judged = None if gold is None else AdviceOnGold(self.embeddings[gold], self.labels[gold], self.advice(gold))
        return train(training, self.embeddings[420:], DEFAULT, 0, None, judged)


def _world(advisor: str, seed: int) -> World:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, 500)
    embeddings = (CENTRES[labels] + 3 * rng.normal(size=(500, 16))).astype(np.float32)
    wrong = np.where(rng.random(500) < 0.2, labels, (labels + 1) % 3)
    right = np.where(rng.random(500) < 0.8, labels, rng.integers(0, 3, 500))
    return World(embeddings, labels, {"good": right, "useless": rng.integers(0, 3, 500), "inverted": wrong}[advisor])


def _accuracies(model: Model, world: World) -> Mapping[str, float]:
    truth, embeddings = world.labels[TEST], world.embeddings[TEST]
    predicted = {
        "together": model.predict_proba(embeddings, world.advice(TEST)).argmax(axis=1),
        "learner": model.predict_proba(embeddings).argmax(axis=1),
        "advice": world.named[TEST],
    }
    return {name: float((found == truth).mean()) for name, found in predicted.items()}


def _found(advisor: str, labels: int, gold: Int64 | None = None) -> dict[str, NDArray[np.float64]]:
    worlds = [_world(advisor, seed) for seed in SEEDS]
    found = [_accuracies(world.model(labels, gold=gold), world) for world in worlds]
    return {name: np.array([one[name] for one in found]) for name in found[0]}


@pytest.mark.parametrize("advisor", ADVISORS)
def test_whatever_few_labels_say_advice_is_heard_no_worse_than_it_is(advisor: str) -> None:
    for labels in (1, 3, 8):
        found = _found(advisor, labels)
        assert found["together"].mean() > found["advice"].mean() - 0.03, labels
        assert (found["together"] > found["advice"] - 0.12).all(), labels


@pytest.mark.parametrize("advisor", ADVISORS)
def test_gold_tells_advisors_that_are_wrong_before_labels_could(advisor: str) -> None:
    for labels in (2, 8):
        found = _found(advisor, labels, GOLD)
        best = max(found["advice"].mean(), found["learner"].mean())
        assert found["together"].mean() > best - 0.04, labels


def test_twenty_labels_tell_an_advisor_that_is_wrong() -> None:
    world = _world("inverted", 0)
    found = _accuracies(world.model(20), world)
    assert found["together"] > found["learner"] - 0.02 > found["advice"] + 0.2


def test_three_wrong_answers_do_not_turn_an_advisor_round() -> None:
    world = _world("good", 0)
    unlucky = replace(world, named=np.where(np.arange(500) < 3, (world.labels + 1) % 3, world.named))
    choice = unlucky.model(3).description.advice
    assert choice is not None
    assert [(worth.labels, worth.right) for worth in choice.worths] == [(3, 0)]
    assert 0 < choice.worths[0].weight < np.log(7 / 3 * 2)


def test_labels_of_one_class_make_no_advisor_right_about_that_class_alone() -> None:
    world = _world("good", 0)
    order = np.argsort(world.labels, kind="stable")
    one_class = World(world.embeddings[order], world.labels[order], world.named[order])
    rows = np.arange(200, 500)
    predicted = one_class.model(8).predict_proba(one_class.embeddings[rows], one_class.advice(rows))
    np.testing.assert_array_equal(predicted.argmax(axis=1), one_class.named[rows])


def test_gold_changes_how_far_advice_is_believed_and_nothing_about_a_class() -> None:
    world = _world("good", 0)
    with_gold = world.model(1, gold=GOLD).blend
    assert with_gold is not None
    worth_CC = with_gold.advice_CF[:, :3] - np.diag(with_gold.advice_CF[:, :3].diagonal())
    assert np.abs(worth_CC).max() < 0.05
    assert np.ptp(with_gold.advice_CF[:, :3].diagonal()) < 0.05
    assert not with_gold.embedding_CD.any()


def test_any_confidence_leaves_the_named_class_the_likeliest_before_labels_say_otherwise() -> None:
    said = [{"llm": Opinion({1: 1.0}, confidence)} for confidence in (0.0, 0.1, 1.0)]
    advice = advice_features(said, ("llm",), 2)
    nothing = np.zeros((0, 16), np.float32)
    no_labels = np.zeros(0, np.int64)
    training = TrainingSet(
        nothing,
        no_labels,
        no_labels > 0,
        no_labels.astype(np.float32),
        None,
        ("a", "b"),
        advice=advice.take(no_labels),
    )
    model = train(training, nothing, DEFAULT, 0, None)
    assert (model.predict_proba(np.zeros((3, 16), np.float32), advice)[:, 1] > 0.5).all()


def test_eight_labels_give_the_learner_its_say_beside_an_advisor_that_is_wrong() -> None:
    found = _found("inverted", 8)
    assert found["together"].mean() > (found["advice"].mean() + found["learner"].mean()) / 2
