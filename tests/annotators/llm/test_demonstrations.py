"""Which demonstrations and labels are shown for an item, against brute force."""

import numpy as np
import pytest

from nextlabel.server.domain.learning.demonstrations import DemonstrationLibrary, LabelEmbeddings
from nextlabel.server.values.labeling.answers import Label
from nextlabel.server.values.labeling.tasks import Demonstration, ItemToAnnotate

LABELS = ("a", "b", "c")


def unit(rows: int, seed: int) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(rows, 8)).astype(np.float32)
    normalised: np.ndarray = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return normalised


def library(rows: int = 30) -> tuple[DemonstrationLibrary, list[Demonstration], np.ndarray]:
    shown = [Demonstration(f"d{row:02d}", f"text {row}", Label(LABELS[row % 3])) for row in range(rows)]
    embeddings = unit(rows, 0)
    return DemonstrationLibrary(shown, embeddings, reserved={"gold-1"}), shown, embeddings


def asked(vector: np.ndarray, item_id: str = "x", text: str = "new") -> ItemToAnnotate:
    return ItemToAnnotate(item_id, 0, text, embedding=tuple(vector.tolist()))


async def test_nearest_equals_brute_force_and_leaves_the_item_itself_out() -> None:
    source, shown, embeddings = library()
    for row in range(5):
        vector = unit(1, 100 + row)[0]
        expected = [shown[position] for position in np.argsort(-(embeddings @ vector))[:4]]
        assert list(await source.nearest(asked(vector), 4)) == expected
    itself = await source.nearest(asked(embeddings[3], item_id="d03"), 30)
    assert len(itself) == 29
    same_text = await source.nearest(asked(embeddings[3], text="text 3"), 30)
    assert len(same_text) == 29


async def test_label_diverse_takes_the_nearest_of_each_label_in_turn() -> None:
    source, shown, embeddings = library()
    vector = unit(1, 7)[0]
    similarity = embeddings @ vector
    chosen = await source.nearest_per_label(asked(vector), 5)
    assert {demonstration.body for demonstration in chosen[:3]} == {Label(name) for name in LABELS}
    for demonstration in chosen[:3]:
        rivals = [row for row in range(30) if shown[row].body == demonstration.body]
        assert shown[max(rivals, key=lambda row: similarity[row])] == demonstration
    assert len(chosen) == len(set(chosen)) == 5


async def test_items_without_embedding_get_no_demonstrations() -> None:
    source, _, _ = library()
    assert await source.nearest(ItemToAnnotate("x", 0, "new"), 3) == []


def test_gold_and_holdout_can_never_be_demonstrated() -> None:
    with pytest.raises(ValueError, match="gold-1"):
        DemonstrationLibrary([Demonstration("gold-1", "t", Label("a"))], unit(1, 0), reserved={"gold-1", "gold-2"})
    with pytest.raises(ValueError, match="embeddings"):
        DemonstrationLibrary([], unit(1, 0), reserved=())


async def test_closest_labels_equal_brute_force_over_definitions_and_examples() -> None:
    embeddings = unit(3, 1)
    example = unit(1, 2)[0]
    similarity = LabelEmbeddings(LABELS, embeddings, [(Label("c"), example.tolist())])
    for seed in range(5):
        vector = unit(1, 50 + seed)[0]
        scores = dict(zip(LABELS, (embeddings @ vector).tolist(), strict=True))
        scores["c"] = max(scores["c"], float(example @ vector))
        expected = sorted(LABELS, key=lambda name: -scores[name])[:2]
        assert await similarity.closest_labels(asked(vector), LABELS, 2) == expected
    assert await similarity.closest_labels(ItemToAnnotate("x", 0, "t"), LABELS, 2) == ("a", "b")
