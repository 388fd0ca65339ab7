"""Advice: what an advisor says beside the embedding is worth what labels say, and never outvotes them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from nextlabel.server.learners import persistence
from nextlabel.server.learners.advice.features import AdviceFeatures, Opinion, advice_features
from nextlabel.server.learners.candidates.advice_choice import AdviceUse
from nextlabel.server.learners.model import Model
from nextlabel.server.learners.persistence import DamagedModelError, load_model, save_model
from nextlabel.server.learners.single_label.learner import train
from nextlabel.server.learners.specification import parse_learner_spec
from nextlabel.server.learners.training import TrainingSet

CLASSES = ("a", "b", "c")
DEFAULT = parse_learner_spec("default", {})
NO_POOL = np.zeros((0, 16), np.float32)
HELD_OUT = slice(400, 900)


def _world(informative: float) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Embeddings that tell the class as far as `informative` reaches beyond the noise."""
    rng = np.random.default_rng(5)
    labels = rng.integers(0, 3, 900)
    points = informative * rng.normal(size=(3, 16))[labels] + rng.normal(size=(900, 16))
    return (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32), labels


def _said(named_n: NDArray[np.int64], confidence_n: NDArray[np.float64] | None = None) -> AdviceFeatures:
    sure = [None] * len(named_n) if confidence_n is None else confidence_n.tolist()
    said = [{"llm": Opinion({int(c): 1.0}, s)} for c, s in zip(named_n, sure, strict=True)]
    return advice_features(said, ("llm",), len(CLASSES))


def _right_in(share: float, labels: NDArray[np.int64], seed: int = 0) -> NDArray[np.int64]:
    rng = np.random.default_rng(seed)
    return np.where(rng.random(len(labels)) < share, labels, (labels + rng.integers(1, 3, len(labels))) % 3)


def _trained(
    embeddings: NDArray[np.float32],
    labels: NDArray[np.int64],
    advice: AdviceFeatures | None,
    n: int,
    *,
    trusted: bool = True,
    previous: Model | None = None,
) -> Model:
    rows = np.arange(n)
    training = TrainingSet(
        embeddings[:n],
        labels[:n],
        np.full(n, trusted),
        np.ones(n, np.float32),
        None,
        CLASSES,
        advice=None if advice is None else advice.take(rows),
    )
    return train(training, NO_POOL, DEFAULT, 0, previous)


def _accuracy(
    model: Model, embeddings: NDArray[np.float32], labels: NDArray[np.int64], advice: AdviceFeatures
) -> float:
    rows = np.arange(HELD_OUT.start, HELD_OUT.stop)
    predicted = model.predict_proba(embeddings[rows], advice.take(rows)).argmax(axis=1)
    return float((predicted == labels[rows]).mean())


def test_before_any_label_an_advisor_is_taken_at_its_word() -> None:
    embeddings, labels = _world(0.0)
    advice = _said(_right_in(0.8, labels))
    model = _trained(embeddings, labels, advice, 0)
    assert _accuracy(model, embeddings, labels, advice) == pytest.approx(0.8, abs=0.06)


def test_an_advisor_who_confuses_classes_is_worth_as_much_as_one_who_does_not() -> None:
    embeddings, labels = _world(0.0)
    advice = _said((_right_in(0.9, labels) + 1) % 3)
    assert _accuracy(_trained(embeddings, labels, advice, 60), embeddings, labels, advice) > 0.85


def test_what_a_confidence_is_worth_is_learned_for_each_answer() -> None:
    """An advisor who is right about "a" the surer it is, and about "b" the less sure."""
    embeddings, labels = _world(0.0)
    two = labels % 2
    rng = np.random.default_rng(1)
    named, sure = rng.integers(0, 2, 900), rng.choice([0.1, 0.9], 900)
    right = (sure > 0.5) == (named == 0)
    two = np.where(right, named, 1 - named)
    advice = _said(named, sure)
    assert _accuracy(_trained(embeddings, two, advice, 100), embeddings, two, advice) > 0.95


def test_useless_advice_costs_nothing() -> None:
    embeddings, labels = _world(0.6)
    advice = _said(np.random.default_rng(2).integers(0, 3, 900))
    advised, alone = (_trained(embeddings, labels, given, 200) for given in (advice, None))
    assert advised.description.advice is not None
    assert advised.description.advice.use is not AdviceUse.ADVICE
    assert _accuracy(advised, embeddings, labels, advice) > _accuracy(alone, embeddings, labels, advice) - 0.01


