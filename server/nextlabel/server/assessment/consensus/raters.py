"""Annotators who score higher or lower than others, use more or less of the scale, and err by more or less.

An answer is middle + bias + scale x (worth of the item - middle) + noise, with a bias, a scale and a spread of the
noise for each annotator: a congeneric model of tests (Joreskog 1971, Psychometrika 36:109). Worths are normal; those of
gold items are known, which anchors the biases of all. Normal priors shrink bias and scale of who shares few items, and
nothing is said of who shares none: different items say nothing about those who scored them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

SPREAD_OF_BIAS = 0.25
"""Standard deviation of biases beforehand, as a share of the range."""

SPREAD_OF_SCALE = 0.25
USUAL_ANSWERS = 4.0
"""Answers that an annotator's spread is taken to be the usual one by, beside its own."""

FEWEST_ANSWERS = 20
"""Answers about shared items below which nothing is said."""

_LEAST_SCALE = 0.2
_LEAST_SPREAD = 1e-2
_STEPS = 60
_TOLERANCE = 1e-4


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """A answers about N items by W annotators; an item's worth is NaN where gold does not say it."""

    item_A: Ints
    annotator_A: Ints
    score_A: Floats
    known_N: Floats
    annotators: Sequence[str]


@dataclass(frozen=True, slots=True)
class Rater:
    """How an annotator scores, by ``items`` that others scored too or whose worth is known.

    ``bias`` is how much higher it scores an item of middling worth, ``scale`` how much its score grows with the worth,
    ``spread`` the standard deviation of what is left.
    """

    bias: float
    scale: float
    spread: float
    items: int


@dataclass(frozen=True, slots=True)
class RaterModel:
    """How annotators score around the ``middle``; who is not among them is taken to have no bias and usual spread."""

    middle: float
    raters: Mapping[str, Rater]
    usual_spread: float

    def worth(self, annotator: str, score: float) -> tuple[float, float]:
        """Return what an item is worth by one answer, and the weight of that: the inverse of its variance."""
        rater = self.raters.get(annotator, Rater(0.0, 1.0, self.usual_spread, 0))
        return (score - self.middle - rater.bias) / rater.scale + self.middle, (rater.scale / rater.spread) ** 2


@dataclass(slots=True, eq=False)
class _Fit:
    """Parameters in units of the range, worths counted from the middle."""

    bias_W: Floats
    scale_W: Floats
    variance_W: Floats
    mean: float
    variance: float

    def sums(self, table: Scores, z_A: Floats) -> tuple[Floats, Floats]:
        """Return by item the precision of its worth, and the sum of its answers that precision divides."""
        w = table.annotator_A
        told_A = self.scale_W[w] ** 2 / self.variance_W[w]
        n = len(table.known_N)
        precision_N = np.asarray(1 / self.variance + np.bincount(table.item_A, told_A, n))
        weighted_A = self.scale_W[w] * (z_A - self.bias_W[w]) / self.variance_W[w]
        return precision_N, np.asarray(self.mean / self.variance + np.bincount(table.item_A, weighted_A, n))

    def worths(self, table: Scores, z_A: Floats, known_N: Floats) -> tuple[Floats, Floats]:
        """Return mean and variance of the worth of every item, given the answers; gold is as it is."""
        precision_N, sum_N = self.sums(table, z_A)
        is_known = ~np.isnan(known_N)
        return np.where(is_known, known_N, sum_N / precision_N), np.where(is_known, 0.0, 1 / precision_N)

    def log_likelihood(self, table: Scores, z_A: Floats, known_N: Floats) -> float:
        """Return the log-likelihood of the answers, worths of unknown items integrated out."""
        w, n = table.annotator_A, len(known_N)
        centre_N = np.where(np.isnan(known_N), self.mean, known_N)
        variance_N = np.where(np.isnan(known_N), self.variance, 0.0)
        off_A = z_A - self.bias_W[w] - self.scale_W[w] * centre_N[table.item_A]
        told_N = np.bincount(table.item_A, self.scale_W[w] ** 2 / self.variance_W[w], n)
        through_N = np.bincount(table.item_A, self.scale_W[w] * off_A / self.variance_W[w], n)
        plain = (np.log(2 * np.pi * self.variance_W[w]) + off_A**2 / self.variance_W[w]).sum()
        shared_N = 1 + variance_N * told_N
        return float(-(plain + np.log(shared_N).sum() - (variance_N * through_N**2 / shared_N).sum()) / 2)


