"""Print what every built-in strategy picks on this processor, as it is or as environment variables pretend."""

from __future__ import annotations

import json
import sys

import numpy as np

from nextlabel.strategies import (
    Annotations,
    ArrayPool,
    Difficulties,
    LabeledSet,
    LinearHead,
    SelectionContext,
    describe,
    get_strategy,
)
from nextlabel.strategies.arithmetic.arrays import Floats
from nextlabel.strategies.builtin import BUILT_IN

ROWS, DIMENSION, CLASSES = 4301, 51, 7
"""More than one tile, and no multiple of a vector's width anywhere."""


def embeddings() -> Floats:
    """Return a pool in which every third row is a copy of another, far from it."""
    rng = np.random.default_rng(3)
    values = rng.standard_normal((30, DIMENSION))[rng.integers(0, 30, ROWS)] + rng.standard_normal((ROWS, DIMENSION))
    values[::3] = values[rng.permutation(ROWS)[: len(values[::3])]]
    return np.asarray(values / np.linalg.norm(values, axis=1, keepdims=True), np.float32)


def context(pool_ND: Floats) -> SelectionContext:
    """Return a context with every input."""
    rng = np.random.default_rng(4)

    def head() -> LinearHead:
        coef_CD = 6 * rng.standard_normal((CLASSES, DIMENSION))
        return LinearHead(coef_CD.astype(np.float32), rng.standard_normal(CLASSES).astype(np.float32))

    answered = rng.permutation(ROWS)[:900]
    return SelectionContext(
        predictor=head(),
        committee=(head(), head(), head()),
        labeled=LabeledSet(pool_ND[rng.permutation(ROWS)[:60]], rng.integers(0, CLASSES, 60)),
        annotations=Annotations(answered, rng.integers(0, 3, 900), rng.integers(0, CLASSES, 900)),
        seed=8,
        difficulties=Difficulties(pool_ND[rng.permutation(ROWS)[:60]], rng.random(60)),
    )


def picks() -> dict[str, list[tuple[int, float]]]:
    """Return (row, score) of every pick by strategy, NaN as -1."""
    pool_ND = embeddings()
    pool, given = ArrayPool(pool_ND, item_ids=[f"{(7 * row) % ROWS:05d}" for row in range(ROWS)]), context(pool_ND)
    chosen = {}
    for name in BUILT_IN:
        sample = {"sample": 900} if "sample" in {parameter.name for parameter in describe(name).parameters} else {}
        batch = get_strategy(name, **sample).select(pool, 25, given)
        scores = np.nan_to_num(batch.scores_k.astype(np.float64), nan=-1.0)
        chosen[name] = list(zip(batch.rows_k.tolist(), scores.tolist(), strict=True))
    return chosen


if __name__ == "__main__":
    json.dump(picks(), sys.stdout)
