"""The score learner and what it is asked next, with error bars.

    pip download --no-deps --no-binary :all: vaderSentiment==3.3.2   # then unpack it, and hutto_ICWSM_2014.tar.gz in it
    python -m benchmarks.learners.scores hutto_ICWSM_2014 --seeds 10 --document docs/evidence/scores.md

The four sets of Hutto and Gilbert (2014), in files named ``*_GroundTruth.txt``, hold texts with the mean of twenty
people's sentiment scores from -4 to 4. First the learner on random labels against the mean score and against a ridge
regression with scikit-learn's penalty. Then strategies against random picks: the root mean squared error, its mean over
all sizes of the labeled set. Every seed draws another pool of 2,000 texts and tests on the others. The tables are
printed and, with ``--document``, written between the table markers of that file.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr, ttest_1samp
from sklearn.linear_model import Ridge

from benchmarks.learners.strategy_runs import add_options, run_strategies, seeds_of
from benchmarks.strategies.evidence_tables import write_table
from nextlabel.server.domain.learning.types.scores import ScoreLearner
from nextlabel.server.domain.selection.context import selection_context
from nextlabel.server.learners.scores.evaluation import evaluate_scores
from nextlabel.server.learners.scores.learner import train_scores
from nextlabel.server.learners.scores.model import ScoreModel
from nextlabel.server.learners.scores.training import ScoreTraining
from nextlabel.server.learners.specification import parse_learner_spec
from nextlabel.server.values.projects.score_range import ScoreRange
from nextlabel.strategies import ArrayPool, UnmetNeedError, get_strategy

ALLOWED = ScoreRange(-4, 4)
MOST_TEXTS, POOL = 4_000, 2_000
SIZES = (20, 100, 300)
BATCH, LAST = 20, 200
STRATEGIES = (
    *("random", "default", "max_herding", "typiclust", "kmeans", "badge", "margin", "bald", "k_center", "igs"),
    *("committee_variance", "expected_model_change", "d_optimal", "bait"),
)
DEFAULT = parse_learner_spec("default", {})


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """Embedded texts of a set with their scores."""

    name: str
    embeddings_ND: NDArray[np.float32]
    scores_N: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Area:
    """Means over all sizes of the labeled set, with what was picked by a strategy."""

    set: str
    strategy: str
    seed: int
    error: float
    correlation: float


def load(path: Path, cache: Path) -> Scored:
    """Read a set, each text once; its embeddings are made once and kept in ``cache``."""
    rows = (line.split("\t") for line in path.read_text(errors="replace").splitlines())
    by_text = {text: float(score) for _, score, text in rows}
    name = path.name.removesuffix("_GroundTruth.txt")
    chosen = np.random.default_rng(0).permutation(len(by_text))[:MOST_TEXTS]
    texts = [list(by_text)[i] for i in chosen.tolist()]
    ready = cache / f"scores.{name}.npy"
    if not ready.exists():
        from nextlabel.server.learners.embedding.embedder import Embedder

        ready.parent.mkdir(parents=True, exist_ok=True)
        np.save(ready, Embedder().embed(texts))
    return Scored(name, np.asarray(np.load(ready), np.float32), np.array([by_text[text] for text in texts]))


def training(data: Scored, rows: NDArray[np.int64]) -> ScoreTraining:
    """Return the scores of some rows, by people."""
    return ScoreTraining(data.embeddings_ND[rows], data.scores_N[rows], np.ones(len(rows), np.bool_), ALLOWED)


def parts(data: Scored, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the rows of the pool and those of the test."""
    rows = np.random.default_rng(seed).permutation(len(data.scores_N))
    return rows[:POOL], rows[POOL:]


