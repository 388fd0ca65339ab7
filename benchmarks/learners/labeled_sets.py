"""Labeled text classification sets from a folder, as the benchmarks use them.

A set is a folder with ``train.jsonl.gz`` and ``test.jsonl.gz`` (rows ``{"id", "text", "label"}``) and, where they
are ready, their embeddings ``train.minilm.f16.npy`` and ``test.minilm.f16.npy`` in row order.
"""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class LabeledSet:
    """A set whose training texts do not occur (case-insensitively) among the test texts."""

    name: str
    classes: tuple[str, ...]
    train_embeddings_ND: NDArray[np.float32]
    train_labels_N: NDArray[np.int64]
    test_embeddings_MD: NDArray[np.float32]
    test_labels_M: NDArray[np.int64]


def load_set(folder: Path, cache: Path) -> LabeledSet:
    """Loads a set; embeddings that are not there are made once and kept in `cache`."""
    train, test = load_rows(folder / "train.jsonl.gz"), load_rows(folder / "test.jsonl.gz")
    classes = tuple(sorted({row["label"] for row in train}))
    index = {name: i for i, name in enumerate(classes)}
    test_texts = {row["text"].lower() for row in test}
    fresh = np.array([row["text"].lower() not in test_texts for row in train])
    labels = np.array([index[row["label"]] for row in train])
    return LabeledSet(
        name=folder.name,
        classes=classes,
        train_embeddings_ND=embeddings_of(folder, "train", train, cache)[fresh],
        train_labels_N=labels[fresh],
        test_embeddings_MD=embeddings_of(folder, "test", test, cache),
        test_labels_M=np.array([index[row["label"]] for row in test]),
    )


def load_class_names(data: LabeledSet, cache: Path) -> NDArray[np.float32]:
    """Embeddings of the names of a set's classes, written as words, (C, D); made once and kept in `cache`."""
    from nextlabel.server.domain.learning.described import words

    ready = cache / f"{data.name}.names.minilm.f16.npy"
    if not ready.exists():
        from nextlabel.server.learners.embedding.embedder import Embedder

        cache.mkdir(parents=True, exist_ok=True)
        np.save(ready, Embedder().embed([words(name) for name in data.classes]))
    return np.asarray(np.load(ready), np.float32)


def load_fresh_rows(folder: Path) -> list[dict[str, str]]:
    """The training rows that a `LabeledSet` has, in its order, with all that the file says of them."""
    test_texts = {row["text"].lower() for row in load_rows(folder / "test.jsonl.gz")}
    return [row for row in load_rows(folder / "train.jsonl.gz") if row["text"].lower() not in test_texts]


def load_texts(folder: Path) -> list[str]:
    """The training texts of a set, in order."""
    return [row["text"] for row in load_rows(folder / "train.jsonl.gz")]


def set_folders(data: Path) -> list[Path]:
    """The sets of a data folder, by name."""
    return sorted(path.parent for path in data.glob("*/train.jsonl.gz"))


def load_rows(path: Path) -> list[dict[str, str]]:
    """The rows of a file, in order."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def embeddings_of(folder: Path, part: str, rows: list[dict[str, str]], cache: Path) -> NDArray[np.float32]:
    """The embeddings of the rows of one file of a set; where they are not ready, made once and kept in `cache`."""
    ready = folder / f"{part}.minilm.f16.npy"
    if not ready.exists():
        ready = cache / f"{folder.name}.{part}.minilm.f16.npy"
    if not ready.exists():
        from nextlabel.server.learners.embedding.embedder import Embedder

        cache.mkdir(parents=True, exist_ok=True)
        np.save(ready, Embedder().embed([row["text"] for row in rows]))
    return np.asarray(np.load(ready), np.float32)
