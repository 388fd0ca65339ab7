"""How often a promise about accepted labels is broken, and how much is accepted under it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy.stats import binom

from benchmarks.assessment.report import markdown
from nextlabel.server.assessment.routing.acceptance import Promise, certify

POOL = 4_000


def table(_data: Path, sims: int) -> str:
    """Return broken promises and accepted shares, beside exact tests with Bonferroni's correction."""
    rows = [
        (name, accuracy, gold, *_measured(skill, Promise(accuracy), gold, sims))
        for skill, name in ((3.0, "good scores"), (1.0, "weak scores"), (0.0, "useless scores"))
        for accuracy in (0.8, 0.9, 0.95)
        for gold in (200, 500)
    ]
    columns = ("annotator", "promise", "gold", "broken", "accepted", "accepted by Bonferroni", "certified in")
    shown: str = markdown(f"Accepted without review, {sims} simulations", columns, rows)
    return shown


def _measured(skill: float, promise: Promise, gold: int, sims: int) -> tuple[float, float, float, float]:
    rng = np.random.default_rng(int(skill * 10) + gold)
    broken, accepted, by_bonferroni, certified = [], [], [], []
    for _ in range(sims):
        scores = rng.random(POOL + gold)
        chance = 1 / (1 + np.exp(-(1.2 + skill * (2 * scores - 1))))
        right = rng.random(len(scores)) < chance
        found = certify(scores[:gold], right[:gold], scores[gold:], promise)
        certified.append(found is not None)
        accepted.append(found.share if found else 0.0)
        # The promise is about answers to come: their chance of being right, not the luck of a sample.
        broken.append(found is not None and chance[gold:][scores[gold:] >= found.threshold].mean() < promise.accuracy)
        by_bonferroni.append(_bonferroni(scores[:gold], right[:gold], promise))
    return float(np.mean(broken)), float(np.mean(accepted)), float(np.mean(by_bonferroni)), float(np.mean(certified))


def _bonferroni(scores: np.ndarray, right: np.ndarray, promise: Promise) -> float:
    shares = np.linspace(0, 1, 41)[1:]
    order = np.argsort(-scores, kind="stable")
    kept = np.searchsorted(-scores[order], shares - 1, side="right")
    hits = np.concatenate([[0], np.cumsum(right[order])])[kept]
    chances = binom.sf(hits - 1, kept, promise.accuracy)
    return float(shares[chances <= promise.error / len(shares)].max(initial=0.0))
