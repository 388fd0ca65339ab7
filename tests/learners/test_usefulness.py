"""Written texts help where they are proven to, and never by what they know of the items that measure."""

from __future__ import annotations

import numpy as np
import pytest

from nextlabel.server.learners.truths import ClassTruth
from nextlabel.server.learners.usefulness import WrittenTexts, usefulness

CLASSES, DIMENSION = 3, 24


def drawn(count: int, seed: int, spread: float) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % CLASSES
    points = np.eye(CLASSES, DIMENSION)[labels] + spread * rng.standard_normal((count, DIMENSION))
    unit = points / np.linalg.norm(points, axis=1, keepdims=True)
    return unit.astype(np.float32), labels.astype(np.int64)


def written(embeddings: np.ndarray, labels: np.ndarray, items: int, seeds: np.ndarray | None = None) -> WrittenTexts:
    none = np.zeros((len(labels), items), np.bool_)
    return WrittenTexts(embeddings.astype(np.float32), labels, none if seeds is None else seeds)


def test_texts_like_real_ones_help_where_there_are_few() -> None:
    embeddings, labels = drawn(60, 0, 0.45)
    found = usefulness(embeddings, ClassTruth(labels, CLASSES), written(*drawn(600, 1, 0.3), 60))
    assert found is not None
    assert found.helps
    assert found.with_texts > found.without


@pytest.mark.parametrize("seed", range(4))
def test_texts_that_say_nothing_are_not_found_to_help(seed: int) -> None:
    embeddings, labels = drawn(60, seed, 0.45)
    noise, _ = drawn(120, 50 + seed, 3.0)
    found = usefulness(embeddings, ClassTruth(labels, CLASSES), written(noise, np.arange(120) % CLASSES, 60))
    assert found is not None
    assert not found.helps


def test_copies_of_the_items_that_measure_do_not_help() -> None:
    """Labels that cannot be learned: whatever helps here knows the answers."""
    rng = np.random.default_rng(0)
    embeddings, _ = drawn(60, 0, 0.45)
    labels = rng.integers(0, CLASSES, 60)
    copies = written(embeddings, labels, 60, np.eye(60, dtype=np.bool_))
    found = usefulness(embeddings, ClassTruth(labels, CLASSES), copies)
    assert found is not None
    assert not found.helps
    assert abs(found.with_texts - found.without) < 0.1


def test_nothing_is_said_of_too_few_items_one_class_or_no_texts() -> None:
    embeddings, labels = drawn(60, 0, 0.4)
    some = written(*drawn(6, 1, 0.4), 60)
    assert usefulness(embeddings[:10], ClassTruth(labels[:10], CLASSES), some) is None
    assert usefulness(embeddings, ClassTruth(np.zeros(60, np.int64), CLASSES), some) is None
    assert usefulness(embeddings, ClassTruth(labels, CLASSES), written(embeddings[:0], labels[:0], 60)) is None
