"""Scorers without a peer to compare with, against their formulas."""

from __future__ import annotations

import numpy as np
import pytest

from nextlabel.strategies import (
    Annotations,
    ArrayPool,
    Difficulties,
    LabeledSet,
    LinearHead,
    PoolError,
    SelectionContext,
    get_strategy,
)
from nextlabel.strategies.arithmetic.arrays import Array, Floats


def scores(name: str, embeddings: Floats, context: SelectionContext) -> Array:
    batch = get_strategy(name).select(ArrayPool(embeddings), len(embeddings), context)
    return batch.scores_k[np.argsort(batch.rows_k)]


def committee(rng: np.random.Generator, members: int = 4, classes: int = 5) -> list[LinearHead]:
    return [
        LinearHead.from_decision(3 * rng.standard_normal((classes, 16)), rng.standard_normal(classes))
        for _ in range(members)
    ]


def test_bald_is_entropy_of_the_mean_minus_mean_entropy(embeddings: Floats, rng: np.random.Generator) -> None:
    members = committee(rng)
    proba = np.stack([head.predict_proba(embeddings).astype(np.float64) for head in members])
    mean = proba.mean(axis=0)
    expected = -(mean * np.log(mean)).sum(axis=1) + (proba * np.log(proba)).sum(axis=2).mean(axis=0)
    np.testing.assert_allclose(scores("bald", embeddings, SelectionContext(committee=members)), expected, atol=1e-5)


def test_a_committee_whose_members_know_different_classes_is_refused(
    embeddings: Floats, rng: np.random.Generator
) -> None:
    members = [*committee(rng, 2, 5), *committee(rng, 1, 4)]
    with pytest.raises(PoolError, match="differ in their number of classes"):
        scores("bald", embeddings, SelectionContext(committee=members))


def test_distance_is_to_the_nearest_label(embeddings: Floats) -> None:
    labeled = LabeledSet(embeddings[:7], np.zeros(7, np.int64))
    expected = np.sqrt(((embeddings[:, None] - embeddings[None, :7]) ** 2).sum(axis=2).min(axis=1))
    np.testing.assert_allclose(scores("distance", embeddings, SelectionContext(labeled=labeled)), expected, atol=2e-3)


def test_density_is_entropy_times_mean_cosine(embeddings: Floats, head: LinearHead) -> None:
    shifted = embeddings + np.float32(0.2)
    unit = shifted / np.linalg.norm(shifted, axis=1, keepdims=True)
    proba = head.predict_proba(shifted).astype(np.float64)
    expected = -(proba * np.log(proba)).sum(axis=1) * np.maximum((unit @ unit.T).mean(axis=1), 0)
    np.testing.assert_allclose(
        scores("density", shifted, SelectionContext(predictor=head)), expected, rtol=1e-3, atol=1e-6
    )


def test_disagreement_is_the_mean_doubt_about_the_answers(embeddings: Floats, head: LinearHead) -> None:
    answers = Annotations(np.array([3, 8, 3]), np.array([0, 0, 1]), np.array([1, 4, 2]))
    proba = head.predict_proba(embeddings)
    found = scores("learner_annotator_disagreement", embeddings, SelectionContext(head, annotations=answers))
    assert found[3] == pytest.approx(1 - (proba[3, 1] + proba[3, 2]) / 2, abs=1e-6)
    assert found[8] == pytest.approx(1 - proba[8, 4], abs=1e-6)
    assert np.count_nonzero(found) == 2


def test_active_lab_with_one_answer_a_row_is_cleanlab_s_average(embeddings: Floats, head: LinearHead) -> None:
    rows = np.arange(0, 600, 2)
    answers = Annotations(rows, np.zeros(300, np.int64), rows % 5)
    proba = head.predict_proba(embeddings).astype(np.float64)
    quality = (proba.max(axis=1) + 1 / 5) / 2
    quality[rows] = (2 * proba[rows, rows % 5] + 1 / 5) / 3
    found = scores("active_lab", embeddings, SelectionContext(head, annotations=answers))
    np.testing.assert_allclose(found, 1 - quality, atol=1e-5)


