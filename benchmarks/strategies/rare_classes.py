"""Rare classes: how many of their items a strategy finds in 200 labels, and how well the learner ranks then."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score

from benchmarks.strategies.default_sets import whole_split_of
from benchmarks.strategies.peers import peer
from nextlabel.server.simulation.bootstrap import mean_interval
from nextlabel.server.simulation.data.dataset import Dataset
from nextlabel.server.simulation.reporting.report import format_interval
from nextlabel.strategies import ArrayPool, LabeledSet, LinearHead, SelectionContext, get_strategy

RARE = frozenset({"banking77", "clinc10", "crowdflower"})
SHARES = (0.01, 0.002)
LABELS, BATCH = 200, 20


def rare_rows(dataset: Dataset, strategies: Sequence[str], seeds: int, kept: Path) -> Iterator[str]:
    """Yield a row of the table a share and strategy; every seed makes another class the rare one.

    What is finished stands in the file ``kept``, a line a share, strategy and seed.
    """
    for share in SHARES:
        pools = [rare_pool(whole_split_of(dataset, seed).dataset, share, seed) for seed in range(seeds)]
        for strategy in strategies:
            found = np.array([_kept(kept, share, strategy, pool, seed) for seed, pool in enumerate(pools)])
            positives = format_interval(mean_interval(found[:, 0]), digits=1)
            precision = format_interval(mean_interval(found[:, 1]))
            yield f"{_positives(pools)} | {strategy} | {positives} | {precision} |"


def _kept(kept: Path, share: float, strategy: str, pool: Dataset, seed: int) -> tuple[float, float]:
    cell = [share, strategy, seed, pool.digest]
    if kept.exists():
        for line in kept.read_text(encoding="utf-8").splitlines():
            *known, positives, precision = json.loads(line)
            if known == cell:
                return positives, precision
    found = labeled_by(strategy, pool, seed)
    kept.parent.mkdir(parents=True, exist_ok=True)
    with kept.open("a", encoding="utf-8") as file:
        file.write(json.dumps([*cell, *found]) + "\n")
    return found


def _positives(pools: Sequence[Dataset]) -> str:
    counts = [int(pool.pool_labels_N.sum()) for pool in pools]
    return f"{np.mean(counts):.0f} of {np.mean([len(pool) for pool in pools]):,.0f}"


def rare_pool(dataset: Dataset, share: float, seed: int) -> Dataset:
    """The set as one class, a class a seed, against all others, with so many of its items left in the pool."""
    rng = np.random.default_rng([seed, 7])
    sizes_C = np.bincount(dataset.pool_labels_N, minlength=len(dataset.classes))
    large = np.flatnonzero(sizes_C >= 40)
    positive = large[np.argsort(rng.random(len(large)))[0]]
    others = np.flatnonzero(dataset.pool_labels_N != positive)
    wanted = max(4, round(share * len(others) / (1 - share)))
    own = rng.choice(np.flatnonzero(dataset.pool_labels_N == positive), min(wanted, sizes_C[positive]), replace=False)
    rows = np.sort(np.concatenate([others, own]))
    return replace(
        dataset,
        classes=("other", "rare"),
        item_ids=tuple(dataset.item_ids[row] for row in rows),
        pool_embeddings_ND=dataset.pool_embeddings_ND[rows],
        pool_labels_N=(dataset.pool_labels_N[rows] == positive).astype(np.int64),
        test_labels_M=(dataset.test_labels_M == positive).astype(np.int64),
    )


def labeled_by(name: str, pool: Dataset, seed: int) -> tuple[float, float]:
    """Positives found in LABELS labels after the first batch, and average precision on the test items.

    The strategy is one of the project or, as in `peers.py`, of another package.
    """
    labels_N = pool.pool_labels_N
    rng = np.random.default_rng([seed, 8])
    known = rng.choice(np.flatnonzero(labels_N))
    labeled = np.append(known, rng.choice(np.flatnonzero(labels_N == 0), BATCH - 1, replace=False))
    model = _fitted(pool.pool_embeddings_ND[labeled], labels_N[labeled])
    while len(labeled) < LABELS + BATCH:
        context = _context(pool, labeled, model, seed * 1000 + len(labeled))
        left = np.setdiff1d(np.arange(len(pool)), labeled)
        ids = [pool.item_ids[row] for row in left]
        strategy = peer(name, context.seed) if ":" in name else get_strategy(name)
        picked = strategy.select(ArrayPool(pool.pool_embeddings_ND[left], rows=left, item_ids=ids), BATCH, context)
        labeled = np.append(labeled, picked.rows_k)
        model = _fitted(pool.pool_embeddings_ND[labeled], labels_N[labeled])
    scores = model.decision_function(pool.test_embeddings_MD)
    return float(labels_N[labeled].sum() - 1), float(average_precision_score(pool.test_labels_M, scores))


def _fitted(embeddings_LD: np.ndarray, labels_L: np.ndarray) -> LogisticRegression:
    return LogisticRegression(C=10, class_weight="balanced", max_iter=500).fit(embeddings_LD, labels_L)


def _context(pool: Dataset, labeled: np.ndarray, model: LogisticRegression, seed: int) -> SelectionContext:
    known = LabeledSet(pool.pool_embeddings_ND[labeled], pool.pool_labels_N[labeled])
    head = LinearHead.from_decision(model.coef_, model.intercept_)
    return SelectionContext(head, labeled=known, seed=seed)
