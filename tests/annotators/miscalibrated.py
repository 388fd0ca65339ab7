"""Simulated annotators whose true accuracy at each stated confidence is known."""

import math
import random
from collections.abc import Callable, Mapping

from nextlabel.server.assessment.calibration import GoldCheck

Draw = Callable[[random.Random], tuple[Mapping[str, float], float]]
"""Draws the signals of one answer and the probability that it is right."""


def _shifted(stated: float, shift: float, slope: float = 1.0) -> float:
    odds = slope * math.log(stated / (1 - stated)) + shift
    return 1 / (1 + math.exp(-odds))


def _honest(rng: random.Random) -> tuple[Mapping[str, float], float]:
    stated = rng.uniform(0.3, 0.99)
    return {"verbalised": stated}, stated


def _overconfident(rng: random.Random) -> tuple[Mapping[str, float], float]:
    stated = rng.uniform(0.6, 0.99)
    return {"verbalised": stated}, _shifted(stated, -1.5)


def _underconfident(rng: random.Random) -> tuple[Mapping[str, float], float]:
    stated = rng.uniform(0.2, 0.8)
    return {"verbalised": stated}, _shifted(stated, 1.5)


def _flat(rng: random.Random) -> tuple[Mapping[str, float], float]:
    """Says the usual round numbers, whatever it knows."""
    return {"verbalised": rng.choice((0.85, 0.9, 0.95, 0.98))}, 0.65


def _steep(rng: random.Random) -> tuple[Mapping[str, float], float]:
    stated = rng.uniform(0.05, 0.99)
    return {"verbalised": stated}, _shifted(stated, 0.0, slope=0.4)


def _two_signals(rng: random.Random) -> tuple[Mapping[str, float], float]:
    """Says it is sure; only the agreement of its samples tells something."""
    agreement = rng.choice((1.0, 1.0, 2 / 3, 0.5))
    return {"verbalised": rng.uniform(0.85, 0.99), "agreement": agreement}, {1.0: 0.9, 2 / 3: 0.6, 0.5: 0.45}[agreement]


ANNOTATORS: Mapping[str, Draw] = {
    "honest": _honest,
    "overconfident": _overconfident,
    "underconfident": _underconfident,
    "flat": _flat,
    "steep": _steep,
    "two signals": _two_signals,
}


def answers_of(name: str, count: int, rng: random.Random) -> list[GoldCheck]:
    """`count` answers of an annotator, each with its signals and whether it is right."""
    drawn = [ANNOTATORS[name](rng) for _ in range(count)]
    return [GoldCheck(signals, rng.random() < probability) for signals, probability in drawn]
