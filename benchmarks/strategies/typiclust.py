"""TypiClust beside scikit-activeml's, with its mini-batch clustering: seconds a batch, and what the picks teach.

    python -m benchmarks.strategies.typiclust DATA_DIR --sets clinc10,snips --rows 10000 --seeds 5

Both choose 20 at a time from the same pool of at most ``--rows`` rows, from no labels to ``--labels``; after every
batch the same balanced logistic regression is fitted and its accuracy on the test part taken. ``aulc`` is the mean
accuracy over the curve, ``seconds`` the median of one selection, alternating between the two; all on 2 threads.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.cluster import MiniBatchKMeans
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from benchmarks.learners.labeled_sets import LabeledSet as Labeled
from benchmarks.learners.labeled_sets import load_set
from nextlabel.strategies import ArrayPool, LabeledSet, SelectionContext, Strategy, get_strategy
from nextlabel.strategies.adapters import SkactivemlPicker
from nextlabel.strategies.context import Need
from nextlabel.strategies.strategy import ScoreAndPick

BATCH = 20


@dataclass(slots=True)
class Contender:
    """A strategy under test, what it has picked so far, and its curve."""

    strategy: Strategy
    picked: list[int] = field(default_factory=list)
    accuracies: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    def step(self, data: Labeled, rows: np.ndarray[Any, Any], seed: int) -> None:
        """Pick, label, fit, test."""
        known = LabeledSet(data.train_embeddings_ND[self.picked], data.train_labels_N[self.picked])
        left = np.setdiff1d(rows, self.picked)
        pool = ArrayPool(data.train_embeddings_ND[left], rows=left)
        began = time.perf_counter()
        batch = self.strategy.select(pool, BATCH, SelectionContext(labeled=known, seed=seed + len(self.picked)))
        self.seconds.append(time.perf_counter() - began)
        self.picked += batch.rows_k.tolist()
        labels = data.train_labels_N[self.picked]
        if len(np.unique(labels)) < 2:
            self.accuracies.append(float((data.test_labels_M == labels[0]).mean()))
            return
        model = LogisticRegression(C=10, class_weight="balanced", max_iter=300)
        model.fit(data.train_embeddings_ND[self.picked], labels)
        self.accuracies.append(float(model.score(data.test_embeddings_MD, data.test_labels_M)))


def contenders(seed: int) -> dict[str, Contender]:
    from skactiveml.pool import TypiClust

    peer = TypiClust(cluster_algo=MiniBatchKMeans, cluster_algo_dict={"n_init": 1}, random_state=seed)
    picker = SkactivemlPicker(peer, needed=frozenset({Need.EMBEDDINGS}))
    return {
        "nextlabel": Contender(get_strategy("typiclust")),
        "scikit-activeml": Contender(ScoreAndPick("scikit-activeml", picker)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--sets", default="clinc10,snips")
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--labels", type=int, default=100)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--cache", type=Path, default=Path(".cache/benchmarks"))
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    for name in options.sets.split(","):
        data = load_set(options.data / name, options.cache)
        aulc: dict[str, list[float]] = {}
        seconds: dict[str, list[float]] = {}
        for seed in range(options.seeds):
            size = min(options.rows, len(data.train_labels_N))
            rows = np.sort(np.random.default_rng(seed).choice(len(data.train_labels_N), size, replace=False))
            both = contenders(seed)
            for _ in range(options.labels // BATCH):
                for contender in both.values():
                    contender.step(data, rows, seed)
            for who, contender in both.items():
                aulc.setdefault(who, []).append(statistics.mean(contender.accuracies))
                seconds.setdefault(who, []).extend(contender.seconds)
        took = {who: statistics.median(values) for who, values in seconds.items()}
        figures = {
            "set": name,
            "rows": size,
            "seeds": options.seeds,
            "aulc": {who: [round(v, 4) for v in values] for who, values in aulc.items()},
            "aulc_mean": {who: round(statistics.mean(values), 4) for who, values in aulc.items()},
            "seconds": {who: round(value, 3) for who, value in took.items()},
            "times_faster": round(took["scikit-activeml"] / took["nextlabel"], 1),
        }
        print(json.dumps(figures), flush=True)


if __name__ == "__main__":
    with threadpool_limits(2):
        main()