def fit_raters(given: Scores, width: float) -> RaterModel | None:
    """Return how annotators score; None where the plain mean explains the answers as well.

    Biases alone, and biases with scales, are held against neither by Schwarz's criterion (1978).

    Args:
        width: of the range of scores.
    """
    shared = _shared(given)
    if shared is None:
        return None
    middle = float(shared.score_A.mean())
    z_A, known_N = (shared.score_A - middle) / width, (shared.known_N - middle) / width
    cost = np.log(len(z_A)) / 2
    found = [_fit(shared, z_A, known_N, own) for own in (0, 2, 3)]
    worth = [
        fit.log_likelihood(shared, z_A, known_N) - cost * max(1, own * len(shared.annotators))
        for fit, own in zip(found, (0, 2, 3), strict=True)
    ]
    best = found[int(np.argmax(worth))]
    if best is found[0]:
        return None
    items_W = np.bincount(shared.annotator_A, minlength=len(shared.annotators))
    spread_W = np.sqrt(best.variance_W) * width
    raters = {
        name: Rater(float(best.bias_W[w] * width), float(best.scale_W[w]), float(spread_W[w]), int(items_W[w]))
        for w, name in enumerate(shared.annotators)
    }
    return RaterModel(middle, raters, float(np.sqrt(best.variance_W.mean()) * width))


def _shared(given: Scores) -> Scores | None:
    """Return the answers about items that several scored or whose worth is known; None where they are few."""
    several_N = (np.bincount(given.item_A, minlength=len(given.known_N)) > 1) | ~np.isnan(given.known_N)
    kept_A = several_N[given.item_A]
    if np.count_nonzero(kept_A) < FEWEST_ANSWERS:
        return None
    items, item_A = np.unique(given.item_A[kept_A], return_inverse=True)
    those, annotator_A = np.unique(given.annotator_A[kept_A], return_inverse=True)
    names = [given.annotators[w] for w in those.tolist()]
    return Scores(item_A, annotator_A, given.score_A[kept_A], given.known_N[items], names)


def _fit(table: Scores, z_A: Floats, known_N: Floats, own: int) -> _Fit:
    """Return the most probable parameters by expectation maximisation.

    Args:
        own: what each annotator has of its own: 0 nothing, 2 bias and spread, 3 scale too.
    """
    w, annotators = table.annotator_A, len(table.annotators)
    answers_W = np.bincount(w, minlength=annotators).astype(np.float64)
    start = max(float(z_A.var()) / 2, _LEAST_SPREAD**2)
    fit = _Fit(np.zeros(annotators), np.ones(annotators), np.full(annotators, start), 0.0, start)
    for _ in range(_STEPS):
        before = np.concatenate([fit.bias_W, fit.scale_W, fit.variance_W])
        worth_N, doubt_N = fit.worths(table, z_A, known_N)
        u_A, square_A = worth_N[table.item_A], (worth_N**2 + doubt_N)[table.item_A]
        if own:
            _own(fit, table, z_A, u_A, square_A, scales=own > 2)
        scale_A, off_A = fit.scale_W[w], z_A - fit.bias_W[w]
        left_A = off_A**2 - 2 * scale_A * off_A * u_A + scale_A**2 * square_A
        usual = float(left_A.mean())
        if own:
            fit.variance_W = (np.bincount(w, left_A, annotators) + USUAL_ANSWERS * usual) / (answers_W + USUAL_ANSWERS)
        else:
            fit.variance_W = np.full(annotators, usual)
        fit.variance_W = np.maximum(fit.variance_W, _LEAST_SPREAD**2)
        fit.mean = float(worth_N.mean())
        fit.variance = max(float(((worth_N - fit.mean) ** 2 + doubt_N).mean()), _LEAST_SPREAD**2)
        if np.abs(np.concatenate([fit.bias_W, fit.scale_W, fit.variance_W]) - before).max() < _TOLERANCE:
            break
    return fit


def _own(fit: _Fit, table: Scores, z_A: Floats, u_A: Floats, square_A: Floats, *, scales: bool) -> None:
    """Regress the answers of each annotator on the worths: bias, and scale, each with its prior."""
    w, annotators, v_W = table.annotator_A, len(table.annotators), fit.variance_W

    def over(values_A: Floats) -> Floats:
        return np.asarray(np.bincount(w, values_A, annotators) / v_W)

    ones, through, squares = over(np.ones(len(w))), over(u_A), over(square_A)
    answers, crossed = over(z_A), over(z_A * u_A)
    ones = ones + SPREAD_OF_BIAS**-2
    if scales:
        squares, crossed = squares + SPREAD_OF_SCALE**-2, crossed + SPREAD_OF_SCALE**-2
        scale_W = (ones * crossed - through * answers) / (ones * squares - through**2)
        fit.scale_W = np.maximum(scale_W, _LEAST_SCALE)
    fit.bias_W = (answers - fit.scale_W * through) / ones
