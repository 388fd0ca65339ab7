"""Multi-label sets made of labeled single sentences: a text of one to three sentences is about what each is about.

Classes occur by a power law, as emotions and topics do in the wild. What a set has beyond its first classes says
nothing: sentences of these fill texts up, and a text of them alone has no label. Training and test texts are made of
sentences of the training and the test part.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.learners.labeled_sets import load_rows

PARTS, PART_SHARES = (1, 2, 3), (0.5, 0.35, 0.15)
NOTHING = 0.1  # share of the sentences that say nothing
EXPONENT = 0.8  # of the power law
SIZES = {"train": 2000, "test": 800}


@dataclass(frozen=True, slots=True)
class Recipe:
    """Which classes of a folder are labels: the ``kept`` most frequent ones, but those of ``nothing``."""

    folder: str
    kept: int
    nothing: tuple[str, ...] = ()


RECIPES = {
    "intents28": Recipe("banking77", 28),
    "emotions6": Recipe("goemotions7", 6, ("neutral",)),
    "domains8": Recipe("clinc10", 8),
}


@dataclass(frozen=True, slots=True, eq=False)
class MultiLabelSet:
    """Embedded texts with the classes that each of them has, (N, C) and (M, C) booleans, and the embedded names."""

    name: str
    classes: tuple[str, ...]
    train_ND: NDArray[np.float32]
    train_NC: NDArray[np.bool_]
    test_MD: NDArray[np.float32]
    test_MC: NDArray[np.bool_]
    names_CD: NDArray[np.float32]


def load_multi_label_set(name: str, data: Path, cache: Path) -> MultiLabelSet:
    """Make a set of `RECIPES`; its embeddings are made once and kept in ``cache``."""
    from nextlabel.server.domain.learning.described import words

    recipe = RECIPES[name]
    classes = label_classes(recipe, data)
    train, train_NC = compose(recipe, data, "train", classes)
    test, test_MC = compose(recipe, data, "test", classes)
    return MultiLabelSet(
        name=name,
        classes=classes,
        train_ND=_embedded(cache / f"{name}.train.npy", train),
        train_NC=train_NC,
        test_MD=_embedded(cache / f"{name}.test.npy", test),
        test_MC=test_MC,
        names_CD=_embedded(cache / f"{name}.names.npy", [words(c) for c in classes]),
    )


def label_classes(recipe: Recipe, data: Path) -> tuple[str, ...]:
    """Return the classes that are labels, the most frequent first."""
    count = Counter(row["label"] for row in load_rows(data / recipe.folder / "train.jsonl.gz"))
    ranked = sorted((name for name in count if name not in recipe.nothing), key=lambda name: (-count[name], name))
    return tuple(ranked[: recipe.kept])


def compose(recipe: Recipe, data: Path, part: str, classes: tuple[str, ...]) -> tuple[list[str], NDArray[np.bool_]]:
    """Return the texts of a part and the classes of each; the same on every call."""
    by_class: dict[str, list[str]] = {}
    for line in load_rows(data / recipe.folder / f"{part}.jsonl.gz"):
        by_class.setdefault(line["label"] if line["label"] in classes else "", []).append(line["text"])
    rng = np.random.default_rng(0 if part == "train" else 1)
    shares = np.arange(1, len(classes) + 1) ** -EXPONENT
    shares = np.append(shares / shares.sum() * (1 - NOTHING), NOTHING)
    named = [*classes, ""]
    texts = []
    labels_NC = np.zeros((SIZES[part], len(classes)), np.bool_)
    for row in range(SIZES[part]):
        chosen = rng.choice(len(named), rng.choice(PARTS, p=PART_SHARES), replace=False, p=shares)
        texts.append(" ".join(by_class[named[c]][rng.integers(len(by_class[named[c]]))] for c in chosen))
        labels_NC[row, chosen[chosen < len(classes)]] = True
    return texts, labels_NC


def _embedded(ready: Path, texts: list[str]) -> NDArray[np.float32]:
    if not ready.exists():
        from nextlabel.server.learners.embedding.embedder import Embedder

        ready.parent.mkdir(parents=True, exist_ok=True)
        np.save(ready, Embedder().embed(texts))
    return np.asarray(np.load(ready), np.float32)
