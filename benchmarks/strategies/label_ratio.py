"""How many labels the default strategy and learner need for what random labels and plain logistic regression reach.

    python -m benchmarks.strategies.label_ratio DATA_DIR --document docs/evidence/label_ratio.md

The ratio at n is the number of labels at which the default strategy with the default learner has the mean score that
balanced logistic regression has on n random labels, over n; a set's ratio is its mean over n = 60, 100 … 300. Each seed
has a pool of at most 1,500 and, on sets with few test items, a test part of its own (`default_sets.py`). The default
begins with nothing and is trained at 10, 20, 30, 40, 60, 80, 100, 140, 200 and 300 labels; its mean curve is made
non-decreasing by least squares and read linearly between these. It ends where it has been above all that it is compared
with for two rounds; a score that it does not reach counts as all labels bought. The learner knows the names of the
classes where these are words. Intervals are bootstrapped over seeds: both curves are averaged and read anew each time.

The sets are those of `default_sets.py`. Finished sets are kept in the folder `--results`, a file each: the command may
be cut off and given again, and processes with other `--sets` may run beside each other; the command without `--sets`
then writes the table of them all.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.isotonic import isotonic_regression
from sklearn.metrics import f1_score

from benchmarks.strategies.default_sets import TUNED_ON, load_sets, split_of
from benchmarks.strategies.evidence_tables import write_table
from nextlabel.server.domain.learning.described import words
from nextlabel.server.domain.learning.types.single_label import SingleLabelLearner
from nextlabel.server.domain.selection.context import selection_context
from nextlabel.server.learners.candidates.linear import TrainedHead
from nextlabel.server.learners.candidates.logistic import LogisticSettings, fit_logistic
from nextlabel.server.learners.embedding.embedder import Embedder
from nextlabel.server.learners.model import Model
from nextlabel.server.learners.single_label.learner import train
from nextlabel.server.learners.specification import parse_learner_spec
from nextlabel.server.learners.training import DescribedClasses, TrainingSet
from nextlabel.server.simulation.bootstrap import Interval, interval, resample_weights
from nextlabel.server.simulation.curves import labels_to_reach
from nextlabel.server.simulation.data.dataset import Dataset
from nextlabel.server.simulation.reporting.report import format_interval
from nextlabel.strategies import ArrayPool, get_strategy

POOL = 1500
TARGETS = range(60, 301, 40)
TRAINED_AT = (10, 20, 30, 40, 60, 80, 100, 140, 200, 300)
RESAMPLES = 2000
RANDOM_DRAWS = 3  # a seed, so that what is compared with is smoother than what is measured

Int64 = NDArray[np.int64]
Float64 = NDArray[np.float64]
Scores = tuple[float, float]


@dataclass(frozen=True, slots=True, eq=False)
class Curves:
    """Scores at increasing numbers of labels, of accuracy and of macro-F1, (S seeds, P points, 2)."""

    labels: Sequence[int]
    scores_SP2: Float64

    def resampled(self, weights_BS: Float64, measure: int) -> Float64:
        """Mean curves of one measure, seeds weighed as given, (B, P)."""
        return np.asarray(weights_BS @ self.scores_SP2[:, :, measure])


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """The curves of a set, seed by seed: of random labels and plain regression, and of the default."""

    set: str
    plain: Curves
    default: Curves

    @property
    def seeds(self) -> int:
        """How many seeds both curves have."""
        return len(self.plain.scores_SP2)

    def ratios(self, measure: int) -> Ratios:
        """The ratios of one measure."""
        every_seed = np.full((1, self.seeds), 1 / self.seeds)
        of_mean, missed = self._ratios(every_seed, measure)
        resampled_BN, _ = self._ratios(resample_weights(self.seeds)[:RESAMPLES], measure)
        whole = interval(float(of_mean.mean()), resampled_BN.mean(axis=1), self.seeds)
        return Ratios(of_mean[0], whole, missed)

    def _ratios(self, weights_BS: Float64, measure: int) -> tuple[Float64, int]:
        goals_BN = self.plain.resampled(weights_BS, measure)
        rising_BP = np.array([isotonic_regression(curve) for curve in self.default.resampled(weights_BS, measure)])
        labels = np.array(self.default.labels)
        needed_BN = np.stack([labels_to_reach(labels, rising_BP, goal_B) for goal_B in goals_BN.T], axis=1)
        missed = int(np.isinf(needed_BN).sum())
        return np.minimum(needed_BN, labels[-1]) / np.array(self.plain.labels), missed


@dataclass(frozen=True, slots=True, eq=False)
class Ratios:
    """The ratio at each n that the pool allows, their mean, and how many are what was bought without reaching it."""

    ratios_N: Float64
    mean: Interval
    missed: int


class Labeling:
    """The default strategy and learner on the pool of one seed."""

    def __init__(self, data: Dataset, described: DescribedClasses | None, seed: int) -> None:
        self._data, self._described, self._seed = data, described, seed
        self._labeled: Int64 = np.empty(0, np.int64)
        self._model: Model | None = None

    def buy(self, count: int) -> Scores:
        """Label so many more items, train, and return how good the learner is on the test part."""
        left = np.setdiff1d(np.arange(len(self._data)), self._labeled)
        ids = [self._data.item_ids[row] for row in left]
        pool = ArrayPool(self._data.pool_embeddings_ND[left], rows=left, item_ids=ids)
        strategy = get_strategy("default")
        seed = int(np.random.SeedSequence([self._seed, len(self._labeled)]).generate_state(1)[0])
        context = selection_context(strategy, SingleLabelLearner(), self._model, self._training(), seed)
        self._labeled = np.append(self._labeled, strategy.select(pool, count, context).rows_k)
        spec = parse_learner_spec("default", {})
        self._model = train(self._training(), self._data.pool_embeddings_ND, spec, self._seed, self._model)
        assert self._model.linear is not None
        return scores(self._model.linear, self._data)

    def _training(self) -> TrainingSet:
        n = len(self._labeled)
        return TrainingSet(
            self._data.pool_embeddings_ND[self._labeled],
            self._data.pool_labels_N[self._labeled],
            np.ones(n, np.bool_),
            np.ones(n, np.float32),
            None,
            self._data.classes,
            self._described,
        )


def default_curves(pools: Sequence[Dataset], described: DescribedClasses | None, goal: Float64) -> Curves:
    """The default on every pool, round by round, until its mean is above the goal twice."""
    seeds = [Labeling(data, described, seed) for seed, data in enumerate(pools)]
    labels: list[int] = []
    found: list[list[Scores]] = []
    for bought in TRAINED_AT:
        if bought > 0.9 * len(pools[0]):
            break
        count = bought - (labels[-1] if labels else 0)
        labels.append(bought)
        found.append([seed.buy(count) for seed in seeds])
        means = np.mean(found, axis=1)
        print(bought, *means[-1], flush=True)
        if len(found) > 1 and np.all(means[-2:] > goal):
            break
    return Curves(labels, np.array(found).swapaxes(0, 1))


def plain_curves(pools: Sequence[Dataset]) -> Curves:
    """Balanced logistic regression on random labels, up to four fifths of the pool; each seed's mean over its draws."""
    targets = [n for n in TARGETS if n <= 0.8 * len(pools[0])]
    return Curves(targets, np.array([_plain_curve(data, seed, targets) for seed, data in enumerate(pools)]))


