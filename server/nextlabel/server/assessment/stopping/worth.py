"""Whether the next labels are worth what they cost, by the forecast of the learning curve."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nextlabel.server.assessment.intervals import Estimate
from nextlabel.server.assessment.stopping.forecast import forecast

AHEAD = 200
"""Labels that are looked ahead: what a single batch brings drowns in the scatter of readings."""
ROUNDS = 3
"""Rounds in a row that have to say the same: a forecast goes by readings, and a lucky one flattens it."""
_POINT = 0.01


@dataclass(frozen=True, slots=True)
class NextLabels:
    """What the next ``labels`` are forecast to gain, what they cost, and what the upper end of the gain is worth.

    ``worth_it`` says whether that upper end was worth the cost in any of the last rounds. Money is in micro-dollars.
    """

    labels: int
    gain: Estimate
    micro_usd: float
    most_micro_usd: float
    worth_it: bool


def next_labels(
    labels_P: Sequence[int],
    accuracy_P: Sequence[float],
    holdout: int,
    label_micro_usd: float,
    point_micro_usd: float,
) -> NextLabels | None:
    """Return what the next labels are worth after P points of a curve, oldest first; None with too few to forecast.

    ``label_micro_usd`` is what a label costs, ``point_micro_usd`` what a point of accuracy (.01) is worth. Going on is
    not worth it when even the upper 95 % bound of the gain is worth less than the labels cost, in each of the last
    three rounds.
    """
    found = []
    for known in range(max(0, len(labels_P) - ROUNDS) + 1, len(labels_P) + 1):
        ahead = forecast(labels_P[:known], accuracy_P[:known], holdout, max(labels_P[:known]) + AHEAD)
        if ahead is None:
            return None
        found.append(ahead.gain)
    if len(found) < ROUNDS:
        return None
    cost = AHEAD * label_micro_usd
    most = [gain.high / _POINT * point_micro_usd for gain in found]
    return NextLabels(AHEAD, found[-1], cost, most[-1], max(most) >= cost)
