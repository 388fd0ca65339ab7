"""How often intervals that say 95 % hold the truth."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from benchmarks.assessment.report import markdown
from nextlabel.server.assessment.estimates.anytime import anytime_share, error_watched
from nextlabel.server.assessment.estimates.arms import gain_of
from nextlabel.server.assessment.estimates.pool_mean import Draws, pool_mean
from nextlabel.server.assessment.estimates.prediction_powered import Predictions, prediction_powered_mean
from nextlabel.server.assessment.estimates.sampled_batches import SampledBatch, weighted_share
from nextlabel.server.assessment.intervals import Estimate, wilson_bounds, wilson_interval

Rng = np.random.Generator
_Simulation = Callable[[Rng], tuple[float, Estimate | None]]


def table(_data: Path, sims: int) -> str:
    """Return the coverage of every interval."""
    rows = [(name, *_covered(make, sims, seed)) for seed, (name, make) in enumerate(_CASES.items())]
    rows.append(("anytime-valid share, 10 to 1,000 answers, every look", *_all_looks(sims), "–", 0.0))
    rows += [(f"anytime-valid {name}, every look", *_watched(make, sims), "–", 0.0) for name, make in _WATCHED.items()]
    shown: str = markdown(
        f"Coverage of 95 % intervals, {sims} simulations",
        ("interval", "coverage", "mean width", "width / uniform draws, as many", "not given"),
        rows,
    )
    return shown


def _covered(make: _Simulation, sims: int, seed: int) -> tuple[object, ...]:
    rng = np.random.default_rng(seed)
    found = [(truth, e) for truth, e in (make(rng) for _ in range(sims)) if e is not None]
    refused = 1 - len(found) / sims
    if not found:
        return "–", "–", "–", refused
    held = [e.low <= truth <= e.high for truth, e in found]
    widths = np.array([e.high - e.low for _, e in found])
    if make in _CURVES.values():
        return float(np.mean(held)), float(widths.mean()), "–", refused
    uniform = np.array([np.subtract(*wilson_bounds(truth, e.items)[::-1]) for truth, e in found])
    return float(np.mean(held)), float(widths.mean()), float((widths / uniform).mean()), refused


def _all_looks(sims: int) -> tuple[float, float]:
    rng = np.random.default_rng(99)
    held, widths = [], []
    for _ in range(sims):
        share = rng.uniform(0.5, 0.98)
        hits = np.cumsum(rng.random(1000) < share)
        looks = [anytime_share(int(hits[n - 1]), n) for n in range(10, 1001, 10)]
        held.append(all(e.low <= share <= e.high for e in looks))
        widths.append(looks[-1].high - looks[-1].low)
    return float(np.mean(held)), float(np.mean(widths))


def _watched(make: Callable[[Rng], Iterator[tuple[float, Estimate]]], sims: int) -> tuple[float, float]:
    """Return how often all looks of a series hold, and the mean width at the last one."""
    rng = np.random.default_rng(98)
    held, widths = [], []
    for _ in range(sims):
        looks = list(make(rng))
        held.append(all(e.low <= truth <= e.high for truth, e in looks))
        widths.append(looks[-1][1].high - looks[-1][1].low)
    return float(np.mean(held)), float(np.mean(widths))


def _watched_draws(rng: Rng, quality: float | None) -> Iterator[tuple[float, Estimate]]:
    """Uniform draws looked at after every twentieth of 400, by people alone or with predictions of some quality."""
    size = 4_000
    labels = (rng.random(size) < rng.uniform(0.1, 0.6)).astype(float)
    predictions = (quality or 0) * labels + (1 - (quality or 0)) * rng.random(size)
    for n in range(20, 401, 20):
        draws, error = Draws.uniform(np.arange(n), size - np.arange(n)), error_watched(n)
        if quality is None:
            found = pool_mean(draws, labels[:n], share=True, error=error)
        else:
            known = Predictions(predictions[:n], predictions[n:], size - n)
            found = prediction_powered_mean(draws, labels[:n], known, share=True, error=error)
        yield float(labels.mean()), found


def _watched_lure(rng: Rng) -> Iterator[tuple[float, Estimate]]:
    """Weighted draws looked at after every twentieth of 200."""
    errors, probabilities = _weighted_draws(rng, 200, 0.3)
    values, truth = errors
    for n in range(20, 201, 20):
        draws = Draws.one_at_a_time(probabilities[:n], 2_000)
        yield truth, pool_mean(draws, values[:n], share=True, error=error_watched(n))


def _curves(rng: Rng, n: int, luck: float) -> tuple[float, Estimate]:
    """Learners of chosen and of random labels on the same holdout, each of an accuracy that has its luck."""
    easy_n, mean, gain = rng.random(n), rng.uniform(0.65, 0.75), rng.uniform(-0.02, 0.06)

    def right_n(accuracy: float) -> np.ndarray:
        return rng.random(n) < accuracy + rng.normal(0, luck) + 0.4 * (easy_n - 0.5)

    # Luck is known from the spread of five learners of each kind.
    known = luck * float((rng.chisquare(4, 2) / 4).sum()) ** 0.5
    return gain, gain_of(right_n(mean), right_n(mean + gain), known)


def _pool(rng: Rng, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Errors of a classifier and an uncertainty that tells of them."""
    uncertainty = rng.beta(1, 4, size)
    return (rng.random(size) < uncertainty).astype(float), uncertainty


