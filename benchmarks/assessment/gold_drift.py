"""How soon an annotator that has become worse is noticed on gold, and how often one is called off that has not."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.assessment import drift_bounds
from benchmarks.assessment.drift_bounds import Steady
from benchmarks.assessment.report import markdown
from nextlabel.server.assessment.gold_drift import NOT_ASKED, RIGHT, WRONG, paired_evidence
from nextlabel.server.assessment.routing.steps import SURPRISE, chance_of_open

ACCURACY = 0.9
FALL = 0.05
GOLD = 200
EARLIER = (1, 2, 3, 4, 6, 8)
BEST_EARLIER = (1, 3, 8, 20)
DEVIATES = (0.0, 0.005, 0.01, 0.03)
UNSTEADY = ((0.1, 0.5), (0.1, 0.7), (0.2, 0.7))
"""Share of items of an unsteady type, and how often each of these is right whenever it is asked about."""
FEW = (30, 50, 100)
FEW_ANSWERS = (100, 200, 400)
_QUIET = 10

Bools = npt.NDArray[np.bool_]


def table(_data: Path, sims: int) -> str:
    """Return the gold answers until an alarm, and the false alarms of gold asked again and of steps of plans."""
    rng = np.random.default_rng(0)
    rows = [_row(_Habits(deviates), earlier, sims, rng) for deviates in DEVIATES for earlier in EARLIER]
    unsteady = [_row(_Habits(0.0, *kind), earlier, sims, rng) for kind in UNSTEADY for earlier in EARLIER]
    columns = (
        "an answer differs from the usual one",
        "unsteady items",
        "right about them",
        "asked before",
        "alarm within 100",
        f"within {GOLD}",
        "median answers until the alarm",
        "false alarms",
    )
    title = f"{FALL:.0%} fewer gold items right, of {ACCURACY:.0%}: {sims} changes, {_QUIET * sims} quiet checks a row"
    asked = markdown(title, columns, [*rows, *unsteady])
    lost, won = (FALL + 0.01) / ACCURACY, 0.01 / (1 - ACCURACY)
    steady = (Steady(deviates, ACCURACY, lost, won, GOLD) for deviates in DEVIATES)
    best = drift_bounds.table(steady, BEST_EARLIER, 2 * sims, np.random.default_rng(0))
    return f"{asked}\n\n{_few_items(sims)}\n\n{best}\n\n{_steps(rng, _QUIET * sims)}"


@dataclass(frozen=True, slots=True)
class _Habits:
    """How often an answer differs from the usual one, and a type of items on which there is no usual one."""

    deviates: float
    unsteady: float = 0.0
    right_there: float = 0.5

    def answers(self, rng: np.random.Generator, earlier: int, fall: float) -> tuple[Bools, Bools]:
        """Return which answers are right, of before (GOLD, earlier) and of now."""
        asked_AG = self.askings(rng, GOLD, earlier, 1, fall)
        return asked_AG[:-1].T, asked_AG[-1]

    def askings(self, rng: np.random.Generator, gold: int, earlier: int, later: int, fall: float) -> Bools:
        """Return which answers are right, shape (askings, gold).

        A fall is one of the steady items, of which as many turn wrong and a point of all turns right.
        """
        right = ACCURACY - self.unsteady * self.right_there
        unsteady_G = rng.random(gold) < self.unsteady
        right_G = rng.random(gold) < right / (1 - self.unsteady)
        fallen_G = right_G
        if fall:
            lost_G = rng.random(gold) < (fall + 0.01) / right
            won_G = rng.random(gold) < 0.01 / (1 - self.unsteady - right)
            fallen_G = np.where(right_G, ~lost_G, won_G)
        usual_AG = np.where((np.arange(earlier + later) < earlier)[:, None], right_G, fallen_G)
        steady_AG = usual_AG ^ (rng.random(usual_AG.shape) < self.deviates)
        return np.where(unsteady_G, rng.random(usual_AG.shape) < self.right_there, steady_AG)


def _row(habits: _Habits, earlier: int, sims: int, rng: np.random.Generator) -> tuple[object, ...]:
    first = np.array([_first_alarm(*habits.answers(rng, earlier, FALL)) for _ in range(sims)])
    quiet = [_evidence(*habits.answers(rng, earlier, 0.0), 100) for _ in range(_QUIET * sims)]
    median = float(np.median(first))
    shown = f"{median:.0f}" if np.isfinite(median) else f"above {GOLD}"
    within = float((first <= 100).mean()), float((first <= GOLD).mean())
    kind = (habits.unsteady, habits.right_there) if habits.unsteady else ("–", "–")
    return habits.deviates, *kind, earlier, *within, shown, f"{np.mean(quiet):.5f}"


def _evidence(before_Ge: Bools, now_G: Bools, items: int) -> bool:
    return _fallen(np.concatenate([before_Ge.T, now_G[None]]), items)


def _fallen(right_AN: Bools, items: int | None = None) -> bool:
    """Whether there is an alarm after so many items of the newest asking, or all."""
    answers_AN = np.where(right_AN, RIGHT, WRONG).astype(np.int8)
    if items is not None:
        answers_AN[-1, items:] = NOT_ASKED
    found = paired_evidence(answers_AN, answers_AN[:0])
    return found is not None and found.fallen


def _first_alarm(before_Ge: Bools, now_G: Bools) -> float:
    """Return after how many answers there is an alarm, looked at every five answers, infinite for none."""
    for items in range(5, GOLD + 1, 5):
        if _evidence(before_Ge, now_G, items):
            return items
    return float("inf")


def _few_items(sims: int) -> str:
    """Return the same for fewer gold items that are asked about again and again, looked at after each asking."""
    rng, rows = np.random.default_rng(0), []
    for gold in FEW:
        for earlier in (4, 8):
            for habits in (_Habits(0.0), _Habits(0.01), _Habits(0.03), _Habits(0.0, 0.2, 0.7)):
                later = max(FEW_ANSWERS) // gold
                fell = [habits.askings(rng, gold, earlier, later, FALL) for _ in range(sims)]
                after = np.array([_answers_until(asked_AG, earlier) for asked_AG in fell])
                quiet = [habits.askings(rng, gold, earlier, later, 0.0) for _ in range(sims)]
                checks = [_fallen(one[:until]) for one in quiet for until in range(2, len(one) + 1)]
                within = (f"{(after <= answers).mean():.3f}" for answers in FEW_ANSWERS)
                kind = habits.deviates, habits.unsteady or "–"
                rows.append((gold, *kind, earlier, *within, f"{sum(checks)} of {len(checks):,}"))
    columns = (
        "gold items",
        "an answer differs from the usual one",
        "unsteady items",
        "asked before",
        *(f"alarm within {answers} answers" for answers in FEW_ANSWERS),
        "false alarms",
    )
    shown: str = markdown(f"Few gold items, asked about again and again: {sims} changes a row", columns, rows)
    return shown


def _answers_until(right_AG: Bools, earlier: int) -> float:
    """Return after how many answers since a fall there is an alarm, infinite for none."""
    for until in range(earlier + 1, len(right_AG) + 1):
        if _fallen(right_AG[:until]):
            return float((until - earlier) * right_AG.shape[1])
    return float("inf")


def _steps(rng: np.random.Generator, checks: int) -> str:
    """Return how often a step of a plan is called off although its items are like gold."""
    rows = []
    for share in (0.05, 0.2, 0.4):
        for arrived in (100, 1_000):
            off = 0
            for _ in range(checks):
                gold = int(rng.integers(20, 200))
                chance = chance_of_open(
                    arrived, int(rng.binomial(arrived, share)), gold, int(rng.binomial(gold, share))
                )
                off += chance < SURPRISE
            rows.append((share, arrived, f"{off / checks:.5f}"))
    columns = ("left open", "items of the step", "called off by mistake")
    shown: str = markdown(f"Steps of plans, {checks} that turn out as on gold a row", columns, rows)
    return shown
