"""Rules of when to stop: the server's own, and stopping at bare readings beside them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from benchmarks.stopping.traces import BATCH, Trace
from nextlabel.server.assessment.stopping.change import Change, change_between
from nextlabel.server.assessment.stopping.forecast import forecast
from nextlabel.server.assessment.stopping.target import lower_bound
from nextlabel.server.assessment.stopping.worth import next_labels

Int64 = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Watched:
    """A trace as an operator sees it, who knows the labels of a holdout only: some of the test texts."""

    trace: Trace
    holdout_H: Int64

    @property
    def readings(self) -> npt.NDArray[np.float64]:
        """Accuracy on the holdout, (rounds,)."""
        return np.asarray(self.trace.right[:, self.holdout_H].mean(axis=1))

    @property
    def accuracy(self) -> npt.NDArray[np.float64]:
        """Accuracy on the other test texts: the truth, (rounds,)."""
        return np.asarray(np.delete(self.trace.right, self.holdout_H, axis=1).mean(axis=1))

    @property
    def labels(self) -> Int64:
        """Labels of each round, (rounds,)."""
        return np.asarray(BATCH * np.arange(1, len(self.trace.tested_RM) + 1))

    def change(self, earlier: int, later: int) -> Change:
        """What changed from one round to another."""
        trace, held = self.trace, self.holdout_H
        return change_between(
            trace.sampled_RS[earlier],
            trace.sampled_RS[later],
            earlier_n=trace.tested_RM[earlier, held],
            later_n=trace.tested_RM[later, held],
            true_n=trace.true_M[held],
            classes=int(trace.true_M.max()) + 1,
        )

    @classmethod
    def of(cls, trace: Trace, holdout: int) -> Watched:
        """Draw a holdout of that size, or of half of the test texts if there are not as many."""
        size = len(trace.true_M)
        drawn = np.random.default_rng(trace.seed).choice(size, min(holdout, size // 2), replace=False)
        return cls(trace, drawn)


Rule = Callable[[Watched, int], bool]


def _bare_plateau(rounds: int, least: float) -> Rule:
    def rule(run: Watched, at: int) -> bool:
        seen = run.readings[: at + 1]
        return at >= rounds and seen[-rounds:].max() - seen[:-rounds].max() < least

    return rule


def _plateau(rounds: int, least: float) -> Rule:
    return lambda run, at: at >= rounds and run.change(at - rounds, at).most_gained(at - rounds + 1) < least


def _stable(kappa: float) -> Rule:
    def rule(run: Watched, at: int) -> bool:
        return at >= 3 and float(np.mean([run.change(i - 1, i).kappa for i in (at - 2, at - 1, at)])) >= kappa

    return rule


def _not_worth(points_per_100: float) -> Rule:
    """Stop where 100 labels cost as much as so many points of accuracy are worth, and can gain less than that."""

    def rule(run: Watched, at: int) -> bool:
        labels, readings = run.labels[: at + 1].tolist(), run.readings[: at + 1].tolist()
        found = next_labels(labels, readings, len(run.holdout_H), points_per_100 / 100, 1.0)
        return found is not None and not found.worth_it

    return rule


RULES: Mapping[str, Rule] = {
    "bare readings, 3 rounds gain < .01": _bare_plateau(3, 0.01),
    "bare readings, 5 rounds gain < .005": _bare_plateau(5, 0.005),
    "plateau_rounds 5, plateau_gain .01": _plateau(5, 0.01),
    "plateau_rounds 5, plateau_gain .02": _plateau(5, 0.02),
    "stable_kappa .99": _stable(0.99),
    "stable_kappa .98": _stable(0.98),
    "point_usd, 100 labels cost half a point": _not_worth(0.5),
    "point_usd, 100 labels cost a point": _not_worth(1.0),
    "point_usd, 100 labels cost two points": _not_worth(2.0),
}


def stopped_at(run: Watched, rule: Rule) -> int:
    """Return the round in which a rule stops a run, the last one where it never does."""
    rounds = len(run.trace.tested_RM)
    return next((at for at in range(rounds) if rule(run, at)), rounds - 1)


def target_reached(run: Watched, target: float, *, shown: bool) -> int | None:
    """Return the round that reaches a target by its reading, or by the lower bound if it has to be ``shown``."""
    size = len(run.holdout_H)
    for at, reading in enumerate(run.readings.tolist()):
        value = lower_bound(round(reading * size), size, at + 1) if shown else reading
        if value >= target:
            return at
    return None


def forecast_covers(run: Watched, at: int, ahead: int) -> tuple[bool, float, float, float]:
    """Return whether the interval of the gain forecast at a round holds it, its width, the forecast and the truth."""
    labels, readings = run.labels, run.readings
    found = forecast(labels[: at + 1], readings[: at + 1], len(run.holdout_H), int(labels[at + ahead]))
    if found is None:
        raise ValueError(f"round {at} has too few points before it")
    true = float(run.accuracy[at + ahead] - run.accuracy[at])
    gain = found.gain
    return gain.low <= true <= gain.high, gain.high - gain.low, gain.value, true
