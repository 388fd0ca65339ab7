"""Whether advice is heard, and how much learner and embedding have a say beside it: what held-out labels say."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from nextlabel.server.learners.advice.blend import Blend
from nextlabel.server.learners.advice.features import KINDS
from nextlabel.server.learners.advice.fitting import ENOUGH_LABELS, Known, fit_blend
from nextlabel.server.learners.advice.usual_confidence import UsualConfidence
from nextlabel.server.learners.candidates.advice_choice import AdviceChoice, AdviceScore, AdviceUse, AdvisorWorth
from nextlabel.server.learners.candidates.calibration import calibrate
from nextlabel.server.learners.candidates.choice import stratified_folds
from nextlabel.server.learners.candidates.linear import softmax
from nextlabel.server.learners.candidates.measures import TINY, Measure, Measured, expected_macro_f1

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
LEAST_HELD_OUT = 2  # labels of which each can be predicted by the others
WEIGHTS = np.linspace(0, 1, 21)  # of learner and embedding beside advice
WORTHLESS = 0.05  # of advice, the probability before any label that the learner does best without it
CLEAR_OF_FOUR = 2.24
"""Standard errors that a gain exceeds by chance in one of eighty cases: the learner was chosen among four candidates on
these labels, so that it looks too good."""


def choose_blend(
    advisors: tuple[str, ...], known: Known, measure: Measure, rng: np.random.Generator
) -> tuple[Blend | None, AdviceChoice]:
    """Fits what does best on held-out labels; None where the learner alone does.

    Between recalibrated advice alone, and advice with learner and embedding beside it, logits are averaged with the
    weight that held-out labels tell: its mean under a uniform prior. So few labels leave it near one half, and many
    find the better of both. It is stacking (Yao, Vehtari, Simpson and Gelman 2018) of two predictions into a
    logarithmic pool (Genest and Zidek 1986). From there they go to the learner's own, as far as it is probable under
    the same labels that advice is worth nothing; and all of the way where the learner is clearly better than either.

    Args:
        known: the labeled items that have advice; the learner had not seen these labels.
    """
    alone = fit_blend(advisors, known, known.labels, advice_alone=True)
    if len(known) < LEAST_HELD_OUT:
        return alone, _chosen(AdviceUse.ADVICE, advisors, known, (), alone)
    alone_nC, both_nC = _held_out(advisors, known, rng)
    learner = Blend.of_learner(advisors, known.evidence)
    weight, worthless = _weight(alone_nC, both_nC, learner.logits_of(known.evidence), known.shares_NC)
    scores: tuple[AdviceScore, ...] = ()
    if len(known) >= ENOUGH_LABELS:
        predicted = {
            AdviceUse.LEARNER: known.evidence.learner_nC,
            AdviceUse.ADVICE: softmax(alone_nC),
            AdviceUse.BOTH: softmax(_between(alone_nC, both_nC, weight)),
        }
        recalibrated = {use: _recalibrated(found_nC, known.shares_NC) for use, found_nC in predicted.items()}
        measured = {use: measure(found_nC, known.shares_NC) for use, found_nC in recalibrated.items()}
        scores = tuple(_score(use, found_nC, measured, known.shares_NC) for use, found_nC in recalibrated.items())
        if _learner_is_clearly_better(measured):
            return None, _chosen(AdviceUse.LEARNER, advisors, known, scores, None)
    both = fit_blend(advisors, known, known.labels, advice_alone=False)
    blend = alone.toward(both, weight).toward(learner, worthless)
    return blend, _chosen(AdviceUse.BOTH, advisors, known, scores, blend)


def _held_out(advisors: tuple[str, ...], known: Known, rng: np.random.Generator) -> tuple[Float32, Float32]:
    """Logits by advice alone, and by all there is, each of an item by a blend that had not seen its label."""
    found = {advice_alone: np.zeros_like(known.shares_NC) for advice_alone in (True, False)}
    everything = np.arange(len(known))
    for fold in stratified_folds(known.shares_NC.argmax(axis=1), rng):
        others, items = known.take(np.setdiff1d(everything, fold, assume_unique=True)), known.evidence.take(fold)
        for advice_alone, logits_nC in found.items():
            blend = fit_blend(advisors, others, known.labels, advice_alone=advice_alone)
            logits_nC[fold] = blend.logits_of(items)
    return found[True], found[False]


def _weight(alone_nC: Float32, both_nC: Float32, learner_nC: Float32, shares_nC: Float32) -> tuple[float, float]:
    """The mean weight of the second logits, and how probable it is that the learner does best without any advice.

    Before any label is heard each weight is as probable as the others.
    """
    likelihoods = np.array([_log_likelihood(_between(alone_nC, both_nC, weight), shares_nC) for weight in WEIGHTS])
    odds = np.exp(likelihoods - likelihoods.max())
    advised = float(np.log(odds.mean()) + likelihoods.max()) + math.log1p(-WORTHLESS)
    worthless = _log_likelihood(learner_nC, shares_nC) + math.log(WORTHLESS)
    return float(odds @ WEIGHTS / odds.sum()), math.exp(worthless - float(np.logaddexp(advised, worthless)))


def _between(alone_nC: Float32, both_nC: Float32, weight: float) -> Float32:
    return np.asarray((1 - weight) * alone_nC + weight * both_nC, np.float32)


def _log_likelihood(logits_nC: Float32, shares_nC: Float32) -> float:
    return float((shares_nC * np.log(np.maximum(softmax(logits_nC), np.float32(TINY)))).sum(dtype=np.float64))


def _learner_is_clearly_better(measured: dict[AdviceUse, Measured]) -> bool:
    learner = measured[AdviceUse.LEARNER]
    others = (measured[AdviceUse.ADVICE], measured[AdviceUse.BOTH])
    return all(learner.value - other.value > CLEAR_OF_FOUR * learner.error_of_gain(other) for other in others)


def _score(
    use: AdviceUse, predicted_nC: Float32, measured: dict[AdviceUse, Measured], shares_nC: Float32
) -> AdviceScore:
    reference = measured[AdviceUse.ADVICE]
    return AdviceScore(
        use=use,
        accuracy=float((predicted_nC.argmax(axis=1) == shares_nC.argmax(axis=1)).mean()),
        expected_macro_f1=expected_macro_f1(predicted_nC, shares_nC).value,
        gain=measured[use].value - reference.value,
        gain_error=measured[use].error_of_gain(reference),
    )


def _recalibrated(probabilities_nC: Float32, shares_nC: Float32) -> Float32:
    """As sure as held-out labels show: else the surer of two would seem better, however often it is right."""
    logits_nC = np.log(np.maximum(probabilities_nC, np.float32(TINY)))
    sharpness = calibrate(logits_nC, shares_nC, np.zeros(len(shares_nC), np.bool_)).sharpness
    return softmax(logits_nC * np.float32(sharpness))


def _chosen(
    use: AdviceUse, advisors: tuple[str, ...], known: Known, scores: tuple[AdviceScore, ...], blend: Blend | None
) -> AdviceChoice:
    return AdviceChoice(use, advisors, scores, len(known), _worths(advisors, known, blend))


def _worths(advisors: tuple[str, ...], known: Known, blend: Blend | None) -> tuple[AdvisorWorth, ...]:
    counts = zip(advisors, _right(advisors, known), strict=True)
    usual = UsualConfidence.of(known.evidence.advice_nF, len(advisors))
    return tuple(
        AdvisorWorth(advisor, labels, right, 0.0 if blend is None else blend.weight(place, usual))
        for place, (advisor, (labels, right)) in enumerate(counts)
    )


def _right(advisors: tuple[str, ...], known: Known) -> Sequence[tuple[int, int]]:
    """How many labels each advisor had something to say of, and how many of them it named."""
    n, n_classes = known.shares_NC.shape
    named_nAC = known.evidence.advice_nF.reshape(n, len(advisors), KINDS, n_classes)[:, :, 0]
    given_nA = named_nAC.max(axis=2) > 0
    right_nA = given_nA & (named_nAC.argmax(axis=2) == known.shares_NC.argmax(axis=1)[:, None])
    return list(zip(given_nA.sum(axis=0).tolist(), right_nA.sum(axis=0).tolist(), strict=True))
