"""Estimates that say what they are."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from nextlabel.server.assessment.intervals import Estimate


class FigureKind(StrEnum):
    """Where a figure comes from, which decides what it may be used for."""

    HOLDOUT = "holdout"
    GOLD = "gold"
    AUDIT = "audit"
    WEIGHTED = "weighted"
    PREDICTION_POWERED = "prediction_powered"


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure with its 95 % interval.

    An ``anytime`` interval holds at all looks together, so that it may be watched and stopped on; any other holds
    for one look only.
    """

    kind: FigureKind
    estimate: Estimate
    anytime: bool = False
