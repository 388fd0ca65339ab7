"""How often ``nextlabel simulate`` says that one of two equal strategies is better: both draw at random.

    python -m benchmarks.strategies.false_verdicts DATA_DIR --sets sms_spam,uci_sentences,clinc10

Pairs of learning curves of the random strategy on the same pool, one pool a pair, are made once a set; then so many of
them as a simulation has seeds are drawn, again and again, and given to the comparison.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from benchmarks.strategies.default_sets import load_sets
from nextlabel.server.learners.specification import parse_learner_spec
from nextlabel.server.simulation.bootstrap import mean_interval
from nextlabel.server.simulation.cell import Cell, run_cell
from nextlabel.server.simulation.comparison import LEVEL, Standing, compare, verdict
from nextlabel.server.simulation.curves import Curves, normalised_aulc
from nextlabel.server.simulation.data.dataset import Dataset
from nextlabel.server.simulation.settings import BASELINE, Protocol
from nextlabel.server.simulation.sign_flips import sign_flip_p

BUDGET, BATCH = 60, 20
HALF = 0.5
FALSE = (Standing.BETTER, Standing.WORSE)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--sets", default="sms_spam,uci_sentences,clinc10")
    parser.add_argument("--pairs", type=int, default=200)
    parser.add_argument("--comparisons", type=int, default=1000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[5, 10, 20])
    parser.add_argument("--cache", type=Path, default=Path(".cache/benchmarks"))
    options = parser.parse_args()
    print("| set | seeds | interval and signs (in use) | signs alone | bootstrap over seeds alone |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for dataset, name in load_sets(options.data, options.cache):
        if name in options.sets.split(","):
            pairs = [pair_of_equals(dataset, seed) for seed in range(options.pairs)]
            for seeds in options.seeds:
                shares = false_shares(dataset, pairs, seeds, options.comparisons)
                print(f"| {name} | {seeds} | {' | '.join(f'{share:.3f}' for share in shares)} |", flush=True)


def pair_of_equals(dataset: Dataset, seed: int) -> tuple[Cell, Cell]:
    """Two cells of the random strategy with seeds of their own on one pool."""
    learner = parse_learner_spec("logistic_regression", {})
    whole = Protocol(BATCH, BUDGET, 0, 0.0, learner, pool_share=1.0)
    pool = dataset.drawn(min(2000, round(0.8 * len(dataset))), seed)
    first, second = (run_cell(pool, whole, BASELINE, 2 * seed + which) for which in (0, 1))
    return first, second


def false_shares(
    dataset: Dataset, pairs: list[tuple[Cell, Cell]], seeds: int, comparisons: int
) -> tuple[float, float, float]:
    """Shares of comparisons that find a difference: as `simulate` judges, by signs alone, by the interval alone."""
    rng = np.random.default_rng(seeds)
    counts = np.zeros(3)
    for _ in range(comparisons):
        # Which of a pair is called random is drawn anew, so that the pairs at hand favour neither.
        drawn = (pairs[at] for at in rng.choice(len(pairs), seeds, replace=False))
        chosen = [pair if rng.random() < HALF else pair[::-1] for pair in drawn]
        one, other = (Curves.of([pair[which] for pair in chosen], dataset.test_labels_M) for which in (0, 1))
        summary = compare({BASELINE: one, "other": other}, 1.0)[1]
        differences_S = normalised_aulc(one.labels_P, other.accuracy_SP - one.accuracy_SP)
        p = sign_flip_p(differences_S)
        counts += (
            verdict(summary.aulc_accuracy_vs_random, p, max(seeds, 10)) in FALSE,
            p <= LEVEL,
            _over_seeds_alone(differences_S),
        )
    in_use, signs, interval = (float(share) for share in counts / comparisons)
    return in_use, signs, interval


def _over_seeds_alone(differences_S: np.ndarray) -> bool:
    found = mean_interval(differences_S)
    return found.low is not None and found.high is not None and (found.low > 0 or found.high < 0)


if __name__ == "__main__":
    main()