def _weighted_draws(rng: Rng, draws: int, floor: float) -> tuple[tuple[np.ndarray, float], np.ndarray]:
    """Return the errors of draws by uncertainty with their share in the pool, and the draws' probabilities."""
    errors, uncertainty = _pool(rng, 2000)
    # The largest perturbed logarithms of weights are draws one after the other without replacement (Efraimidis and
    # Spirakis 2006); each has its share of the weight that is left.
    weights = uncertainty + floor
    order = np.argsort(-np.log(weights) - rng.gumbel(size=len(weights)))
    left = weights.sum() - np.cumsum(weights[order]) + weights[order]
    return (errors[order[:draws]], float(errors.mean())), (weights[order] / left)[:draws]


def _lure(rng: Rng, draws: int, floor: float) -> tuple[float, Estimate]:
    (values, truth), probabilities = _weighted_draws(rng, draws, floor)
    return truth, pool_mean(Draws.one_at_a_time(probabilities, 2000), values, share=True)


def _power_batches(rng: Rng, batches: int, picks: int, sharpness: float) -> tuple[float, Estimate | None]:
    """Batches by power sampling, each of an own model; its uncertainty tells of errors, but not of all of them."""
    truths, found = [], []
    for _ in range(batches):
        uncertainty = rng.beta(1 / sharpness, 4, 2000)
        wrong = rng.random(2000) < np.maximum(uncertainty, 0.02)
        log_weights = np.log(np.maximum(np.minimum(1, 2 * uncertainty), 1e-4))
        perturbed = log_weights + rng.gumbel(size=2000)
        order = np.argsort(-perturbed)
        chosen, threshold = order[:picks], perturbed[order[picks]]
        probabilities = -np.expm1(-np.exp(log_weights[chosen] - threshold))
        truths.append(wrong.mean())
        found.append(SampledBatch(wrong[chosen], probabilities, 2000))
    return float(np.mean(truths)), weighted_share(found)


def _audit(rng: Rng, rounds: int, batch: int, audited: int) -> tuple[float, Estimate]:
    """Rounds of a few uniform draws among many greedy picks, as a run with an audit share makes them."""
    errors, uncertainty = _pool(rng, 2000)
    order, left = np.argsort(-uncertainty), np.ones(len(errors), bool)
    positions: list[int] = []
    remaining: list[int] = []
    seen = np.empty(0)
    for _ in range(rounds):
        candidates = np.flatnonzero(left)
        drawn = rng.choice(candidates, audited, replace=False)
        left[drawn] = False
        greedy = order[left[order]][: batch - audited]
        left[greedy] = False
        positions += range(len(seen), len(seen) + audited)
        remaining += range(len(candidates), len(candidates) - audited, -1)
        seen = np.concatenate([seen, errors[drawn], errors[greedy]])
    return float(errors.mean()), pool_mean(Draws.uniform(positions, remaining), seen, share=True)


def _ppi(rng: Rng, n: int, quality: float) -> tuple[float, Estimate]:
    share = rng.uniform(0.1, 0.6)
    labels = (rng.random(2000) < share).astype(float)
    predictions = np.clip(quality * labels + (1 - quality) * rng.random(2000), 0, 1)
    draws = Draws.uniform(np.arange(n), 2000 - np.arange(n))
    known = Predictions(predictions[:n], predictions[n:], 2000 - n)
    return float(labels.mean()), prediction_powered_mean(draws, labels[:n], known, share=True)


def _holdout(rng: Rng, n: int) -> tuple[float, Estimate]:
    share = rng.uniform(0.6, 0.98)
    return share, wilson_interval(int(rng.binomial(n, share)), n)


_CURVES: dict[str, _Simulation] = {
    "curves compared, 300 holdout items, luck of .01": lambda rng: _curves(rng, 300, 0.01),
    "curves compared, 300 holdout items, luck of .03": lambda rng: _curves(rng, 300, 0.03),
}
_CASES: dict[str, _Simulation] = {
    "holdout, 100 items": lambda rng: _holdout(rng, 100),
    "holdout, 500 items": lambda rng: _holdout(rng, 500),
    "LURE, 50 draws, mild weights": lambda rng: _lure(rng, 50, 0.3),
    "LURE, 200 draws, mild weights": lambda rng: _lure(rng, 200, 0.3),
    "LURE, 200 draws, strong weights": lambda rng: _lure(rng, 200, 0.05),
    "power sampling, 5 batches of 20": lambda rng: _power_batches(rng, 5, 20, 1),
    "power sampling, 5 batches of 100": lambda rng: _power_batches(rng, 5, 100, 1),
    "power sampling, 5 batches of 20, few unsure": lambda rng: _power_batches(rng, 5, 20, 3),
    "power sampling, 5 batches of 20, most unsure": lambda rng: _power_batches(rng, 5, 20, 0.3),
    "audit stream, 10 rounds of 20 with 5 uniform": lambda rng: _audit(rng, 10, 20, 5),
    "audit stream, 40 rounds of 20 with 4 uniform": lambda rng: _audit(rng, 40, 20, 4),
    "PPI, 50 labels, good predictions": lambda rng: _ppi(rng, 50, 0.6),
    "PPI, 50 labels, useless predictions": lambda rng: _ppi(rng, 50, 0.0),
    "PPI, 300 labels, good predictions": lambda rng: _ppi(rng, 300, 0.6),
    **_CURVES,
}
_WATCHED: dict[str, Callable[[Rng], Iterator[tuple[float, Estimate]]]] = {
    "class share, 20 to 400 draws": lambda rng: _watched_draws(rng, None),
    "PPI, 20 to 400 draws, good predictions": lambda rng: _watched_draws(rng, 0.6),
    "LURE, 20 to 200 draws": _watched_lure,
}
