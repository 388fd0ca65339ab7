"""What to ask of whom for a budget, and what that is expected to bring, beside asking LLMs or people alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nextlabel.server.assessment.estimates.effective import share_estimate
from nextlabel.server.assessment.intervals import Estimate
from nextlabel.server.assessment.routing.allocation import allocate
from nextlabel.server.assessment.routing.cascades import (
    Floats,
    GoldAnswers,
    Places,
    Prices,
    Prospects,
    Route,
    follow,
    prospects,
    routes,
)

MOST_ANNOTATORS = 4
FEWEST_GOLD = 50
"""Gold items that everybody has answered, below which no plan is made."""

_BINS = 400
_FOLDS = 10


@dataclass(frozen=True, slots=True)
class PlanStep:
    """Items that take one route, those of which the learner is ``lowest`` to ``highest`` sure.

    ``accuracy`` and ``micro_usd`` are expected. Where steps overlap in confidence, they share the items out.
    """

    route: Route
    items: int
    lowest: float
    highest: float
    accuracy: float
    micro_usd: float


@dataclass(frozen=True, slots=True)
class LlmAlone:
    """One LLM asked about as many items as the same money buys, drawn at random; the learner labels the others."""

    annotator: str
    items: int
    accuracy: float


@dataclass(frozen=True, slots=True, eq=False)
class RoutePlan:
    """Steps from the learner on, and what all labels together are expected to be worth and to cost.

    ``accuracy`` has a 95 % interval for one look. ``learner_accuracy`` is that of asking nobody. ``people_micro_usd``
    is what people alone cost for the same accuracy, asked at random while the learner labels the rest; None where they
    are not to be asked, or not as accurate. The items take the routes of ``ways`` that ``taken_N`` gives the places of.
    """

    steps: Sequence[PlanStep]
    items: int
    accuracy: Estimate
    micro_usd: float
    learner_accuracy: float
    llm_alone: LlmAlone | None
    people_micro_usd: float | None
    ways: Sequence[Route]
    taken_N: Places


def plan(gold: GoldAnswers, sure_N: npt.ArrayLike, prices: Prices, budget: float) -> RoutePlan:
    """Plan who labels N items for a budget of micro-dollars.

    ``sure_N`` are the learner's confidences in (0, 1), to which no gold was fitted; gold is a random sample of the same
    kind of items.

    Raises:
        ValueError: no items, or fewer gold items than `FEWEST_GOLD`.
    """
    sure = np.asarray(sure_N, np.float64)
    if not len(sure) or len(gold.truth_G) < FEWEST_GOLD:
        raise ValueError(f"{len(sure)} items with {len(gold.truth_G)} gold items; at least 1 and {FEWEST_GOLD} needed")
    by_price = sorted(prices.annotators, key=lambda name: (prices.annotators[name], name))
    ways = routes(by_price, people=prices.person is not None)
    bins = _Bins.of(sure)
    found = prospects(ways, gold, prices, bins.mean_B)
    allocation = allocate(found, bins.items_B, budget)
    items_KB = allocation.share_KB * bins.items_B
    right = float((items_KB * found.right_KB).sum())
    # Shares spend the whole budget; a rounding error is no promise of more.
    cost = min(float((items_KB * found.cost_KB).sum()), budget)
    errors_G = _errors(ways, gold, prices, bins, budget)
    value = min(max(right / len(sure) + float(errors_G.mean()), 0.0), 1.0)
    count = len(errors_G)
    accuracy = share_estimate(value, float(errors_G.var(ddof=1)) / count, count, count, count - 1)
    learner = float(bins.items_B @ found.right_KB[0]) / len(sure)
    steps = [_step(way, items_KB[k], found, k, bins) for k, way in enumerate(ways) if round(items_KB[k].sum())]
    return RoutePlan(
        steps=sorted(steps, key=lambda step: -step.highest),
        items=len(sure),
        accuracy=accuracy,
        micro_usd=cost,
        learner_accuracy=learner,
        llm_alone=_llm_alone(ways, found, bins, prices, cost),
        people_micro_usd=_people(right / len(sure), learner, prices, len(sure)),
        ways=ways,
        taken_N=_taken(sure, bins, allocation.share_KB),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Bins:
    """Items with nearly the same confidence taken together: B bins, ascending."""

    items_B: Floats
    mean_B: Floats
    lowest_B: Floats
    highest_B: Floats

    @classmethod
    def of(cls, sure_N: Floats) -> _Bins:
        """Return bins of about equally many items."""
        ordered_N = np.sort(sure_N)
        starts = np.unique(np.linspace(0, len(ordered_N), min(_BINS, len(ordered_N)), endpoint=False).astype(np.int64))
        items_B = np.diff(np.append(starts, len(ordered_N))).astype(np.float64)
        ends = np.append(starts[1:], len(ordered_N)) - 1
        return cls(items_B, np.add.reduceat(ordered_N, starts) / items_B, ordered_N[starts], ordered_N[ends])


def _taken(sure_N: Floats, bins: _Bins, share_KB: Floats) -> Places:
    """Return the place of the route of each item. Those of a bin are shared out in the order of their confidence."""
    order_N = np.argsort(sure_N, kind="stable")
    taken_N = np.zeros(len(sure_N), np.int64)
    start = 0
    for b, items in enumerate(bins.items_B.astype(np.int64).tolist()):
        ends_K = np.round(np.cumsum(share_KB[:, b]) * items).astype(np.int64)
        taken_N[order_N[start : start + items]] = np.searchsorted(ends_K, np.arange(items), side="right")
        start += items
    return taken_N


def _errors(ways: Sequence[Route], gold: GoldAnswers, prices: Prices, bins: _Bins, budget: float) -> Floats:
    """Return by how much gold items come out better than expected, each by a plan for the same budget by the others."""
    fold_G = np.arange(len(gold.truth_G)) % _FOLDS
    bin_G = np.minimum(np.searchsorted(bins.highest_B, gold.sure_G), len(bins.items_B) - 1)
    errors_G = np.zeros(len(fold_G))
    for fold in range(_FOLDS):
        held_out, others = gold.subset(fold_G == fold), gold.subset(fold_G != fold)
        found = prospects(ways, others, prices, np.concatenate([bins.mean_B, held_out.sure_G]))
        B = len(bins.items_B)
        planned = allocate(Prospects(found.right_KB[:, :B], found.cost_KB[:, :B]), bins.items_B, budget)
        expected_Kg = found.right_KB[:, B:]
        outcomes = [follow(way, held_out) for way in ways]
        right_Kg = np.array([one.right_G + prices.person_accuracy * one.by_person_G for one in outcomes])
        errors_G[fold_G == fold] = (planned.share_KB[:, bin_G[fold_G == fold]] * (right_Kg - expected_Kg)).sum(axis=0)
    return errors_G


def _step(route: Route, items_B: Floats, found: Prospects, k: int, bins: _Bins) -> PlanStep:
    taken = np.flatnonzero(items_B > 0)
    items = float(items_B.sum())
    return PlanStep(
        route=route,
        items=round(items),
        lowest=float(bins.lowest_B[taken[0]]),
        highest=float(bins.highest_B[taken[-1]]),
        accuracy=float(items_B @ found.right_KB[k]) / items,
        micro_usd=float(items_B @ found.cost_KB[k]),
    )


def _llm_alone(ways: Sequence[Route], found: Prospects, bins: _Bins, prices: Prices, money: float) -> LlmAlone | None:
    """Return the LLM that does best alone for the money."""
    total = float(bins.items_B.sum())
    learner = float(bins.items_B @ found.right_KB[0]) / total
    tried = []
    for name, price in prices.annotators.items():
        asked = min(total, money / price) if price else total
        right = float(bins.items_B @ found.right_KB[ways.index((name,))]) / total
        tried.append(LlmAlone(name, int(asked), (asked * right + (total - asked) * learner) / total))
    return max(tried, key=lambda one: one.accuracy, default=None)


def _people(accuracy: float, learner: float, prices: Prices, items: int) -> float | None:
    """Return what people alone cost for an accuracy; None where they are not asked, or not as accurate."""
    if prices.person is None:
        return None
    if accuracy <= learner:
        return 0.0
    share = (accuracy - learner) / (prices.person_accuracy - learner) if prices.person_accuracy > learner else 2.0
    return None if share > 1 + 1e-9 else share * items * prices.person
