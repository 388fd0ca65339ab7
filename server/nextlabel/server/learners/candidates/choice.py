"""Choosing candidates by cross-validation on the labels.

From 300 labels on the best one is used, and the plain one unless another is clearly better. Fewer cannot tell similar
candidates apart, and the best on them is the best on others only by luck: there the candidates that are the best on
resamples of the labels are used together, each by how often it is, as one head that adds them up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from itertools import product

import numpy as np
from numpy.typing import NDArray

from nextlabel.server.learners.candidates.calibration import calibrate
from nextlabel.server.learners.candidates.candidates import CandidateFitter
from nextlabel.server.learners.candidates.description import (
    CandidateChoice,
    CandidatePart,
    CandidateScore,
    LearnerCandidate,
)
from nextlabel.server.learners.candidates.linear import TrainedHead, softmax
from nextlabel.server.learners.candidates.measures import Measure, Measured, expected_macro_f1, without_noise

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]
Bool = NDArray[np.bool_]

FEW_LABELS, FOLDS_OF_FEW, FOLDS = 300, 5, 3
CHOICE_TOLERANCE = 3e-4  # looser than for the model itself: the order of the candidates does not need more
MIN_LABELS = 10  # fewer labels than this cannot tell candidates apart
OTHERS_SAMPLE = 2_000  # of labels that are trained on and never held out, such as untrusted ones
MAX_LABELS = 2_000  # with more the pool adds little, and cross-validation would take long
ENOUGH_TRUSTED = 30  # from here trusted labels choose alone
RESAMPLES = 500
MOST_PARTS = 3  # of a head: each is trained again with every model


class Descriptions(Enum):
    """What is done with the texts that describe the classes."""

    NONE = auto()
    COMPARED = auto()
    ALWAYS = auto()

    @classmethod
    def of(cls, described_k: Int64 | None, shares_NC: Float32) -> Descriptions:
        """What suits labels of N items and descriptions of the classes k.

        Few labels are always helped by descriptions. A class without labels is predicted only by what describes it,
        and no held-out label can tell what that is worth; one that many labels miss is too rare for it to stand for.
        """
        if described_k is None:
            return cls.NONE
        if len(shares_NC) < MIN_LABELS:
            return cls.ALWAYS
        misses_one = not shares_NC[:, described_k].any(axis=0).all()
        return cls.ALWAYS if misses_one and len(shares_NC) < FEW_LABELS else cls.COMPARED


def unchosen(labels: int, *, described: bool = False) -> CandidateChoice:
    """The plain estimator, where labels are too few or too many to choose by."""
    return CandidateChoice(LearnerCandidate.PLAIN, described, scores=(), held_out=labels)


@dataclass(frozen=True, slots=True, eq=False)
class HeldOut:
    """The items to choose by.

    Attributes:
        items_n: their positions among the fitter's items; all others are always trained on.
        embeddings_nD: their embeddings.
        shares_nC: what their labels say, the weight of each spread over classes.
        untrusted_n: whose labels may be wrong.
    """

    items_n: Int64
    embeddings_nD: Float32
    shares_nC: Float32
    untrusted_n: Bool


def cross_validate(
    fitter: CandidateFitter,
    n_items: int,
    held_out: HeldOut,
    descriptions: Descriptions,
    measure: Measure,
    rng: np.random.Generator,
) -> CandidateChoice:
    """Scores every candidate on the same folds, and chooses.

    Args:
        descriptions: whether they are compared with going without, or used whatever is chosen.
    """
    ways = (False,) if descriptions is Descriptions.NONE else (False, True)
    variants = list(product(LearnerCandidate, ways))
    logits_knC = np.zeros((len(variants), *held_out.shares_nC.shape), np.float32)
    everything = np.arange(n_items)
    start: TrainedHead | None = None
    for fold in stratified_folds(held_out.shares_nC.argmax(axis=1), rng):
        known = np.setdiff1d(everything, held_out.items_n[fold], assume_unique=True)
        start = fitter.fit(LearnerCandidate.PLAIN, known, start)
        for i, (candidate, described) in enumerate(variants):
            head = fitter.fit(candidate, known, start, described=described)
            logits_knC[i, fold] = head.logits(held_out.embeddings_nD[fold])
    calibrations = [calibrate(logits, held_out.shares_nC, held_out.untrusted_n) for logits in logits_knC]
    noise = max(calibrations, key=lambda calibration: calibration.evidence).noise
    shares_nC = without_noise(held_out.shares_nC, held_out.untrusted_n, noise)
    predicted = [
        softmax(logits * np.float32(calibration.sharpness))
        for logits, calibration in zip(logits_knC, calibrations, strict=True)
    ]
    found = [measure(probabilities_nC, shares_nC) for probabilities_nC in predicted]
    scores = _scores(variants, predicted, found, shares_nC)
    labels = len(held_out.items_n)
    if labels >= FEW_LABELS:
        weights_k = np.array([float(variant == choose(scores)) for variant in variants])
    else:
        told_k = np.array([described or descriptions is not Descriptions.ALWAYS for _, described in variants])
        weights_k = how_often_best(found, told_k, rng)
    parts = [
        CandidatePart(variants[i][0], variants[i][1], float(weights_k[i] * calibrations[i].sharpness))
        for i in np.argsort(-weights_k, kind="stable")
        if weights_k[i] > 0
    ]
    sharpness = sum(part.factor for part in parts)
    first = parts[0]
    return CandidateChoice(
        first.candidate, first.described, scores, labels, sharpness=sharpness, noise=noise, parts=tuple(parts)
    )


def belief_in(
    fitters: Mapping[float, CandidateFitter],
    n_items: int,
    held_out: HeldOut,
    *,
    described: bool,
    rng: np.random.Generator,
) -> float:
    """How far labels that are not trusted are to be believed, from what they make of predicting held-out ones.

    The geometric mean of some beliefs, each weighted by how likely the held-out labels are under the plain candidate
    that is fitted in this belief: what errs much is better fitted less closely.

    Args:
        fitters: by the belief that their labels are weighted in.
        described: whether the texts that describe the classes are examples of them.
    """
    logits = {belief: np.zeros(held_out.shares_nC.shape, np.float32) for belief in fitters}
    everything = np.arange(n_items)
    for fold in stratified_folds(held_out.shares_nC.argmax(axis=1), rng):
        known = np.setdiff1d(everything, held_out.items_n[fold], assume_unique=True)
        start: TrainedHead | None = None
        for belief, fitter in fitters.items():
            start = fitter.fit(LearnerCandidate.PLAIN, known, start, described=described)
            logits[belief][fold] = start.logits(held_out.embeddings_nD[fold])
    evidence = np.array(
        [calibrate(logits_nC, held_out.shares_nC, held_out.untrusted_n).evidence for logits_nC in logits.values()]
    )
    likely = np.exp(evidence - evidence.max())
    return float(np.exp(likely @ np.log(list(fitters)) / likely.sum()))


def how_often_best(found: Sequence[Measured], eligible_k: Bool, rng: np.random.Generator) -> Float64:
    """On which share of resamples of the items each of k candidates is the best; at most `MOST_PARTS` are above 0.

    The Bayesian bootstrap (Rubin 1981) of the candidates' figures, by each item's influence on them, as pseudo-BMA+
    weights models (Yao, Vehtari, Simpson and Gelman 2018, "Using Stacking to Average Bayesian Predictive
    Distributions").

    Args:
        found: the figures of the candidates on the same items.
        eligible_k: which candidates may be used.
    """
    influence_kn = np.stack([measured.influence_n for measured in found])
    n = influence_kn.shape[1]
    weights_rn = rng.dirichlet(np.ones(n), RESAMPLES)
    values_rk = np.array([measured.value for measured in found]) + (weights_rn - 1 / n) @ influence_kn.T
    best_r = np.where(eligible_k, values_rk, -np.inf).argmax(axis=1)
    times_k = np.bincount(best_r, minlength=len(found)).astype(np.float64)
    times_k[np.argsort(-times_k, kind="stable")[MOST_PARTS:]] = 0
    return np.asarray(times_k / times_k.sum())


def held_out_logits(
    fitter: CandidateFitter, n_items: int, held_out: HeldOut, choice: CandidateChoice, rng: np.random.Generator
) -> Float32:
    """Logits of the held-out items by the candidates in use, recalibrated, each by a model without the item's label."""
    logits_nC = np.zeros(held_out.shares_nC.shape, np.float32)
    everything = np.arange(n_items)
    for fold in stratified_folds(held_out.shares_nC.argmax(axis=1), rng):
        known = np.setdiff1d(everything, held_out.items_n[fold], assume_unique=True)
        logits_nC[fold] = fitter.fit_all(choice.in_use, known).logits(held_out.embeddings_nD[fold])
    return logits_nC


def stratified_folds(labels_n: Int64, rng: np.random.Generator, folds: int | None = None) -> list[Int64]:
    """Disjoint parts of n items, none empty, as many as suit n unless said; every class is dealt out evenly."""
    shuffled = rng.permutation(len(labels_n))
    by_class = shuffled[np.argsort(labels_n[shuffled], kind="stable")]
    folds = min(folds or (FOLDS_OF_FEW if len(labels_n) < FEW_LABELS else FOLDS), len(labels_n))
    return [by_class[fold::folds] for fold in range(folds)]


def _scores(
    variants: Sequence[tuple[LearnerCandidate, bool]],
    predicted: Sequence[Float32],
    found: Sequence[Measured],
    shares_nC: Float32,
) -> tuple[CandidateScore, ...]:
    right_n = shares_nC.argmax(axis=1)
    return tuple(
        CandidateScore(
            candidate=candidate,
            described=described,
            accuracy=float((probabilities_nC.argmax(axis=1) == right_n).mean()),
            expected_macro_f1=expected_macro_f1(probabilities_nC, shares_nC).value,
            gain=measured.value - found[0].value,
            gain_error=measured.error_of_gain(found[0]),
        )
        for (candidate, described), probabilities_nC, measured in zip(variants, predicted, found, strict=True)
    )


def choose(scores: Sequence[CandidateScore]) -> tuple[LearnerCandidate, bool]:
    """The candidate of greatest gain among those whose gain exceeds its standard error; else the plain one."""
    clear = [score for score in scores if score.gain > score.gain_error]
    if not clear:
        return LearnerCandidate.PLAIN, False
    best = max(clear, key=lambda score: score.gain)
    return best.candidate, best.described
