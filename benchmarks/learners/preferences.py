"""The preference learner, what it is asked next, and how texts rank by noisy answers, with error bars.

    pip download --no-deps --no-binary :all: vaderSentiment==3.3.2   # then unpack it, and hutto_ICWSM_2014.tar.gz in it
    pip install choix==0.4.1
    python -m benchmarks.learners.preferences hutto_ICWSM_2014 --seeds 10

Pairs are drawn from the texts of the sets of `scores.py`; the text that people scored higher is the better one, and
texts whose scores differ by less than half a point are a tie. First strategies against random picks: the log loss and
the share of decided test pairs of which the better text is found, their means over all sizes of the labeled set.
Every seed draws another pool of 2,000 pairs, and tests on 2,000 pairs of other texts. Then rankings of 300 texts by
three annotators who give another answer than the true one in 10, 20 and 30 % of the cases: what `report --ranking
--by-learner` makes of n answers about pairs that the server makes of the texts and the default strategy picks, beside
Bradley-Terry of choix on three times as many about random pairs, and how many of its intervals hold. The tables are
printed and, with ``--document FILE``, written between the table markers of that file.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr, ttest_1samp

from benchmarks.learners.scores import Scored, load
from benchmarks.strategies.evidence_tables import write_table
from nextlabel.server.assessment.ranking.comparisons import Comparisons
from nextlabel.server.assessment.ranking.davidson import FIRST, SECOND, TIE
from nextlabel.server.assessment.ranking.rewards import Ranking, rank
from nextlabel.server.domain.learning.types.preferences import PreferenceLearner
from nextlabel.server.domain.pool.pair_making import OPEN_PAIRS, in_order
from nextlabel.server.domain.selection.context import selection_context
from nextlabel.server.learners.preferences.evaluation import evaluate_preferences
from nextlabel.server.learners.preferences.learner import train_preferences
from nextlabel.server.learners.preferences.model import PreferenceModel
from nextlabel.server.learners.preferences.training import PreferenceTraining
from nextlabel.server.learners.specification import parse_learner_spec
from nextlabel.strategies import ArrayPool, UnmetNeedError, get_strategy

PAIRS, TIED_BELOW = 2_000, 0.5
BATCH, LAST = 20, 200
STRATEGIES = ("random", "default")
RANKED, WRONG = 300, (0.1, 0.2, 0.3)
ASKED = (100, 200, 400)
DEFAULT = parse_learner_spec("default", {})

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Pairs of texts with the true answer about each; ``texts_N2`` are the rows of both texts in their set."""

    texts_N2: Ints
    embeddings_ND: NDArray[np.float32]
    answers_N: Ints

    def first(self, count: int) -> Pairs:
        """Return the first of them."""
        return Pairs(self.texts_N2[:count], self.embeddings_ND[:count], self.answers_N[:count])


def drawn(data: Scored, texts: Ints, count: int, seed: int) -> Pairs:
    """Draw pairs of different ones of these texts."""
    rng = np.random.default_rng(seed)
    first = rng.integers(0, len(texts), count)
    second = (first + rng.integers(1, len(texts), count)) % len(texts)
    return paired(data, texts[np.stack([first, second], axis=1)])


def made(data: Scored, texts: Ints, count: int) -> Pairs:
    """Return the pairs that the server makes of these texts first."""
    places = [pair for block in in_order(len(texts)) for pair in block][:count]
    return paired(data, texts[np.array(places)])


def paired(data: Scored, rows: Ints) -> Pairs:
    """Return pairs by the rows of their texts, (N, 2)."""
    difference = data.scores_N[rows[:, 0]] - data.scores_N[rows[:, 1]]
    answers = np.where(np.abs(difference) < TIED_BELOW, TIE, np.where(difference > 0, FIRST, SECOND))
    both = (data.embeddings_ND[rows] * 0.5**0.5).astype(np.float16).astype(np.float32)
    return Pairs(rows, both.reshape(len(rows), -1), answers)


def training(pairs: Pairs, rows: Ints, answers: Ints) -> PreferenceTraining:
    """Return the answers of people about some pairs."""
    return PreferenceTraining(pairs.embeddings_ND[rows], answers, np.ones(len(rows), np.bool_))


def picked(strategy: str, pairs: Pairs, rows: Ints, answers: Ints, model: PreferenceModel | None, seed: int) -> Ints:
    """Return the pairs that a strategy asks about next."""
    chosen, left = get_strategy(strategy), np.setdiff1d(np.arange(len(pairs.answers_N)), rows)
    context = selection_context(chosen, PreferenceLearner(), model, training(pairs, rows, answers), seed)
    pool = ArrayPool(pairs.embeddings_ND[left], rows=left)
    try:
        return chosen.select(pool, BATCH, context).rows_k
    except UnmetNeedError:  # before the first labels, as the server does
        return get_strategy("random").select(pool, BATCH, context).rows_k


