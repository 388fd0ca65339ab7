"""Training: cold starts, trust, determinism, and what the pool is worth."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from nextlabel.server.learners.candidates.choice import unchosen
from nextlabel.server.learners.candidates.description import CandidateChoice, LearnerCandidate
from nextlabel.server.learners.evaluation import evaluate
from nextlabel.server.learners.model import Model
from nextlabel.server.learners.single_label import learner
from nextlabel.server.learners.single_label.committee import train_committee
from nextlabel.server.learners.single_label.learner import train
from nextlabel.server.learners.specification import ESTIMATORS, parse_learner_spec
from nextlabel.server.learners.training import DescribedClasses, TrainingSet
from tests.learners.blobs import Blobs, make_blobs

DEFAULT = parse_learner_spec("default", {})
PLAIN = parse_learner_spec("logistic_regression", {})


@pytest.fixture(scope="module")
def topics() -> Blobs:
    """Classes that are clusters: where the pool is worth most."""
    return make_blobs(n=2000, n_classes=6, dimension=48, spread=2.2, seed=3)


def _accuracy(model: Model, blobs: Blobs) -> float:
    return evaluate(model, blobs.embeddings[-600:], blobs.labels[-600:]).accuracy


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_before_all_classes_are_seen(blobs: Blobs, estimator: str) -> None:
    spec = parse_learner_spec(estimator, {})
    pool, seen = blobs.embeddings[600:900], blobs.embeddings[:10]
    nothing = train(blobs.training(slice(0)), pool, spec, 0, None)
    np.testing.assert_allclose(nothing.predict_proba(seen), 0.2)
    one_class = train(blobs.training(np.flatnonzero(blobs.labels == 3)[:4]), pool, spec, 0, nothing)
    np.testing.assert_array_equal(one_class.predict_proba(seen)[:, 3], 1)
    two_rows = np.array([0, 1])
    two = train(blobs.training(two_rows), pool, spec, 0, one_class)
    assert (two.predict_proba(seen)[:, 2:] == 0).all()
    every = train(blobs.training(slice(100)), pool, spec, 0, two)
    assert _accuracy(every, blobs) > 0.5
    probabilities = every.predict_proba(blobs.embeddings[:7].astype(np.float16))
    assert probabilities.dtype == np.float32
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-4)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_same_arguments_same_model(blobs: Blobs, estimator: str) -> None:
    spec = parse_learner_spec(estimator, {})
    arguments = (blobs.training(slice(60)), blobs.embeddings[600:], spec, 7)
    with ThreadPoolExecutor(3) as threads:
        first, *others = [f.result() for f in [threads.submit(train, *arguments, None) for _ in range(3)]]
    for other in others:
        np.testing.assert_array_equal(first.predict_proba(blobs.embeddings), other.predict_proba(blobs.embeddings))


def test_thread_limits_are_restored_after_concurrent_training(blobs: Blobs) -> None:
    before = [(library["filepath"], library["num_threads"]) for library in threadpool_info()]
    with ThreadPoolExecutor(4) as threads:
        list(
            threads.map(
                lambda seed: train(blobs.training(slice(60)), blobs.embeddings[600:], DEFAULT, seed, None), range(8)
            )
        )
    after = {library["filepath"]: library["num_threads"] for library in threadpool_info()}
    assert all(after[path] == threads for path, threads in before)


def test_the_pool_helps_where_classes_are_clusters(topics: Blobs) -> None:
    few = topics.training(slice(30))
    plain = train(few, topics.embeddings[100:1300], PLAIN, 0, None)
    default = train(few, topics.embeddings[100:1300], DEFAULT, 0, None)
    assert default.description.choice is not None
    assert default.description.choice.candidate is not LearnerCandidate.PLAIN
    assert _accuracy(default, topics) > _accuracy(plain, topics) + 0.03


def test_labels_decide_where_the_pool_says_nothing(topics: Blobs) -> None:
    rng = np.random.default_rng(0)
    random_labels = replace(topics, labels=rng.integers(0, 6, len(topics.labels)))
    few, pool = random_labels.training(slice(100)), topics.embeddings[100:1300]
    default, plain = train(few, pool, DEFAULT, 0, None), train(few, pool, PLAIN, 0, None)
    assert default.description.choice is not None
    assert default.description.choice.candidate is LearnerCandidate.PLAIN
    same = default.predict_proba(pool).argmax(axis=1) == plain.predict_proba(pool).argmax(axis=1)
    assert same.mean() > 0.95
    assert default.predict_proba(pool).max(axis=1).mean() < plain.predict_proba(pool).max(axis=1).mean()


def test_untrusted_labels_choose_where_there_are_no_others_although_some_are_wrong(topics: Blobs) -> None:
    few, pool = topics.training(slice(60), trusted=False), topics.embeddings[100:1300]
    labels = np.where(np.arange(60) % 5 == 0, (few.labels_N + 1) % 6, few.labels_N)
    default = train(replace(few, labels_N=labels), pool, DEFAULT, 0, None)
    plain = train(replace(few, labels_N=labels), pool, PLAIN, 0, None)
    assert default.description.choice is not None
    assert default.description.choice.candidate is not LearnerCandidate.PLAIN
    assert default.description.choice.noise > 0
    assert _accuracy(default, topics) > _accuracy(plain, topics) + 0.03


@pytest.mark.parametrize("labels", [1, 5, 40])
def test_described_classes_are_known_before_their_first_label(topics: Blobs, labels: int) -> None:
    centres = np.stack([topics.embeddings[topics.labels == c].mean(axis=0) for c in range(6)])
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    described = DescribedClasses(centres.astype(np.float32), np.arange(6), np.ones(6, np.float32))
    few = replace(topics.training(np.flatnonzero(topics.labels == 0)[:labels]), described=described)
    default = train(few, topics.embeddings[100:1300], DEFAULT, 0, None)
    assert default.description.choice is not None
    assert default.description.choice.described
    assert _accuracy(default, topics) > 0.5


def test_soft_labels_of_an_unsure_annotator_weigh_less_than_wrong_certain_ones(topics: Blobs) -> None:
    labels = topics.labels[:200].copy()
    wrong = np.arange(0, 200, 3)
    labels[wrong] = (labels[wrong] + 1) % 6
    soft = np.eye(6, dtype=np.float32)[labels]
    soft[wrong] = (np.eye(6, dtype=np.float32)[labels[wrong]] + np.eye(6, dtype=np.float32)[topics.labels[wrong]]) / 2
    hard = replace(topics.training(slice(200), trusted=False), labels_N=labels)
    certain = train(hard, topics.embeddings[200:1300], DEFAULT, 0, None)
    unsure = train(replace(hard, probabilities_NC=soft), topics.embeddings[200:1300], DEFAULT, 0, None)
    assert _accuracy(unsure, topics) > _accuracy(certain, topics)


def test_the_choice_is_kept_until_a_quarter_more_labels_are_there(topics: Blobs) -> None:
    pool = topics.embeddings[300:1300]
    first = train(topics.training(slice(80)), pool, DEFAULT, 0, None)
    kept = train(topics.training(slice(99)), pool, DEFAULT, 0, first)
    renewed = train(topics.training(slice(100)), pool, DEFAULT, 0, kept)
    held_out = [m.description.choice.held_out for m in (first, kept, renewed) if m.description.choice]
    assert held_out == [80, 80, 100]


def test_pool_rows_beyond_the_limit_change_nothing(blobs: Blobs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learner, "MAX_POOL_SAMPLE", 300)
    whole = train(blobs.training(slice(40)), blobs.embeddings[600:], DEFAULT, 0, None)
    part = train(blobs.training(slice(40)), blobs.embeddings[600:900], DEFAULT, 0, None)
    np.testing.assert_array_equal(whole.predict_proba(blobs.embeddings[:50]), part.predict_proba(blobs.embeddings[:50]))


def test_a_warm_start_survives_new_and_renamed_classes(blobs: Blobs) -> None:
    before = train(blobs.training(slice(60)), blobs.embeddings[600:], PLAIN, 0, None)
    grown = blobs.training(slice(80))
    permuted = ("new", *reversed(blobs.classes))
    labels = 5 - grown.labels_N
    training = replace(grown, labels_N=labels, classes=permuted)
    warm = train(training, blobs.embeddings[600:], PLAIN, 0, before)
    cold = train(training, blobs.embeddings[600:], PLAIN, 0, None)
    assert warm.description.warm
    np.testing.assert_allclose(warm.predict_proba(blobs.embeddings), cold.predict_proba(blobs.embeddings), atol=0.02)


def test_a_model_of_another_dimension_is_no_start(blobs: Blobs) -> None:
    other = make_blobs(n=100, n_classes=5, dimension=16, spread=1.0)
    previous = train(other.training(slice(60)), other.embeddings, PLAIN, 0, None)
    assert not train(blobs.training(slice(60)), blobs.embeddings, PLAIN, 0, previous).description.warm


def test_sgd_goes_on_without_touching_the_earlier_model(blobs: Blobs) -> None:
    spec = parse_learner_spec("sgd", {"epochs": 5})
    first = train(blobs.training(slice(60)), blobs.embeddings[600:], spec, 0, None)
    before = first.predict_proba(blobs.embeddings)
    second = train(blobs.training(slice(100)), blobs.embeddings[600:], spec, 0, first)
    assert second.description.warm
    np.testing.assert_array_equal(first.predict_proba(blobs.embeddings), before)


def test_committee_members_differ_and_are_reproducible(blobs: Blobs) -> None:
    training = blobs.training(slice(60))
    model = train(training, blobs.embeddings[600:], DEFAULT, 0, None)
    heads = train_committee(training, model, members=4, seed=1)
    again = train_committee(training, model, members=4, seed=1)
    votes = np.stack([head.predict_proba(blobs.embeddings) for head in heads])
    np.testing.assert_array_equal(votes, np.stack([head.predict_proba(blobs.embeddings) for head in again]))
    assert len(np.unique(votes.round(4), axis=0)) == 4
    assert (votes.mean(axis=0).argmax(axis=1) == blobs.labels).mean() > 0.5


@pytest.mark.parametrize("members", [0, 51])
def test_committee_size_is_bounded(blobs: Blobs, members: int) -> None:
    training = blobs.training(slice(10))
    model = train(training, blobs.embeddings[600:], PLAIN, 0, None)
    with pytest.raises(ValueError, match="from 1 to 50"):
        train_committee(training, model, members, seed=0)


def test_committee_without_labels_is_undecided(blobs: Blobs) -> None:
    training: TrainingSet = blobs.training(slice(0))
    model = train(training, blobs.embeddings[600:], DEFAULT, 0, None)
    for head in train_committee(training, model, members=2, seed=0):
        np.testing.assert_allclose(head.predict_proba(blobs.embeddings[:3]), 0.2)


def test_many_untrusted_labels_do_not_slow_the_choice(topics: Blobs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learner, "OTHERS_SAMPLE", 50)
    sizes: list[int] = []

    def measured(fitter: object, n_items: int, *rest: object) -> CandidateChoice:
        sizes.append(n_items)
        return unchosen(n_items)

    monkeypatch.setattr(learner, "cross_validate", measured)
    mixed = replace(topics.training(slice(500)), trusted_N=np.arange(500) % 10 == 0)
    train(mixed, topics.embeddings[600:900], DEFAULT, 0, None)
    assert sizes == [50 + 50]


def test_trusted_labels_choose_although_most_labels_are_untrusted(topics: Blobs) -> None:
    labels = topics.labels[:120].copy()
    untrusted = np.arange(40, 120)
    labels[untrusted[::2]] = (labels[untrusted[::2]] + 1) % 6
    mixed = replace(topics.training(slice(120)), labels_N=labels, trusted_N=np.arange(120) < 40)
    pool = topics.embeddings[200:1300]
    default = train(mixed, pool, DEFAULT, 0, None)
    assert default.description.choice is not None
    assert default.description.choice.held_out == 40
    assert _accuracy(default, topics) >= _accuracy(train(mixed, pool, PLAIN, 0, None), topics)


def test_another_measure_chooses_anew(blobs: Blobs) -> None:
    previous = train(blobs.training(slice(60)), blobs.embeddings[600:], DEFAULT, 0, None)
    assert previous.description.choice is not None
    kept = train(blobs.training(slice(60)), blobs.embeddings[600:], DEFAULT, 1, previous)
    assert kept.description.choice is previous.description.choice
    declared = parse_learner_spec("default", {"measure": "accuracy"})
    chosen = train(blobs.training(slice(60)), blobs.embeddings[600:], declared, 1, previous).description.choice
    assert chosen is not None
    assert chosen is not previous.description.choice