def _plain_curve(data: Dataset, seed: int, targets: Sequence[int]) -> Float64:
    orders = [np.random.default_rng([seed, draw]).permutation(len(data)) for draw in range(RANDOM_DRAWS)]
    return np.array([np.mean([_plain(data, order[:n]) for order in orders], axis=0) for n in targets])


def _plain(data: Dataset, rows: Int64) -> Scores:
    settings = LogisticSettings(len(data.classes))
    weights = np.ones(len(rows), np.float32)
    return scores(fit_logistic(data.pool_embeddings_ND[rows], data.pool_labels_N[rows], weights, settings), data)


def scores(head: TrainedHead, data: Dataset) -> Scores:
    """Accuracy and macro-F1 on the test part."""
    predicted = head.logits(data.test_embeddings_MD).argmax(axis=1)
    macro_f1 = f1_score(data.test_labels_M, predicted, average="macro", zero_division=0)
    return float((predicted == data.test_labels_M).mean()), float(macro_f1)


def described_by_names(classes: Sequence[str], embedder: Embedder) -> DescribedClasses | None:
    """The names of the classes as a project has them; None where they are numbers."""
    if any(name.isdecimal() for name in classes):
        return None
    names_CD = np.asarray(embedder.embed([words(name) for name in classes]), np.float32)
    return DescribedClasses(names_CD, np.arange(len(classes)), np.ones(len(classes), np.float32))


