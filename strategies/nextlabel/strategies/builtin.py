"""The built-in strategies: a name, parameters with defaults, and a composition each.

The keyword parameters of these functions are the parameters users set; their docstring's first line
is what ``--help`` prints. Annotations stay plain (int, float, bool, str) so that values are checked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from nextlabel.strategies.errors import ParameterError
from nextlabel.strategies.pickers.power import PowerSample
from nextlabel.strategies.pickers.top import Top, UniformSample
from nextlabel.strategies.scorer import Scorer
from nextlabel.strategies.scorers.power import Power
from nextlabel.strategies.scorers.random import Random
from nextlabel.strategies.scorers.uncertainty import Entropy, LeastConfidence, Margin, Ratio
from nextlabel.strategies.strategy import ScoreAndPick, ShortlistSize, Strategy

TOP = ShortlistSize(per_pick=1)


def random() -> Strategy:
    """Uniformly at random: the baseline every strategy must beat."""
    return ScoreAndPick("random", UniformSample(), Random(), TOP, "uniform draw")


def margin() -> Strategy:
    """Smallest gap between the two most probable classes."""
    return _top("margin", Margin(), "small margin")


def entropy() -> Strategy:
    """Highest entropy of the prediction."""
    return _top("entropy", Entropy(), "high entropy")


def least_confidence() -> Strategy:
    """Lowest probability of the most probable class."""
    return _top("least_confidence", LeastConfidence(), "low confidence")


def ratio() -> Strategy:
    """Highest ratio of second to first probability."""
    return _top("ratio", Ratio(), "close second class")


def power_margin(beta: float = 1.0) -> Strategy:
    """Margin, sampled with probability that grows with (1 - margin)^beta; keeps inclusion probabilities."""
    _positive("power_margin", "beta", beta)
    scorer = Power(Margin(), beta, offset=1.0)
    size = ShortlistSize(per_pick=1, extra=1)
    return ScoreAndPick("power_margin", PowerSample(), scorer, size, "sampled by margin", {"beta": beta})


BUILT_IN: Mapping[str, Callable[..., Strategy]] = {
    "random": random,
    "margin": margin,
    "entropy": entropy,
    "least_confidence": least_confidence,
    "ratio": ratio,
    "power_margin": power_margin,
}


def _top(name: str, scorer: Scorer, reason: str) -> Strategy:
    return ScoreAndPick(name, Top(), scorer, TOP, reason)


def _positive(strategy: str, name: str, value: float) -> None:
    if not value > 0:
        raise ParameterError(f"strategy {strategy!r}: {name} is {value}; must be above 0")
