"""Which of several sources' labels may stand: each is tested, and one is chosen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nextlabel.server.assessment.calibration import Calibrator, GoldCheck
from nextlabel.server.assessment.delivered import delivered_confidences
from nextlabel.server.assessment.estimates.effective import share_estimate
from nextlabel.server.assessment.intervals import Estimate, wilson_interval
from nextlabel.server.assessment.routing.acceptance import Certificate, Feasibility, Promise, certify, feasibility

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class SourceScores:
    """Scores in [0, 1], higher = surer, of a source's labels: of G gold items, which are right or not, and N others.

    Gold is a random sample of the pool. No score was fitted on it.
    """

    name: str
    gold_G: Floats
    right_G: npt.NDArray[np.bool_]
    pool_N: Floats


@dataclass(frozen=True, slots=True)
class SourceProof:
    """What gold says of a source: whether the promise can be kept, and the certificate, None without a proof."""

    name: str
    feasibility: Feasibility | None
    certificate: Certificate | None
    accepted: int


def proofs(sources: Sequence[SourceScores], promise: Promise) -> Sequence[SourceProof]:
    """Test every source at an equal part of the promise's error, so that whichever is chosen keeps the promise."""
    if not sources:
        return ()
    part = Promise(promise.accuracy, promise.error / len(sources))
    found = []
    for source in sources:
        proof = certify(source.gold_G, source.right_G, source.pool_N, part)
        accepted = int((source.pool_N >= proof.threshold).sum()) if proof else 0
        found.append(SourceProof(source.name, feasibility(source.right_G, part), proof, accepted))
    return found


def chosen(found: Sequence[SourceProof]) -> SourceProof | None:
    """Return the proven source that accepts most labels, the first of equal ones; None where nothing is proven."""
    proven = [one for one in found if one.certificate is not None]
    return max(proven, key=lambda one: one.accepted, default=None)


def calibrator_of(score_G: npt.ArrayLike, right_G: npt.ArrayLike) -> Calibrator | None:
    """Return what turns a score into the probability of being right; None with too little gold."""
    return Calibrator.fit(_checks(score_G, right_G))


def expected_accuracy(score_G: npt.ArrayLike, right_G: npt.ArrayLike, delivered_N: npt.ArrayLike) -> Estimate | None:
    """Return the accuracy of N labels with the calibrated confidences ``delivered_N``, in [0, 1]; None without gold.

    The mean confidence is corrected by what confidences of gold, each by a calibrator that has not seen it, are
    wrong by (the difference estimator, Cassel, Sarndal and Wretman 1976): right also where the N are surer than gold
    is. With too little gold to calibrate on it is the share of gold that is right.
    """
    right, confidence = np.asarray(right_G, np.float64), np.asarray(delivered_N, np.float64)
    if not len(right):
        return None
    checks = _checks(score_G, right_G)
    held_out = delivered_confidences({str(number): check for number, check in enumerate(checks)})
    if held_out is None or not len(confidence):
        return wilson_interval(int(right.sum()), len(right))
    errors = held_out[1] - held_out[0]
    value = float(confidence.mean() + errors.mean())
    variance = float(errors.var(ddof=1)) / len(errors) + float(confidence.var()) / len(confidence)
    return share_estimate(min(max(value, 0.0), 1.0), variance, len(errors), len(errors), len(errors) - 1)


def together(parts: Sequence[tuple[int, Estimate]]) -> Estimate | None:
    """Return the accuracy of several groups of labels, each so many; None where there are none.

    Widths add up as if all were wrong the same way at once: the groups may have been judged by the same gold.
    """
    total = sum(count for count, _ in parts)
    if not total:
        return None
    value, low, high = (
        sum(count * getattr(estimate, name) for count, estimate in parts) / total for name in ("value", "low", "high")
    )
    return Estimate(value, low, high, max(estimate.items for _, estimate in parts))


def _checks(score_G: npt.ArrayLike, right_G: npt.ArrayLike) -> Sequence[GoldCheck]:
    scores, right = np.asarray(score_G, np.float64).tolist(), np.asarray(right_G, np.bool_).tolist()
    return [GoldCheck({"score": score}, is_right) for score, is_right in zip(scores, right, strict=True)]
