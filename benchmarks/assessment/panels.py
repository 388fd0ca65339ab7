"""Simulated panels of annotators with known truth."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from nextlabel.server.assessment.consensus.table import NO_GOLD, AnswerTable

Rng = np.random.Generator
ITEMS = 1000


def _answers(rng: Rng, truth: np.ndarray, accuracies: list[float], classes: int, copied: float = 0.0) -> np.ndarray:
    """Answers of all annotators, (N, W); a share ``copied`` of items has one wrong answer that all mistakes share."""
    n = len(truth)
    trap = (truth + rng.integers(1, classes, n)) % classes
    trapped = rng.random(n) < copied
    given = []
    for accuracy in accuracies:
        wrong = np.where(trapped, trap, (truth + rng.integers(1, classes, n)) % classes)
        given.append(np.where(rng.random(n) < accuracy, truth, wrong))
    return np.stack(given, axis=1)


def _correlated(rng: Rng, truth: np.ndarray, classes: int) -> np.ndarray:
    """Six LLMs that fall for the same third of the items, and two annotators who do not."""
    n = len(truth)
    trap, trapped = (truth + 1) % classes, rng.random(n) < 0.35
    llms = [
        np.where(trapped & (rng.random(n) < 0.8), trap, _answers(rng, truth, [0.9], classes)[:, 0]) for _ in range(6)
    ]
    return np.stack([*llms, *_answers(rng, truth, [0.8, 0.85], classes).T], axis=1)


def _confused(rng: Rng, truth: np.ndarray, classes: int) -> np.ndarray:
    """Annotators who take one class for another, each its own."""
    given = []
    for w in range(5):
        label = _answers(rng, truth, [0.85], classes)[:, 0]
        given.append(np.where((truth == w % classes) & (rng.random(len(truth)) < 0.7), (truth + 1) % classes, label))
    return np.stack(given, axis=1)


PANELS: Mapping[str, tuple[int, Callable[[Rng, np.ndarray, int], np.ndarray]]] = {
    "two, ties": (3, lambda rng, t, c: _answers(rng, t, [0.85, 0.7], c)),
    "three: .9 .6 .6": (2, lambda rng, t, c: _answers(rng, t, [0.9, 0.6, 0.6], c)),
    "five, all alike": (4, lambda rng, t, c: _answers(rng, t, [0.7] * 5, c)),
    "one good among six bad": (4, lambda rng, t, c: _answers(rng, t, [0.9] + [0.32] * 6, c)),
    "thirteen, .3 to .8": (5, lambda rng, t, c: _answers(rng, t, list(np.linspace(0.3, 0.8, 13)), c)),
    "six LLMs with the same errors, two others": (4, _correlated),
    "eight, shared traps": (4, lambda rng, t, c: _answers(rng, t, [0.6] * 8, c, 0.6)),
    "five who confuse classes": (5, _confused),
}


def panel(name: str, seed: int, gold: int) -> tuple[AnswerTable, np.ndarray]:
    """Return a panel's answers with some gold, and the truth."""
    classes, make = PANELS[name]
    rng = np.random.default_rng(seed)
    shares = rng.dirichlet(np.full(classes, 5.0))
    truth = rng.choice(classes, ITEMS, p=shares)
    given = make(rng, truth, classes)
    known = np.full(ITEMS, NO_GOLD)
    known[:gold] = truth[:gold]
    items, annotators = np.indices(given.shape)
    names = tuple(f"w{w}" for w in range(given.shape[1]))
    kept = rng.random(given.size) < 0.9
    table = AnswerTable(
        items.ravel()[kept],
        annotators.ravel()[kept],
        given.ravel()[kept],
        known,
        names,
        tuple(map(str, range(classes))),
    )
    return table, truth
