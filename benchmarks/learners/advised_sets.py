"""Sets with what an advisor says of all their items: a real LLM's answers, or those of one that is made up.

Rows of a set may carry ``llm_label``, ``llm_confidence`` and possibly ``llm_shares`` (`politeness_gpt4o`;
`benchmarks.learners.asked_sets` asks a small model about others). For a set without them an advisor is made up that
takes each class for one other of its own in two thirds of the cases in which it is wrong, names any class otherwise,
and states no confidence.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.learners.labeled_sets import load_fresh_rows, load_rows, load_set
from nextlabel.server.learners.advice.features import AdviceFeatures, Opinion, advice_features

Int64 = NDArray[np.int64]
ADVISOR = "llm"


@dataclass(frozen=True, slots=True, eq=False)
class AdvisedSet:
    """N items, no text of which occurs twice (case-insensitively), and an advisor's answers about each.

    Attributes:
        named_N: the class that the advisor names.
        test: how many items the set's own test part has.
    """

    name: str
    classes: tuple[str, ...]
    embeddings_ND: NDArray[np.float32]
    labels_N: Int64
    named_N: Int64
    advice: AdviceFeatures
    test: int

    def drawn(self, seed: int, test: int) -> tuple[Int64, Int64]:
        """The rows of a pool, in the order in which random ones are labeled, and of that many items that test.

        Both are drawn anew from all items for each seed: a fixed test part has noise that seeds never average away.
        """
        order = np.random.default_rng(seed).permutation(len(self.labels_N))
        return order[test:], order[:test]


def load_advised_set(folder: Path, cache: Path, simulated: float) -> AdvisedSet:
    """Loads a set; embeddings that are not there are made once and kept in ``cache``.

    Args:
        simulated: how often an advisor that is made up is right.
    """
    data = load_set(folder, cache)
    test_rows: list[dict[str, Any]] = [*load_rows(folder / "test.jsonl.gz")]
    rows = [*load_fresh_rows(folder), *test_rows]
    embeddings_ND = np.concatenate([data.train_embeddings_ND, data.test_embeddings_MD])
    labels_N = np.concatenate([data.train_labels_N, data.test_labels_M])
    first: dict[str, int] = {}
    for row, content in enumerate(rows):
        first.setdefault(content["text"].lower(), row)
    kept = np.array(list(first.values()))
    rows, labels_N = [rows[row] for row in kept], labels_N[kept]
    if "llm_label" in rows[0]:
        place = {name: i for i, name in enumerate(data.classes)}
        said = [_opinion(row, place) for row in rows]
        named_N = np.array([place[row["llm_label"]] for row in rows])
    else:
        named_N = _made_up(labels_N, len(data.classes), simulated)
        said = [Opinion({int(named): 1.0}, None) for named in named_N]
    advice = advice_features([{ADVISOR: one} for one in said], (ADVISOR,), len(data.classes))
    return AdvisedSet(data.name, data.classes, embeddings_ND[kept], labels_N, named_N, advice, len(test_rows))


def _opinion(row: Mapping[str, Any], place: Mapping[str, int]) -> Opinion:
    shares = {place[name]: share for name, share in row.get("llm_shares", {}).items() if share > 0}
    confidence = row.get("llm_confidence")
    return Opinion(shares or {place[row["llm_label"]]: 1.0}, None if confidence is None else float(confidence))


def _made_up(labels_N: Int64, n_classes: int, right: float) -> Int64:
    rng = np.random.default_rng(0)
    any_N = rng.integers(0, n_classes, len(labels_N))
    wrong_N = np.where(rng.random(len(labels_N)) < 2 / 3, (labels_N + 1) % n_classes, any_N)
    return np.where(rng.random(len(labels_N)) < right, labels_N, wrong_N)