def measured(data: Dataset, name: str, seeds: int, embedder: Embedder) -> Found:
    """Both curves of a set."""
    pools = [split_of(data, seed, POOL).dataset for seed in range(seeds)]
    plain = plain_curves(pools)
    goal = plain.scores_SP2.mean(axis=0).max(axis=0)
    return Found(name, plain, default_curves(pools, described_by_names(data.classes, embedder), goal))


def table(found: Sequence[Found]) -> Iterator[str]:
    """A row a set, then the means; * marks a mean with scores that were not reached, which is too low."""
    shown = (60, 100, 180, 300)
    yield f"| set | tuned on | seeds | {' | '.join(map(str, shown))} | accuracy | macro-F1 |"
    yield f"| --- | --- | ---: |{' ---: |' * (len(shown) + 2)}"
    means = []
    for one in found:
        accuracy, macro_f1 = one.ratios(0), one.ratios(1)
        at = dict(zip(one.plain.labels, accuracy.ratios_N, strict=True))
        cells = [f"{at[n]:.2f}" if n in at else "" for n in shown]
        means.append((accuracy.mean.mean, macro_f1.mean.mean))
        both = " | ".join(
            f"{format_interval(ratios.mean, digits=2)}{'*' * (ratios.missed > 0)}" for ratios in (accuracy, macro_f1)
        )
        yield f"| {one.set} | {'yes' if one.set in TUNED_ON else 'no'} | {one.seeds} | {' | '.join(cells)} | {both} |"
    for which, kept in (("tuned on", True), ("never tuned on", False)):
        rows = [mean for mean, one in zip(means, found, strict=True) if (one.set in TUNED_ON) == kept]
        if rows:
            accuracy, macro_f1 = np.mean(rows, axis=0)
            yield f"| **mean, {which}** | | |{' |' * len(shown)} **{accuracy:.2f}** | **{macro_f1:.2f}** |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--document", type=Path, help="Markdown file with table markers to write the table into")
    parser.add_argument("--sets", default="", help="names with commas between; all by default")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--cache", type=Path, default=Path(".cache/benchmarks"))
    parser.add_argument("--results", type=Path, default=Path(".cache/benchmarks/label_ratio"))
    options = parser.parse_args()
    embedder = Embedder()
    found = [
        _kept(options.results, data, name, options.seeds, embedder)
        for data, name in load_sets(options.data, options.cache)
        if not options.sets or name in options.sets.split(",")
    ]
    summary = "\n".join(table(sorted(found, key=lambda one: (one.set not in TUNED_ON, one.set))))
    print(summary)
    if options.document:
        write_table(options.document, summary)


def _kept(folder: Path, data: Dataset, name: str, seeds: int, embedder: Embedder) -> Found:
    file = folder / f"{name}.{seeds}.json"
    if not file.exists():
        found = measured(data, name, seeds, embedder)
        folder.mkdir(parents=True, exist_ok=True)
        curves = {"plain": found.plain, "default": found.default}
        file.write_text(json.dumps({part: [one.labels, one.scores_SP2.tolist()] for part, one in curves.items()}))
    read = json.loads(file.read_text(encoding="utf-8"))
    plain, default = (Curves(labels, np.array(scores_SP2)) for labels, scores_SP2 in (read["plain"], read["default"]))
    return Found(name, plain, default)


if __name__ == "__main__":
    main()
