"""Labels that are probably wrong, found among labels that were made wrong."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from nextlabel.server.assessment.suspects import joined, neighbour_shares, wrong_probabilities
from nextlabel.server.learners.out_of_fold import out_of_fold

CLASSES = 4


@pytest.fixture(scope="module")
def spoiled():
    """Blobs of embeddings with labels, and which of these are wrong: a tenth of one source, none of the other."""
    rng = np.random.default_rng(0)
    true = rng.integers(0, CLASSES, 600)
    embeddings = (rng.normal(size=(CLASSES, 16))[true] + rng.normal(0, 0.5, (600, 16))).astype(np.float32)
    source = np.arange(600) % 2
    wrong = (source == 1) & (rng.random(600) < 0.2)
    labels = np.where(wrong, (true + rng.integers(1, CLASSES, 600)) % CLASSES, true)
    return embeddings, labels, source, wrong


def test_wrong_labels_are_told_from_right_ones(spoiled):
    embeddings, labels, source, wrong = spoiled
    probabilities = joined(out_of_fold(embeddings, labels, CLASSES), neighbour_shares(embeddings, labels, CLASSES))
    found = wrong_probabilities(probabilities, labels, source)
    assert roc_auc_score(wrong, found) > 0.97
    assert ((found > 0.5) == wrong).mean() > 0.96
    # A source without errors is not blamed for what the other does.
    assert found[source == 0].mean() < 0.03 < found[source == 1].mean()


def test_some_items_judge_others_as_well_as_themselves(spoiled):
    embeddings, labels, source, wrong = spoiled
    known = np.arange(len(labels)) % 3 > 0
    probabilities = joined(
        out_of_fold(embeddings, labels, CLASSES, known_N=known),
        neighbour_shares(embeddings, labels, CLASSES, known_N=known),
    )
    found = wrong_probabilities(probabilities, labels, source)
    assert roc_auc_score(wrong[~known], found[~known]) > 0.97
    assert roc_auc_score(wrong[known], found[known]) > 0.97
    own, given = embeddings[known], labels[known]
    alone = joined(out_of_fold(own, given, CLASSES), neighbour_shares(own, given, CLASSES))
    assert probabilities[known] == pytest.approx(alone, abs=1e-6)


def test_nobody_votes_on_an_own_label():
    embeddings = np.eye(3, dtype=np.float32).repeat(4, axis=0)
    labels = np.arange(3).repeat(4)
    labels[0] = 2
    shares = neighbour_shares(embeddings, labels, 3)
    assert shares.sum(axis=1) == pytest.approx(1)
    assert shares[0].argmax() == 0
    assert neighbour_shares(embeddings[:1], labels[:1], 3)[0] == pytest.approx([1 / 3] * 3)
    assert np.isfinite(neighbour_shares(np.zeros((5, 3), np.float32), np.zeros(5, np.int64), 2)).all()


def test_wrong_probabilities_are_shares_of_wrong_labels():
    rng = np.random.default_rng(1)
    posterior = rng.dirichlet(np.full(3, 0.4), 20_000)
    true = (rng.random((20_000, 1)) > posterior.cumsum(axis=1)).sum(axis=1).clip(0, 2)
    wrong = rng.random(20_000) < 0.25
    labels = np.where(wrong, (true + rng.integers(1, 3, 20_000)) % 3, true)
    found = wrong_probabilities(posterior, labels, np.zeros(20_000, np.int64))
    for low in np.arange(0, 1, 0.2):
        there = (found >= low) & (found < low + 0.2)
        assert wrong[there].mean() == pytest.approx(found[there].mean(), abs=0.04)


def test_too_few_items_have_no_folds():
    with pytest.raises(ValueError, match="4 items"):
        out_of_fold(np.zeros((4, 2), np.float32), np.zeros(4, np.int64), 2)