def test_learner_and_advisor_together_are_better_than_either() -> None:
    embeddings, labels = _world(0.6)
    advice = _said(_right_in(0.7, labels, seed=1))
    model = _trained(embeddings, labels, advice, 200)
    alone = _trained(embeddings, labels, None, 200)
    assert model.description.advice is not None
    assert model.description.advice.use is AdviceUse.BOTH
    both = _accuracy(model, embeddings, labels, advice)
    assert both > max(0.7, _accuracy(alone, embeddings, labels, advice)) + 0.015


def test_what_each_advisor_is_worth_is_told() -> None:
    embeddings, labels = _world(0.0)
    good, wrong = _right_in(0.9, labels), (labels + 1) % 3
    said = [
        {"good": Opinion({int(g): 1.0}, None), **({"wrong": Opinion({int(w): 1.0}, None)} if item % 2 else {})}
        for item, (g, w) in enumerate(zip(good, wrong, strict=True))
    ]
    advice = advice_features(said, ("good", "silent", "wrong"), len(CLASSES))
    choice = _trained(embeddings, labels, advice, 100).description.advice
    assert choice is not None
    right = int((good[:100] == labels[:100]).sum())
    told = [(worth.advisor, worth.labels, worth.right) for worth in choice.worths]
    assert told == [("good", 100, right), ("silent", 0, 0), ("wrong", 50, 0)]
    assert choice.worths[0].weight > 1 > choice.worths[2].weight


def test_the_weight_of_an_advisor_is_that_of_what_it_says_on_the_mean() -> None:
    """One that says ".9" of nearly all is worth what it is worth at .9, and as much as one that never says how sure."""
    embeddings, labels = _world(0.0)
    named = _right_in(0.8, labels)
    weights = []
    for confidences in (0.9 + 0.05 * (named == labels), [None] * len(labels)):
        said = [{"a": Opinion({int(c): 1.0}, s)} for c, s in zip(named, confidences, strict=True)]
        choice = _trained(embeddings, labels, advice_features(said, ("a",), len(CLASSES)), 60).description.advice
        assert choice is not None
        weights.append(choice.worths[0].weight)
    assert weights[0] > 0.5 * weights[1] > 0.5


def test_labels_that_are_not_trusted_say_nothing_about_an_advisor() -> None:
    """An LLM's labels would say that the LLM is always right."""
    embeddings, labels = _world(0.0)
    own = _right_in(0.5, labels)
    advice = _said(own)
    by_itself = _trained(embeddings, own, advice, 100, trusted=False)
    assert by_itself.description.advice is not None
    assert by_itself.description.advice.held_out == 0
    rows = np.arange(400, 900)
    assert by_itself.predict_proba(embeddings[rows], advice.take(rows)).max() < 0.75


def test_items_without_advice_are_predicted_by_the_learner() -> None:
    embeddings, labels = _world(0.6)
    given = _said(_right_in(0.8, labels))
    known = np.arange(900) % 2 == 0
    half = replace(given, features_NF=given.features_NF * known[:, None], given_N=known)
    model = _trained(embeddings, labels, half, 100)
    assert model.blend is not None
    rows = np.arange(400, 900)
    predicted, alone = model.predict_proba(embeddings[rows], half.take(rows)), model.predict_proba(embeddings[rows])
    np.testing.assert_array_equal(predicted[~known[rows]], alone[~known[rows]])
    assert not np.array_equal(predicted[known[rows]], alone[known[rows]])
    others = replace(half.take(rows), advisors=("another",))
    np.testing.assert_array_equal(model.predict_proba(embeddings[rows], others), alone)


def test_what_advice_is_worth_is_kept_until_more_labels_can_tell(tmp_path: Path) -> None:
    embeddings, labels = _world(0.6)
    advice = _said(_right_in(0.8, labels))
    first = _trained(embeddings, labels, advice, 60)
    save_model(first, tmp_path / "model")
    loaded = load_model(tmp_path / "model")
    assert isinstance(loaded, Model)
    rows = np.arange(400, 900)
    np.testing.assert_array_equal(
        loaded.predict_proba(embeddings[rows], advice.take(rows)),
        first.predict_proba(embeddings[rows], advice.take(rows)),
    )
    assert loaded.description == first.description
    kept, anew = (_trained(embeddings, labels, advice, n, previous=loaded).description.advice for n in (70, 80))
    assert kept == first.description.advice != anew


def test_a_file_from_before_confidence_was_read_as_stated_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    embeddings, labels = _world(0.2)
    model = _trained(embeddings, labels, _said(labels), 5)
    now = persistence._blend_record  # noqa: SLF001
    before = {"advice_as_stated": "advice"}
    monkeypatch.setattr(
        persistence, "_blend_record", lambda blend: {before.get(key, key): part for key, part in now(blend).items()}
    )
    save_model(model, tmp_path / "model.skops")
    with pytest.raises(DamagedModelError, match="an earlier version"):
        load_model(tmp_path / "model.skops")
