"""How often promises about the learner's labels are broken on real sets, and how much is accepted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy.stats import beta

from benchmarks.assessment.report import markdown
from benchmarks.routing.worlds import worlds
from nextlabel.server.assessment.routing.acceptance import Promise, certify
from nextlabel.server.assessment.routing.cascades import GoldAnswers
from nextlabel.server.assessment.routing.sources import SourceScores, chosen, proofs

MODELS = 5
GOLD = (200, 500)
PROMISES = (0.8, 0.9, 0.95)
_SPARE = 3.0
"""Standard errors; with 0, 1 or 2, or by an exact bound at 1, 5 or 20 %, less was accepted."""


def table(data: Path, cache: Path, sims: int) -> str:
    """Return broken promises and accepted shares, beside exact bounds at the same thresholds."""
    found: dict[tuple[str, float, int], list[tuple[float, ...]]] = {}
    for model in range(MODELS):
        for world in worlds(data, cache, model):
            for accuracy in PROMISES:
                for gold in GOLD:
                    rng = np.random.default_rng(1_000 * model + gold)
                    for _ in range(sims // MODELS):
                        sample, pool = world.split(gold, rng)
                        measured = _measured(sample, pool, Promise(accuracy))
                        found.setdefault((world.name, accuracy, gold), []).append(measured)
    columns = (
        "set",
        "promise",
        "gold",
        "learner: broken",
        "accepted",
        "Clopper-Pearson, uncorrected: broken",
        "accepted",
        "Clopper-Pearson, Bonferroni: accepted",
        "Clopper-Pearson on one half, threshold from the other: broken",
        "accepted",
        "learner or LLM: broken",
        "accepted",
    )
    rows = [(*key, *np.mean(measured, axis=0).tolist()) for key, measured in found.items()]
    shown: str = markdown(f"Labels of the learner accepted without a look, {sims} draws of gold", columns, rows)
    return shown


def _measured(gold: GoldAnswers, pool: GoldAnswers, promise: Promise) -> tuple[float, ...]:
    right_G, right_N = gold.learned_G == gold.truth_G, pool.learned_G == pool.truth_G
    proof = certify(gold.sure_G, right_G, pool.sure_G, promise)
    plain = _exact(gold.sure_G, right_G, pool.sure_G, promise, promise.error)
    strict = _exact(gold.sure_G, right_G, pool.sure_G, promise, promise.error / 40)
    return (
        *_judged(None if proof is None else proof.threshold, pool.sure_G, right_N, promise),
        *_judged(plain, pool.sure_G, right_N, promise),
        _judged(strict, pool.sure_G, right_N, promise)[1],
        *_judged(_halves(gold.sure_G, right_G, pool.sure_G, promise), pool.sure_G, right_N, promise),
        *_best_source(gold, pool, promise),
    )


def _judged(threshold: float | None, score_N: np.ndarray, right_N: np.ndarray, promise: Promise) -> tuple[float, float]:
    if threshold is None:
        return 0.0, 0.0
    accepted = score_N >= threshold
    return float(right_N[accepted].mean() < promise.accuracy), float(accepted.mean())


def _exact(
    score_G: np.ndarray, right_G: np.ndarray, score_N: np.ndarray, promise: Promise, error: float
) -> float | None:
    """Return the lowest of forty thresholds whose own lower bound keeps the promise."""
    kept = []
    for threshold in np.quantile(score_N, np.linspace(0, 1, 41)[:-1], method="lower"):
        over = score_G >= threshold
        hits = int((right_G & over).sum())
        if hits and beta.ppf(error, hits, int(over.sum()) - hits + 1) >= promise.accuracy:
            kept.append(float(threshold))
    return min(kept, default=None)


def _halves(score_G: np.ndarray, right_G: np.ndarray, score_N: np.ndarray, promise: Promise) -> float | None:
    """Return the threshold that the first half of gold, whose order says nothing, speaks for, if the second proves it.

    It is the laxest of forty at which the first half is right often enough with something to spare.
    """
    first, second = slice(0, len(score_G) // 2), slice(len(score_G) // 2, None)
    for threshold in np.quantile(score_N, np.linspace(0, 1, 41)[:-1], method="lower"):
        kept = right_G[first][score_G[first] >= threshold]
        if len(kept) and kept.mean() - _SPARE * kept.std() / len(kept) ** 0.5 >= promise.accuracy:
            over = score_G[second] >= threshold
            hits = int((right_G[second] & over).sum())
            proven = hits and beta.ppf(promise.error, hits, int(over.sum()) - hits + 1) >= promise.accuracy
            return float(threshold) if proven else None
    return None


def _best_source(gold: GoldAnswers, pool: GoldAnswers, promise: Promise) -> tuple[float, float]:
    """Test the learner and an LLM that agrees or not with it, and take what accepts most."""
    sources, labels = [], {"learner": pool.learned_G, **pool.given}
    for name, said_G, said_N in (
        ("learner", gold.learned_G, pool.learned_G),
        *((name, gold.given[name], pool.given[name]) for name in gold.given),
    ):
        # An LLM is as sure as the learner is of the same label, or not at all.
        sure_G = np.where(said_G == gold.learned_G, gold.sure_G, 1 - gold.sure_G)
        sure_N = np.where(said_N == pool.learned_G, pool.sure_G, 1 - pool.sure_G)
        sources.append(SourceScores(name, sure_G, said_G == gold.truth_G, sure_N))
    best = chosen(proofs(sources, promise))
    if best is None or best.certificate is None:
        return 0.0, 0.0
    scores = next(one.pool_N for one in sources if one.name == best.name)
    return _judged(best.certificate.threshold, scores, labels[best.name] == pool.truth_G, promise)