def test_active_lab_trusts_annotators_who_agree_with_others(rng: np.random.Generator) -> None:
    """Of two doubtful rows the one answered by the annotator nobody agrees with is asked again first."""
    truth = rng.integers(0, 3, 200)
    embeddings = np.eye(3, dtype=np.float32)[truth]
    head = LinearHead(2 * np.eye(3, dtype=np.float32), np.zeros(3, np.float32))
    careful, copy = truth.copy(), truth.copy()
    careless = rng.integers(0, 3, 200)
    rows = np.concatenate([np.arange(198)] * 3 + [np.array([198, 199])])
    who = np.concatenate([np.repeat([0, 1, 2], 198), [0, 2]])
    said = np.concatenate([careful[:198], copy[:198], careless[:198], truth[198:]])
    found = scores("active_lab", embeddings, SelectionContext(head, annotations=Annotations(rows, who, said)))
    assert found[199] > found[198]


def answered_rows(seed: int, several: bool) -> tuple[LinearHead, Floats, Array]:
    """Return a head, embeddings, and answers (N, M) of which NaN is none; the last rows have no answer."""
    rng = np.random.default_rng(seed)
    n_classes, n_annotators, n = int(rng.integers(2, 6)), int(rng.integers(2, 6)), 120
    embeddings = rng.standard_normal((n + 40, 8)).astype(np.float32)
    coef = (rng.uniform(0.3, 3) * rng.standard_normal((n_classes, 8))).astype(np.float32)
    head = LinearHead(coef, np.zeros(n_classes, np.float32))
    truth = head.predict_proba(embeddings).argmax(axis=1)
    right = rng.random((n, n_annotators)) < rng.uniform(0.3, 1, n_annotators)
    said = np.where(right, truth[:n, None], rng.integers(0, n_classes, (n, n_annotators))).astype(np.float64)
    said[rng.random(said.shape) < (0.5 if several else 1.0)] = np.nan
    unanswered = np.isnan(said).all(axis=1)
    said[unanswered, rng.integers(0, n_annotators, unanswered.sum())] = truth[:n][unanswered]
    return head, embeddings, said


@pytest.mark.parametrize("several", [True, False])
@pytest.mark.parametrize("seed", range(12))
def test_active_lab_equals_cleanlab_s(seed: int, several: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    from cleanlab.internal import multiannotator_utils
    from cleanlab.multiannotator import get_active_learning_scores

    # cleanlab 2.9 counts float labels by order of occurrence, so that its temperature fits other classes.
    by_class = multiannotator_utils.value_counts
    monkeypatch.setattr(
        multiannotator_utils,
        "value_counts",
        lambda labels, num_classes: by_class(labels.astype(int), num_classes=num_classes),
    )
    head, embeddings, said = answered_rows(seed, several)
    rows, who = np.nonzero(~np.isnan(said))
    answers = Annotations(rows, who, said[rows, who].astype(np.int64))
    found = scores("active_lab", embeddings, SelectionContext(head, annotations=answers))
    probabilities = head.predict_proba(embeddings.astype(np.float64))
    answered, new = get_active_learning_scores(said, probabilities[: len(said)], probabilities[len(said) :])
    np.testing.assert_allclose(found, 1 - np.concatenate([answered, new]), atol=1e-5)


def test_difficulty_is_the_mean_of_the_nearest_that_it_is_known_of(
    embeddings: Floats, rng: np.random.Generator
) -> None:
    known, values = embeddings[:40], rng.random(40)
    context = SelectionContext(difficulties=Difficulties(known, values))
    nearest = ((embeddings[:, None] - known[None]) ** 2).sum(axis=2).argsort(axis=1)[:, :10]
    np.testing.assert_allclose(scores("difficulty", embeddings, context), values[nearest].mean(axis=1), atol=1e-5)
    with pytest.raises(PoolError, match="from 0 to 1"):
        Difficulties(known, values + 1)


def test_annotations_of_unequal_length_are_refused() -> None:
    with pytest.raises(PoolError, match="differ in length"):
        Annotations(np.array([1]), np.array([1, 2]), np.array([0]))
