"""What people bring who look at the labels of an LLM in the order of the review list, beside LLMs and people alone."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import numpy as np

from benchmarks.assessment.report import markdown
from benchmarks.routing.money import COMPARED, PERSON_MICRO_USD, compared, llms_alone, people_curve
from benchmarks.routing.worlds import TRAINED_ON, World, loaded, worlds
from nextlabel.server.assessment.routing.cascades import Prices
from nextlabel.server.assessment.suspects import joined, neighbour_shares, wrong_probabilities
from nextlabel.server.learners.out_of_fold import out_of_fold

DOLLARS = (40.0, 50.0, 75.0, 130.0)
"""Dollars of everything: the LLM's answers about all items, and the looks of people."""


def table(data: Path, cache: Path, seeds: int) -> str:
    """Return a row for each set and sum of money, the mean of the seeds."""
    found: defaultdict[tuple[str, float], list[tuple[float, ...]]] = defaultdict(list)
    for seed in range(seeds):
        for world in worlds(data, cache, seed):
            labeled = loaded(data / world.name, cache)
            # What is left when the world has set its labels for training aside, in the same order.
            rows = np.random.default_rng(seed).permutation(len(labeled.train_labels_N))[TRAINED_ON:]
            embeddings_nD = labeled.train_embeddings_ND[rows].astype(np.float32)
            curve = people_curve(labeled, seed)
            given_n, doubted_n = _doubted(world, embeddings_nD, len(labeled.classes))
            for dollars in DOLLARS:
                accuracy = _reviewed(world, given_n, doubted_n, dollars)
                prices = Prices(world.prices, PERSON_MICRO_USD)
                alone = llms_alone(world.answers, prices, dollars * 1e6)
                people = accuracy * len(rows) * PERSON_MICRO_USD / 1e6
                found[world.name, dollars].append((accuracy, alone, people, curve(accuracy)))
    rows_shown = []
    for (name, dollars), outcomes in found.items():
        accuracy, alone, people, taught = np.mean(outcomes, axis=0).tolist()
        rows_shown.append((name, dollars, *compared(dollars, accuracy, alone, people, taught)))
    columns = ("set", "spent in all, $", *COMPARED)
    shown: str = markdown(
        f"An LLM about everything, then people by the review list, {seeds} seeds", columns, rows_shown
    )
    return shown


def _doubted(world: World, embeddings_nD: np.ndarray, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the labels of the dearest LLM, and how probably each is wrong by learner and neighbours."""
    # An answer that is no class is taken for the first one: it has to be looked at in any case.
    given_n = np.maximum(world.answers.given[max(world.prices, key=lambda name: world.prices[name])], 0)
    return given_n, doubted(given_n, embeddings_nD, classes)


def doubted(label_n: np.ndarray, embeddings_nD: np.ndarray, classes: int) -> np.ndarray:
    """Return how probably each label is wrong by learner and neighbours, (n,)."""
    said_nC = joined(out_of_fold(embeddings_nD, label_n, classes), neighbour_shares(embeddings_nD, label_n, classes))
    return wrong_probabilities(said_nC, label_n, np.zeros(len(label_n), np.int64))


def _reviewed(world: World, given_n: np.ndarray, doubted_n: np.ndarray, dollars: float) -> float:
    """Return the accuracy of all labels when people, who are right, have looked at what the money is left for."""
    left = dollars * 1e6 - len(given_n) * max(world.prices.values())
    looks = int(max(0.0, left) / PERSON_MICRO_USD)
    right_n = given_n == world.answers.truth_G
    right_n[np.argsort(-doubted_n, kind="stable")[:looks]] = True
    return float(right_n.mean())