@dataclass(frozen=True, slots=True)
class Area:
    """What a strategy brings, after each size of the labeled set."""

    set: str
    strategy: str
    seed: int
    found: tuple[float, ...]
    log_loss: tuple[float, ...]
    error: float


def area(data: Scored, strategy: str, seed: int) -> Area:
    """Label batch after batch and measure after each."""
    texts = np.random.default_rng(seed).permutation(len(data.scores_N))
    pool = drawn(data, texts[: len(texts) // 2], PAIRS, seed)
    test = drawn(data, texts[len(texts) // 2 :], PAIRS, seed + 1_000)
    rows = np.empty(0, np.int64)
    model: PreferenceModel | None = None
    found = []
    while len(rows) < LAST:
        asked = picked(strategy, pool, rows, pool.answers_N[rows], model, seed * 1_000 + len(rows))
        rows = np.concatenate([rows, asked])
        model = train_preferences(training(pool, rows, pool.answers_N[rows]), DEFAULT)
        measures = evaluate_preferences(model, test.embeddings_ND, test.answers_N).measures
        found.append((measures["decided_accuracy"], measures["log_loss"], measures["calibration_error"]))
    accuracies, losses, errors = zip(*found, strict=True)
    return Area(data.name, strategy, seed, accuracies, losses, float(np.mean(errors)))


def within(values: NDArray[np.float64], digits: int = 4) -> str:
    """Return the mean over seeds with its standard error."""
    return f"{values.mean():+.{digits}f} ± {values.std(ddof=1) / len(values) ** 0.5:.{digits}f}"


def saved(own: Sequence[Area], of_random: Sequence[Area]) -> str:
    """Return how many labels fewer a strategy needs for what random picks reach with all, with its standard error."""
    sizes = np.arange(BATCH, LAST + 1, BATCH)
    reached = np.mean([a.found for a in of_random], axis=0)[-1]
    needed = []
    for one, other in zip(own, of_random, strict=True):
        first, second = (
            next((n for n, value in zip(sizes, a.found, strict=True) if value >= reached), LAST + BATCH)
            for a in (one, other)
        )
        needed.append(second - first)
    return within(np.array(needed, np.float64), 0)


def compared(areas: Sequence[Area]) -> list[str]:
    """Return the table of areas; differences to random with the standard error over seeds and a paired t test."""
    lines = [
        (
            f"| set | strategy | better text found, mean of {BATCH} to {LAST} labels | beside random | p | "
            "labels saved | log loss | beside random | calibration error |"
        ),
        "| --- | --- | ---: | --- | ---: | --- | ---: | --- | ---: |",
    ]
    for name, strategy in product(dict.fromkeys(a.set for a in areas), STRATEGIES):
        own, of_random = ([a for a in areas if (a.set, a.strategy) == (name, s)] for s in (strategy, "random"))
        found, loss = (
            np.array([[np.mean(getattr(a, of)) for a in s] for s in (own, of_random)]) for of in ("found", "log_loss")
        )
        beside = ("", "", "", "")
        if strategy != "random" and len(own) > 1:
            gain = found[0] - found[1]
            beside = (
                within(gain),
                f"{ttest_1samp(gain, 0).pvalue:.3f}",
                saved(own, of_random),
                within(loss[0] - loss[1]),
            )
        error = np.mean([a.error for a in own])
        cells = (f"{found[0].mean():.4f}", *beside[:3], f"{loss[0].mean():.3f}", beside[3], f"{error:.3f}")
        lines.append(f"| {name} | {strategy} | {' | '.join(cells)} |")
    return lines


def said(answers: Ints, annotators: Ints, seed: int) -> Ints:
    """Return what annotators answer, each another answer than the true one as often as it errs."""
    rng = np.random.default_rng(seed)
    wrong = rng.random(len(answers)) < np.array(WRONG)[annotators]
    return np.where(wrong, (answers + rng.integers(1, 3, len(answers))) % 3, answers)


@dataclass(frozen=True, slots=True)
class Ranked:
    """Rank correlations of a set of texts with their true scores."""

    set: str
    seed: int
    asked: int
    active: float
    around_learner: float
    without: float
    random: float
    random_thrice: float
    peer: float
    covered: float
    covered_around_learner: float


def covered(found: Ranking, true: NDArray[np.float64]) -> float:
    """Return how many 95 % intervals hold the true score, brought to the scale of rewards by least squares."""
    slope, level = np.polyfit(found.reward_T, true, 1)
    off = true - level - slope * found.reward_T
    return float(np.mean(np.abs(off) < 1.96 * abs(slope) * found.error_T))


def ranked(data: Scored, seed: int) -> list[Ranked]:
    """Rank texts by some answers that a strategy picks, and by three times as many random ones."""
    import choix

    texts = np.random.default_rng(seed).permutation(len(data.scores_N))[:RANKED]
    pairs = made(data, texts, 20 * RANKED)
    place = {row: i for i, row in enumerate(texts.tolist())}
    places = np.vectorize(place.__getitem__)(pairs.texts_N2)
    annotators = np.arange(len(pairs.answers_N)) % len(WRONG)
    answers = said(pairs.answers_N, annotators, seed)
    true = data.scores_N[texts]
    embeddings = (data.embeddings_ND[texts] * 0.5**0.5).astype(np.float32)

    def correlation(rewards: NDArray[np.float64]) -> float:
        return float(spearmanr(rewards, true).statistic)

    def comparisons(rows: Ints) -> Comparisons:
        return Comparisons(places[rows, 0], places[rows, 1], answers[rows], annotators[rows], RANKED, len(WRONG))

    def reported(rows: Ints, model: PreferenceModel) -> Ranking:
        wide = embeddings.astype(np.float64)
        return rank(comparisons(rows), wide @ model.coef_D, wide)

    def around_learner(rows: Ints, model: PreferenceModel) -> Ranking:
        return rank(comparisons(rows), embeddings @ model.coef_D.astype(np.float64))

    found = []
    rows = np.empty(0, np.int64)
    model: PreferenceModel | None = None
    at_random = np.random.default_rng(seed + 500).permutation(len(answers))
    while len(rows) < ASKED[-1]:
        there = pairs.first(OPEN_PAIRS + len(rows))
        rows = np.concatenate([rows, picked("default", there, rows, answers[rows], model, seed * 1_000 + len(rows))])
        model = train_preferences(training(pairs, rows, answers[rows]), DEFAULT)
        if len(rows) not in ASKED:
            continue
        thrice, once = at_random[: 3 * len(rows)], at_random[: len(rows)]
        won = [(places[r, 0], places[r, 1]) for r in thrice if answers[r] == FIRST]
        won += [(places[r, 1], places[r, 0]) for r in thrice if answers[r] == SECOND]
        peer = choix.opt_pairwise(RANKED, won, alpha=0.1)
        plain = train_preferences(training(pairs, once, answers[once]), DEFAULT)
        much = train_preferences(training(pairs, thrice, answers[thrice]), DEFAULT)
        own, around = reported(rows, model), around_learner(rows, model)
        found.append(
            Ranked(
                data.name,
                seed,
                len(rows),
                correlation(own.reward_T),
                correlation(around.reward_T),
                correlation(rank(comparisons(rows)).reward_T),
                correlation(reported(once, plain).reward_T),
                correlation(reported(thrice, much).reward_T),
                correlation(peer),
                covered(own, true),
                covered(around, true),
            )
        )
    return found


def rankings(found: Sequence[Ranked]) -> list[str]:
    """Return the table of rank correlations."""
    lines = [
        (
            "| set | answers n | ranking, n picked | around the learner alone | by answers alone | n at random | "
            "3n at random | choix, 3n at random | ahead of the learner alone | ahead of choix | "
            "intervals that hold | around the learner alone |"
        ),
        f"| --- |{' ---: |' * 7} --- | --- | ---: | ---: |",
    ]
    for name, asked in product(dict.fromkeys(r.set for r in found), ASKED):
        own = [r for r in found if (r.set, r.asked) == (name, asked)]
        means = [
            f"{np.mean([getattr(r, of) for r in own]):.3f}"
            for of in ("active", "around_learner", "without", "random", "random_thrice", "peer")
        ]
        ahead = [within(np.array([r.active - getattr(r, of) for r in own]), 3) for of in ("around_learner", "peer")]
        held = [f"{np.mean([getattr(r, of) for r in own]):.0%}" for of in ("covered", "covered_around_learner")]
        lines.append(f"| {name} | {asked} | {' | '.join([*means, *ahead, *held])} |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--cache", type=Path, default=Path("build/embeddings"))
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--only", choices=("strategies", "rankings"), help="make one of the two tables")
    parser.add_argument("--document", type=Path)
    options = parser.parse_args()
    sets = [load(path, options.cache) for path in sorted(options.data.glob("*_GroundTruth.txt"))]
    seeds = range(options.seeds)
    tables = []
    if options.only != "rankings":
        areas = []
        for seed, data, strategy in product(seeds, sets, STRATEGIES):
            areas.append(area(data, strategy, seed))
            last = areas[-1]
            print(last.set, last.strategy, last.seed, np.mean(last.found), np.mean(last.log_loss), flush=True)
        tables.append("\n".join(compared(areas)))
    if options.only != "strategies":
        order = []
        for seed, data in product(seeds, sets):
            order += ranked(data, seed)
            print(*order[-len(ASKED) :], sep="\n", flush=True)
        tables.append("\n".join(rankings(order)))
    text = "\n\n".join(tables)
    print(text)
    if options.document:
        write_table(options.document, text)


if __name__ == "__main__":
    main()
