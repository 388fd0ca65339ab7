"""What a plan brings for its money, beside LLMs alone and people alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.assessment.report import markdown
from benchmarks.learners.labeled_sets import LabeledSet
from benchmarks.routing.worlds import TRAINED_ON, World, learned, loaded, worlds
from nextlabel.server.assessment.routing.allocation import allocate
from nextlabel.server.assessment.routing.cascades import PERSON, GoldAnswers, Prices, follow, prospects, routes
from nextlabel.server.assessment.routing.plans import plan

GOLD = 200
PERSON_MICRO_USD = 50_000.0
BUDGETS = (2.0, 10.0, 30.0, 60.0, 120.0)
"""Dollars of a plan, beside those that people's labels for training and gold have cost."""

STEPS = (100, 200, 400, 800, 1_600, 3_200)


COMPARED = (
    "accuracy",
    "LLMs alone, same $",
    "points more",
    "people label all, same accuracy, $",
    "part of it",
    "people and a learner, same accuracy, $",
    "part of it",
)
"""Columns that stand after what was spent."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one plan, in dollars of everything; whether its interval held the truth."""

    accuracy: float
    dollars: float
    llm_alone: float
    people_dollars: float
    people_only_dollars: float
    held: bool


def table(data: Path, cache: Path, seeds: int) -> str:
    """Return a row for each set and budget, the mean of the seeds."""
    found: defaultdict[tuple[str, float], list[Outcome]] = defaultdict(list)
    for seed in range(seeds):
        for world in worlds(data, cache, seed):
            labeled = loaded(data / world.name, cache)
            curve = people_curve(labeled, seed)
            for dollars in BUDGETS:
                found[world.name, dollars].append(_outcome(world, dollars, seed, curve))
    rows = []
    for (name, dollars), outcomes in found.items():
        mean = {part: float(np.mean([getattr(one, part) for one in outcomes])) for part in Outcome.__slots__}
        spent, money = mean["dollars"], (mean["llm_alone"], mean["people_only_dollars"], mean["people_dollars"])
        rows.append((name, dollars, f"{spent:.2f}", *compared(spent, mean["accuracy"], *money), mean["held"]))
    columns = ("set", "budget, $", "spent in all, $", *COMPARED, "interval held")
    shown: str = markdown(f"Routes for a budget, {seeds} seeds", columns, rows)
    return shown


def compared(dollars: float, accuracy: float, alone: float, people: float, taught: float) -> tuple[object, ...]:
    """Return the cells under `COMPARED`: LLMs alone for the same, and what people cost without and with a learner."""
    more = f"{100 * (accuracy - alone):+.1f}"
    return accuracy, alone, more, f"{people:.0f}", f"{dollars / people:.2f}", f"{taught:.0f}", f"{dollars / taught:.2f}"


def _outcome(world: World, dollars: float, seed: int, people: Callable[[float], float]) -> Outcome:
    rng = np.random.default_rng(seed)
    gold, pool = world.split(GOLD, rng)
    prices = Prices(world.prices, PERSON_MICRO_USD)
    expected = plan(gold, pool.sure_G, prices, dollars * 1e6)
    right_n, micro_usd = _carried_out(gold, pool, prices, dollars * 1e6, rng)
    accuracy = float(right_n.mean())
    known = (GOLD + TRAINED_ON) * PERSON_MICRO_USD / 1e6
    spent = micro_usd / 1e6 + known
    return Outcome(
        accuracy=accuracy,
        dollars=spent,
        llm_alone=llms_alone(pool, prices, spent * 1e6),
        people_dollars=people(accuracy),
        people_only_dollars=accuracy * len(right_n) * PERSON_MICRO_USD / 1e6,
        held=expected.accuracy.low <= accuracy <= expected.accuracy.high,
    )


def _carried_out(
    gold: GoldAnswers, pool: GoldAnswers, prices: Prices, budget: float, rng: np.random.Generator
) -> tuple[np.ndarray, float]:
    """Return which labels come out right when each item takes its route, and what that costs."""
    ways = routes(sorted(prices.annotators, key=prices.of))
    allocation = allocate(prospects(ways, gold, prices, pool.sure_G), np.ones(len(pool.sure_G)), budget)
    drawn_n = (rng.random(len(pool.sure_G)) > np.cumsum(allocation.share_KB, axis=0)).sum(axis=0)
    choice_n = np.minimum(drawn_n, len(ways) - 1)
    right_n, micro_usd = np.zeros(len(choice_n), np.bool_), 0.0
    for k, way in enumerate(ways):
        taken = choice_n == k
        found = follow(way, pool.subset(taken))
        right_n[taken] = found.right_G | found.by_person_G
        micro_usd += sum(prices.of(name) * int(asked.sum()) for name, asked in zip(way, found.asked_SG, strict=True))
    return right_n, micro_usd


def llms_alone(pool: GoldAnswers, prices: Prices, micro_usd: float) -> float:
    """Return the accuracy of the best mix of LLMs that the money buys, every item asked about once, at random."""
    names = sorted((n for n in prices.annotators if n != PERSON), key=prices.of)
    right = {name: float((pool.given[name] == pool.truth_G).mean()) for name in names}
    items = len(pool.truth_G)
    cheap, dear = names[0], names[-1]
    asked = min(1.0, micro_usd / (items * prices.of(cheap)))
    if cheap == dear or right[dear] < right[cheap]:
        return asked * right[cheap]
    left = micro_usd - items * prices.of(cheap)
    part = min(1.0, max(0.0, left / (items * (prices.of(dear) - prices.of(cheap)))))
    return asked * ((1 - part) * right[cheap] + part * right[dear])


def people_curve(labeled: LabeledSet, seed: int) -> Callable[[float], float]:
    """Return what people cost in dollars for an accuracy when the learner they taught labels the rest."""
    order = np.random.default_rng(seed).permutation(len(labeled.train_labels_N))
    sizes = [size for size in STEPS if size < len(order)] + [len(order)]
    accuracy = []
    for size in sizes:
        if size == len(order):
            accuracy.append(1.0)
            continue
        said = learned(labeled, order[:size], seed)[order[size:]].argmax(axis=1)
        right = float((said == labeled.train_labels_N[order[size:]]).mean())
        accuracy.append((size + right * (len(order) - size)) / len(order))
    rising = np.maximum.accumulate(accuracy)
    return lambda wanted: float(np.interp(wanted, rising, np.array(sizes) * PERSON_MICRO_USD / 1e6))
