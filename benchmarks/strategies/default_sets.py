"""The sets that the default strategy is measured on, and which of them its constants were chosen by.

A test part of a few hundred items is the same mistake in every seed, which more seeds do not average away. So sets
whose files hold fewer than `FEW_TEST_ITEMS` test items are drawn anew for each seed: three tenths of all their items,
at most `MOST_TEST_ITEMS`, are its test part, the others its pool. Texts that occur twice in such a set count once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.learners.labeled_sets import embeddings_of, load_rows
from nextlabel.server.simulation.data.dataset import Dataset

TUNED_ON = frozenset({"banking77", "clinc10", "goemotions7", "sms_spam", "snips", "uci_sentences"})
MOST_TEST_ITEMS = 2000
FEW_TEST_ITEMS = 1000

Int64 = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """What a seed labels and tests on.

    Attributes:
        dataset: pool and test part of the seed.
        test_items_M: which of the items that seeds are tested on its test items are, below `all_test_items`.
        all_test_items: from how many items seeds draw their test part; of a fixed one, its own.
    """

    dataset: Dataset
    test_items_M: Int64
    all_test_items: int


def split_of(dataset: Dataset, seed: int, most: int) -> Split:
    """Return the test part of a seed and its pool: four fifths of what it may label, and no more than ``most``."""
    split = whole_split_of(dataset, seed)
    return replace(split, dataset=split.dataset.drawn(min(most, len(split.dataset) * 4 // 5), seed))


def whole_split_of(dataset: Dataset, seed: int) -> Split:
    """Return the test part of a seed, and all else as its pool."""
    items = len(dataset.test_labels_M)
    return _drawn_anew(dataset, seed) if items < FEW_TEST_ITEMS else Split(dataset, np.arange(items), items)


def _drawn_anew(dataset: Dataset, seed: int) -> Split:
    embeddings_ND = np.concatenate([dataset.pool_embeddings_ND, dataset.test_embeddings_MD])
    labels_N = np.concatenate([dataset.pool_labels_N, dataset.test_labels_M])
    order = np.random.default_rng([seed, 9]).permutation(len(labels_N))
    tested = min(MOST_TEST_ITEMS, len(order) * 3 // 10)
    test, pool = np.sort(order[:tested]), np.sort(order[tested:])
    drawn = replace(
        dataset,
        item_ids=tuple(f"{row:06d}" for row in pool),
        pool_embeddings_ND=embeddings_ND[pool],
        pool_labels_N=labels_N[pool],
        test_embeddings_MD=embeddings_ND[test],
        test_labels_M=labels_N[test],
    )
    return Split(drawn, test, len(order))


def load_sets(data: Path, cache: Path) -> Iterator[tuple[Dataset, str]]:
    """Yield every set with its name: those of the folder by name, then digits and breast_cancer of scikit-learn."""
    for folder in text_set_folders(data):
        yield _text_set(folder, cache), folder.name
    for name in ("digits", "breast_cancer"):
        yield _numbers(name), name


def text_set_folders(data: Path) -> list[Path]:
    """The sets of texts of a data folder and of the folders in it, by name."""
    found = (*data.glob("*/train.jsonl.gz"), *data.glob("*/*/train.jsonl.gz"))
    return sorted((path.parent for path in found), key=lambda folder: folder.name)


def _text_set(folder: Path, cache: Path) -> Dataset:
    train, test = load_rows(folder / "train.jsonl.gz"), load_rows(folder / "test.jsonl.gz")
    label = "label" if "label" in train[0] else "target"
    test_texts = {row["text"].lower() for row in test}
    fresh = np.array([row["text"].lower() not in test_texts for row in train])
    if len(test) < FEW_TEST_ITEMS:
        fresh &= _first_of_equals(train)
        kept = _first_of_equals(test)
    else:
        kept = np.ones(len(test), np.bool_)
    return _dataset(
        embeddings_of(folder, "train", train, cache)[fresh],
        np.array([row[label] for row in train])[fresh],
        embeddings_of(folder, "test", test, cache)[kept][:MOST_TEST_ITEMS],
        np.array([row[label] for row in test])[kept][:MOST_TEST_ITEMS],
    )


def _first_of_equals(rows: list[dict[str, str]]) -> NDArray[np.bool_]:
    texts = [row["text"].lower() for row in rows]
    first = {text: at for at, text in reversed(list(enumerate(texts)))}
    return np.array([first[text] == at for at, text in enumerate(texts)])


def _numbers(name: str) -> Dataset:
    from sklearn import datasets

    features_ND, labels_N = getattr(datasets, f"load_{name}")(return_X_y=True)
    spread_D = np.maximum(features_ND.std(axis=0), 1e-9)
    scaled_ND = ((features_ND - features_ND.mean(axis=0)) / spread_D).astype(np.float32)
    order = np.random.default_rng(0).permutation(len(labels_N))
    train, test = order[: len(order) * 7 // 10], order[len(order) * 7 // 10 :]
    return _dataset(scaled_ND[train], labels_N[train], scaled_ND[test], labels_N[test])


def _dataset(
    pool_ND: NDArray[np.float32], pool_labels: NDArray[Any], test_MD: NDArray[np.float32], test_labels: NDArray[Any]
) -> Dataset:
    classes = tuple(sorted({str(label) for label in (*pool_labels, *test_labels)}))
    index = {label: at for at, label in enumerate(classes)}
    return Dataset(
        classes=classes,
        item_ids=tuple(f"{row:06d}" for row in range(len(pool_labels))),
        pool_embeddings_ND=pool_ND,
        pool_labels_N=np.array([index[str(label)] for label in pool_labels]),
        test_embeddings_MD=test_MD,
        test_labels_M=np.array([index[str(label)] for label in test_labels]),
        removed_duplicates=0,
    )