def learned(data: Scored, seeds: Sequence[int]) -> list[str]:
    """Compare learners on the same random labels."""
    lines = []
    for labels in SIZES:
        found: dict[str, list[tuple[float, ...]]] = {"mean score": [], "ridge, penalty 1": [], "default": []}
        for seed in seeds:
            pool, test = parts(data, seed)
            rows, true = pool[:labels], data.scores_N[test]
            peer = Ridge(1.0).fit(data.embeddings_ND[rows], data.scores_N[rows])
            of_peer = np.clip(peer.predict(data.embeddings_ND[test]), ALLOWED.minimum, ALLOWED.maximum)
            constant = np.full(len(test), data.scores_N[rows].mean())
            found["mean score"].append((np.abs(constant - true).mean(), np.nan, np.nan, np.nan))
            rank = spearmanr(of_peer, true).statistic
            found["ridge, penalty 1"].append((np.abs(of_peer - true).mean(), rank, np.nan, np.nan))
            measures = evaluate_scores(
                train_scores(training(data, rows), DEFAULT), data.embeddings_ND[test], true
            ).measures
            names = ("mean_absolute_error", "spearman", "interval_coverage", "interval_width")
            found["default"].append(tuple(measures.get(name, np.nan) for name in names))
        for name, figures in found.items():
            shown = ["" if np.isnan(value) else f"{value:.3f}" for value in np.mean(figures, axis=0)]
            lines.append(f"| {data.name} | {labels} | {name} | {' | '.join(shown)} |")
    return lines


def area(data: Scored, strategy: str, seed: int) -> Area:
    """Label batch after batch and measure after each."""
    learner, chosen = ScoreLearner(), get_strategy(strategy)
    pool, test = parts(data, seed)
    rows = np.empty(0, np.int64)
    model: ScoreModel | None = None
    found = []
    while len(rows) < LAST:
        left = np.setdiff1d(pool, rows)
        candidates = ArrayPool(data.embeddings_ND[left], rows=left)
        context = selection_context(chosen, learner, model, training(data, rows), seed * 1_000 + len(rows))
        try:
            picked = chosen.select(candidates, BATCH, context).rows_k
        except UnmetNeedError:  # before the first labels, as the server does
            picked = get_strategy("random").select(candidates, BATCH, context).rows_k
        rows = np.concatenate([rows, picked])
        model = train_scores(training(data, rows), DEFAULT)
        measures = evaluate_scores(model, data.embeddings_ND[test], data.scores_N[test]).measures
        found.append((measures["root_mean_squared_error"], measures.get("spearman", 0.0)))
    error, correlation = np.mean(found, axis=0).tolist()
    return Area(data.name, strategy, seed, error, correlation)


def compared(areas: Sequence[Area]) -> list[str]:
    """Return the table of areas; differences to random with the standard error over seeds and a paired t test."""
    lines = [
        f"| set | strategy | seeds | RMSE, mean of {BATCH} to {LAST} labels | beside random | p | rank correlation |",
        "| --- | --- | ---: | ---: | --- | ---: | ---: |",
    ]
    of = {(a.set, a.strategy, a.seed): a for a in areas}
    for name, strategy in dict.fromkeys((a.set, a.strategy) for a in areas):
        own = [a for a in areas if (a.set, a.strategy) == (name, strategy)]
        gain = np.array([a.error - of[name, "random", a.seed].error for a in own])
        beside = " | "
        if strategy != "random" and len(gain) > 1:
            error = gain.std(ddof=1) / len(gain) ** 0.5
            beside = f"{gain.mean():+.3f} ± {error:.3f} | {ttest_1samp(gain, 0).pvalue:.3f}"
        rmse, correlation = np.mean([(a.error, a.correlation) for a in own], axis=0)
        lines.append(f"| {name} | {strategy} | {len(own)} | {rmse:.3f} | {beside} | {correlation:.3f} |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", type=Path)
    add_options(parser, STRATEGIES, seeds=10)
    options = parser.parse_args()
    sets = [load(path, options.cache) for path in sorted(options.data.glob("*_GroundTruth.txt"))]
    tables = []
    if options.only != "strategies":
        lines = [
            "| set | labels | learner | mean absolute error | rank correlation | in the 95 % interval | its width |",
            "| --- | ---: | --- | ---: | ---: | ---: | ---: |",
            *(line for data in sets for line in learned(data, seeds_of(options))),
        ]
        tables.append("\n".join(lines))
        print(tables[-1], flush=True)
    if options.only != "learner":
        tables.append("\n".join(compared(run_strategies(options, sets, area))))
    text = "\n\n".join(tables)
    print(text)
    if options.document:
        write_table(options.document, text)


if __name__ == "__main__":
    main()
