"""Cascades of learner, LLMs and people: who is asked in turn, and what that brings and costs by what gold says.

A route names who is asked in turn. Asking ends with the first answer that repeats a label given before, the learner's
included; the last one's answer stands otherwise (a cascade whose judge is agreement, as AutoMix, arXiv 2310.12963, and
FrugalGPT, arXiv 2305.05176, have models as judges). What a route brings and costs is learned from gold as a function of
the learner's calibrated confidence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

from nextlabel.server.assessment.routing.sources import calibrator_of
from nextlabel.server.values.labeling.batches import PEOPLE

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Places = npt.NDArray[np.int64]

PERSON = PEOPLE
Route = tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class GoldAnswers:
    """Gold items as everybody sees them: places of classes, of G items each, -1 where there is no usable answer.

    ``sure_G`` is the learner's confidence in (0, 1), which no gold was used for.
    """

    truth_G: Places
    learned_G: Places
    sure_G: Floats
    given: Mapping[str, Places]

    def subset(self, where_G: Bools) -> GoldAnswers:
        """Return some of the items."""
        given = {name: answers_G[where_G] for name, answers_G in self.given.items()}
        return GoldAnswers(self.truth_G[where_G], self.learned_G[where_G], self.sure_G[where_G], given)


@dataclass(frozen=True, slots=True, eq=False)
class Followed:
    """What became of G gold items on a route: who of its S members was asked, and what was right.

    ``right_G`` holds for labels that did not come from a person.
    """

    asked_SG: Bools
    right_G: Bools
    by_person_G: Bools


def routes(annotators: Sequence[str], *, people: bool = True) -> Sequence[Route]:
    """Return all routes through annotators, given from the cheapest on; with `people` also with a person at the end.

    >>> routes(["mini"])
    [(), ('mini',), ('person',), ('mini', 'person')]
    """
    chains: list[Route] = [chain for size in range(len(annotators) + 1) for chain in combinations(annotators, size)]
    return chains + [(*chain, PERSON) for chain in chains] if people else chains


def follow(route: Route, gold: GoldAnswers) -> Followed:
    """Return what a route would have made of gold."""
    G = len(gold.truth_G)
    label_G, open_G = gold.learned_G.copy(), np.ones(G, np.bool_)
    seen: list[Places] = [gold.learned_G]
    asked = np.zeros((len(route), G), np.bool_)
    by_person_G = np.zeros(G, np.bool_)
    for step, name in enumerate(route):
        asked[step] = open_G
        if name == PERSON:
            by_person_G = open_G.copy()
            break
        answer_G = gold.given[name]
        label_G = np.where(open_G, answer_G, label_G)
        repeated_G = np.any([answer_G == before for before in seen], axis=0) & (answer_G >= 0)
        open_G = open_G & ~repeated_G
        seen.append(answer_G)
    return Followed(asked, (label_G == gold.truth_G) & ~by_person_G, by_person_G)


@dataclass(frozen=True, slots=True, eq=False)
class Prospects:
    """What each of K routes brings and costs at each of B confidences: chance of a right label, and money."""

    right_KB: Floats
    cost_KB: Floats


@dataclass(frozen=True, slots=True)
class Prices:
    """What an answer costs, in micro-dollars, and how often a person is right, in (0, 1].

    ``person`` is None where people are not to be asked.
    """

    annotators: Mapping[str, float]
    person: float | None
    person_accuracy: float = 1.0

    def of(self, name: str) -> float:
        """Return what asking somebody costs."""
        return (self.person or 0.0) if name == PERSON else self.annotators[name]


def prospects(ways: Sequence[Route], gold: GoldAnswers, prices: Prices, sure_B: Floats) -> Prospects:
    """Learn from gold what routes bring and cost."""
    right, cost = [], []
    for way in ways:
        found = follow(way, gold)
        to_person_B = 1 - _chance(gold.sure_G, ~found.by_person_G, sure_B)
        kept_B = _chance(gold.sure_G, found.right_G, sure_B)
        right.append(np.minimum(kept_B + prices.person_accuracy * to_person_B, 1.0))
        steps = [
            prices.of(name) * (1 - _chance(gold.sure_G, ~asked_G, sure_B))
            for name, asked_G in zip(way, found.asked_SG, strict=True)
        ]
        cost.append(np.sum(steps, axis=0) if steps else np.zeros(len(sure_B)))
    return Prospects(np.array(right), np.array(cost))


def _chance(sure_G: Floats, happened_G: Bools, sure_B: Floats) -> Floats:
    """Return how probable an event is at each confidence; all or none of gold is taken at its word."""
    if happened_G.all() or not happened_G.any():
        return np.full(len(sure_B), float(happened_G.all()))
    calibrator = calibrator_of(sure_G, happened_G)
    if calibrator is None:
        return np.full(len(sure_B), float(happened_G.mean()))
    found: Floats = calibrator.probabilities(sure_B)
    return found
