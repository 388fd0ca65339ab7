"""How soon an annotator that has become worse is noticed on gold, and how often one is called off that has not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.assessment.report import markdown
from nextlabel.server.assessment.gold_drift import RepeatedAnswers, paired_evidence
from nextlabel.server.assessment.routing.steps import SURPRISE, chance_of_open

ACCURACY = 0.9
FALL = 0.05
GOLD = 200
EARLIER = (1, 2, 3, 4, 6, 8)
DEVIATES = (0.0, 0.005, 0.01, 0.03)
_QUIET = 10

Bools = npt.NDArray[np.bool_]


def table(_data: Path, sims: int) -> str:
    """Return the gold answers until an alarm, and the false alarms of gold asked again and of steps of plans."""
    rng = np.random.default_rng(0)
    rows = [_row(rng, deviates, earlier, sims) for deviates in DEVIATES for earlier in EARLIER]
    columns = (
        "an answer differs from the usual one",
        "asked before",
        "alarm within 100",
        f"within {GOLD}",
        "median answers until the alarm",
        "false alarms",
    )
    title = f"{FALL:.0%} fewer gold items right, of {ACCURACY:.0%}: {sims} changes, {_QUIET * sims} quiet checks a row"
    asked = markdown(title, columns, rows)
    return f"{asked}\n\n{_steps(rng, _QUIET * sims)}"


def _row(rng: np.random.Generator, deviates: float, earlier: int, sims: int) -> tuple[object, ...]:
    first = np.array([_first_alarm(*_answers(rng, deviates, earlier, FALL)) for _ in range(sims)])
    quiet = [_evidence(*_answers(rng, deviates, earlier, 0.0), 100) for _ in range(_QUIET * sims)]
    median = float(np.median(first))
    shown = f"{median:.0f}" if np.isfinite(median) else f"above {GOLD}"
    within = float((first <= 100).mean()), float((first <= GOLD).mean())
    return deviates, earlier, *within, shown, f"{np.mean(quiet):.5f}"


def _answers(rng: np.random.Generator, deviates: float, earlier: int, fall: float) -> tuple[Bools, Bools]:
    """Return which answers are right, of before (GOLD, earlier) and of now; a point of the items turns right too."""
    right_G = rng.random(GOLD) < ACCURACY
    before_Ge = right_G[:, None] ^ (rng.random((GOLD, earlier)) < deviates)
    if fall:
        lost_G = rng.random(GOLD) < (fall + 0.01) / ACCURACY
        won_G = rng.random(GOLD) < 0.01 / (1 - ACCURACY)
        right_G = np.where(right_G, ~lost_G, won_G)
    return before_Ge, right_G ^ (rng.random(GOLD) < deviates)


def _evidence(before_Ge: Bools, now_G: Bools, items: int) -> bool:
    given = zip(before_Ge[:items].tolist(), now_G[:items].tolist(), strict=True)
    return paired_evidence([RepeatedAnswers(tuple(before), now) for before, now in given]).fallen


def _first_alarm(before_Ge: Bools, now_G: Bools) -> float:
    """Return after how many answers there is an alarm, looked at every five answers, infinite for none."""
    for items in range(5, GOLD + 1, 5):
        if _evidence(before_Ge, now_G, items):
            return items
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
