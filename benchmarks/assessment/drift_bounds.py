"""What the best of all tests could see of an annotator that has become worse, beside the one that is used.

A test that knew every rate of the simulation (how often an answer slips, how many items fall) would be that of Wald
(1945) where answers are looked at one after the other, and that of Neyman and Pearson (1933) for a single look. One
that knows none of them, and only that an item's answers could have come in any order, can at best count the new wrong
answers.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from benchmarks.assessment.report import markdown

LOOK = 100
LEVEL = 0.001
_QUIET = 10_000

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]


class Steady:
    """An annotator that answers an item in its usual way but for slips, and a change of what is usual."""

    def __init__(self, slips: float, accuracy: float, lost: float, won: float, gold: int) -> None:
        self.slips, self.accuracy, self.lost, self.won, self.gold = slips, accuracy, lost, won, gold

    def answers(self, rng: np.random.Generator, earlier: int, *, fallen: bool) -> tuple[Bools, Bools]:
        """Return which answers are right, of before (gold, earlier) and of now."""
        right_G = rng.random(self.gold) < self.accuracy
        before_Ge = right_G[:, None] ^ (rng.random((self.gold, earlier)) < self.slips)
        if fallen:
            right_G = np.where(right_G, rng.random(self.gold) >= self.lost, rng.random(self.gold) < self.won)
        return before_Ge, right_G ^ (rng.random(self.gold) < self.slips)

    def log_likelihood_ratios(self, before_Ge: Bools, now_G: Bools) -> Floats:
        """Return for each item the logarithm of how much more probable its new answer is after the fall, (gold,)."""
        slips = max(self.slips, 1e-9)
        right_G, asked = before_Ge.sum(axis=1), before_Ge.shape[1]
        usual_G = self.accuracy * (1 - slips) ** right_G * slips ** (asked - right_G)
        unusual_G = (1 - self.accuracy) * slips**right_G * (1 - slips) ** (asked - right_G)
        was_G = usual_G / (usual_G + unusual_G)
        is_G = was_G * (1 - self.lost) + (1 - was_G) * self.won
        before, after = (chance * (1 - slips) + (1 - chance) * slips for chance in (was_G, is_G))
        return np.asarray(np.where(now_G, np.log(after / before), np.log((1 - after) / (1 - before))))


def table(steady: Iterator[Steady], earlier: tuple[int, ...], sims: int, rng: np.random.Generator) -> str:
    """Return how soon and how often the best tests see the fall."""
    rows = [_row(one, asked, sims, rng) for one in steady for asked in earlier]
    columns = (
        "an answer differs from the usual one",
        "asked before",
        "knowing all rates: median answers until the alarm",
        f"knowing all rates, one look after {LOOK}: seen",
        f"knowing none, one look after {LOOK}: seen",
    )
    shown: str = markdown(f"The best tests of one false alarm in 1,000, {sims} changes a row", columns, rows)
    return shown


def _row(steady: Steady, earlier: int, sims: int, rng: np.random.Generator) -> tuple[object, ...]:
    quiet = [steady.answers(rng, earlier, fallen=False) for _ in range(_QUIET)]
    enough = float(np.quantile([steady.log_likelihood_ratios(*one)[:LOOK].sum() for one in quiet], 1 - LEVEL))
    fallen = [steady.answers(rng, earlier, fallen=True) for _ in range(sims)]
    paths = np.array([np.cumsum(steady.log_likelihood_ratios(*one)) for one in fallen])
    reached = paths > -np.log(LEVEL)
    median = float(np.median(np.where(reached.any(axis=1), reached.argmax(axis=1) + 1.0, np.inf)))
    by_count = float(np.mean([_chance_of_count(before[:LOOK], now[:LOOK]) <= LEVEL for before, now in fallen]))
    shown = f"{median:.0f}" if np.isfinite(median) else f"above {steady.gold}"
    return steady.slips, earlier, shown, float((paths[:, LOOK - 1] > enough).mean()), by_count


def _chance_of_count(before_Ge: Bools, now_G: Bools) -> float:
    """Return how probable as many new wrong answers or more are while any answer of an item may be the newest.

    Items that are mostly wrong, about which a fall does not show, are left out.
    """
    asked = before_Ge.shape[1] + 1
    wrong_G = (~before_Ge).sum(axis=1) + ~now_G
    counts_G = (wrong_G > 0) & (wrong_G <= max(asked / 2, 1))
    chances = np.ones(1)
    for share in wrong_G[counts_G] / asked:
        chances = np.append(chances * (1 - share), 0.0) + np.append(0.0, chances * share)
    return float(chances[int((counts_G & ~now_G).sum()) :].sum())
