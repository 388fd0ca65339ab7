"""Whether the strategy `difficulty` finds what is difficult: texts that a real LLM labeled wrong.

    python -m benchmarks.strategies.difficulty DATA_DIR --seeds 10

``DATA_DIR`` holds ``train.jsonl.gz`` with ``text``, ``label`` and ``llm_label``. Of ``--known`` texts, drawn by the
seed, it is known whether the LLM was wrong (difficulty 1); then ``--picks`` of all others are chosen. ``wrong`` is the
share of the picks that the LLM labeled wrong, the mean over the seeds, ``low`` and ``high`` the interval of its
difference from `random` by the bootstrap over the seeds.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.learners.labeled_sets import load_rows
from nextlabel.server.learners.embedding.embedder import Embedder
from nextlabel.strategies import ArrayPool, Difficulties, LabeledSet, SelectionContext, get_strategy

STRATEGIES = ("difficulty", "max_herding", "random")


def loaded(folder: Path) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float64]]:
    """Return embeddings (N, D) and whether the LLM was wrong (N,)."""
    records = load_rows(folder / "train.jsonl.gz")
    wrong_N = np.array([record["label"] != record["llm_label"] for record in records], np.float64)
    return np.asarray(Embedder().embed([record["text"] for record in records]), np.float32), wrong_N


def shares(
    embeddings_ND: npt.NDArray[np.float32], wrong_N: npt.NDArray[np.float64], seed: int, known: int, picks: int
) -> dict[str, float]:
    """Return the share of wrong labels among the picks of each strategy."""
    order = np.random.default_rng(seed).permutation(len(wrong_N))
    seen, left = order[:known], np.sort(order[known:])
    context = SelectionContext(
        labeled=LabeledSet(embeddings_ND[seen], np.zeros(known, np.int64)),
        difficulties=Difficulties(embeddings_ND[seen], wrong_N[seen]),
        seed=seed,
    )
    pool = ArrayPool(embeddings_ND[left], rows=left)
    return {name: float(wrong_N[get_strategy(name).select(pool, picks, context).rows_k].mean()) for name in STRATEGIES}


def main() -> None:
    """Print a line a strategy."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--known", type=int, default=300)
    parser.add_argument("--picks", type=int, default=100)
    asked = parser.parse_args()
    embeddings_ND, wrong_N = loaded(asked.data)
    found = [shares(embeddings_ND, wrong_N, seed, asked.known, asked.picks) for seed in range(asked.seeds)]
    rng = np.random.default_rng(0)
    for name in STRATEGIES:
        gains_S = np.array([one[name] - one["random"] for one in found])
        means = rng.choice(gains_S, (2_000, len(gains_S))).mean(axis=1)
        low, high = np.quantile(means, (0.025, 0.975))
        wrong = float(np.mean([one[name] for one in found]))
        print(json.dumps({"strategy": name, "wrong": round(wrong, 3), "low": round(low, 3), "high": round(high, 3)}))


if __name__ == "__main__":
    main()
