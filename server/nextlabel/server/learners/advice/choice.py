"""Whether advice is heard, and whether learner and embedding have a say beside it: what held-out labels say."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from nextlabel.server.learners.advice.blend import Blend, named_by
from nextlabel.server.learners.advice.features import KINDS
from nextlabel.server.learners.advice.fitting import ENOUGH_LABELS, PRESUMED_RIGHT, PRESUMED_WRONG, Known, fit_blend
from nextlabel.server.learners.advice.usual_confidence import UsualConfidence
from nextlabel.server.learners.candidates.advice_choice import AdviceChoice, AdviceScore, AdviceUse, AdvisorWorth
from nextlabel.server.learners.candidates.calibration import calibrate
from nextlabel.server.learners.candidates.choice import stratified_folds
from nextlabel.server.learners.candidates.linear import softmax
from nextlabel.server.learners.candidates.measures import TINY, Measure, expected_macro_f1

Float32 = NDArray[np.float32]
CLEAR = 1.64  # standard errors that a gain exceeds by chance in one of twenty cases
CLEAR_OF_FOUR = 2.24  # the same where these labels chose the learner among four candidates, so that it looks too good
CLEAR_OF = {AdviceUse.BOTH: CLEAR, AdviceUse.LEARNER: CLEAR_OF_FOUR}


def choose_blend(
    advisors: tuple[str, ...], known: Known, measure: Measure, rng: np.random.Generator
) -> tuple[Blend | None, AdviceChoice]:
    """Fits what does best on held-out labels; None where the learner alone does.

    A use that clearly gains more than recalibrated advice alone is taken; else, halfway between advice alone and both,
    which is seldom far behind the better of them. With labels too few to compare uses, advice alone is, and the learner
    is heard beside it once it is clearly right more often than the commonest class, or than any advisor.

    Args:
        known: the labeled items that have advice; the learner had not seen these labels.
    """
    scores = _scores(advisors, known, measure, rng) if len(known) >= ENOUGH_LABELS else ()
    clear = [score for score in scores if score.use in CLEAR_OF and score.gain > CLEAR_OF[score.use] * score.gain_error]
    if clear:
        use = max(clear, key=lambda score: score.gain).use
    else:
        use = AdviceUse.BOTH if scores or _learner_is_right(advisors, known) else AdviceUse.ADVICE
    blend = None
    if use is not AdviceUse.LEARNER:
        blend = fit_blend(advisors, known, known.labels, advice_alone=use is AdviceUse.ADVICE)
    if blend is not None and use is AdviceUse.BOTH and not clear:
        blend = blend.halfway_to(fit_blend(advisors, known, known.labels, advice_alone=True))
    return blend, AdviceChoice(use, advisors, scores, len(known), _worths(advisors, known, blend))


def _learner_is_right(advisors: tuple[str, ...], known: Known) -> bool:
    """Whether it names held-out labels clearly more often than the commonest class would, or than any advisor does.

    An advisor counts with the answers that it is presumed to have given, the learner with as many by chance.
    """
    n, n_classes = known.shares_NC.shape
    right_n = known.shares_NC.argmax(axis=1)
    most = int(np.bincount(right_n, minlength=n_classes).max())
    chance = (most + 1) / (n + n_classes)
    named_nC = named_by(known.evidence.learner_nC)
    hits = float(np.take_along_axis(named_nC, right_n[:, None], axis=1).sum())
    if hits > n * chance + CLEAR_OF_FOUR * math.sqrt(n * chance * (1 - chance)):
        return True
    presumed = PRESUMED_RIGHT + PRESUMED_WRONG
    advisor = max((right + PRESUMED_RIGHT) / (labels + presumed) for labels, right in _right(advisors, known))
    return hits > most and (hits + presumed * chance) / (n + presumed) > advisor


def _right(advisors: tuple[str, ...], known: Known) -> Sequence[tuple[int, int]]:
    """How many labels each advisor had something to say of, and how many of them it named."""
    n, n_classes = known.shares_NC.shape
    named_nAC = known.evidence.advice_nF.reshape(n, len(advisors), KINDS, n_classes)[:, :, 0]
    given_nA = named_nAC.max(axis=2) > 0
    right_nA = given_nA & (named_nAC.argmax(axis=2) == known.shares_NC.argmax(axis=1)[:, None])
    return list(zip(given_nA.sum(axis=0).tolist(), right_nA.sum(axis=0).tolist(), strict=True))


def _worths(advisors: tuple[str, ...], known: Known, blend: Blend | None) -> tuple[AdvisorWorth, ...]:
    counts = zip(advisors, _right(advisors, known), strict=True)
    usual = UsualConfidence.of(known.evidence.advice_nF, len(advisors))
    return tuple(
        AdvisorWorth(advisor, labels, right, 0.0 if blend is None else blend.weight(place, usual))
        for place, (advisor, (labels, right)) in enumerate(counts)
    )


def _scores(
    advisors: tuple[str, ...], known: Known, measure: Measure, rng: np.random.Generator
) -> tuple[AdviceScore, ...]:
    learner_nC, shares_nC = known.evidence.learner_nC, known.shares_NC
    predicted = {AdviceUse.LEARNER: learner_nC}
    for use in (AdviceUse.ADVICE, AdviceUse.BOTH):
        predicted[use] = np.zeros_like(learner_nC)
    everything = np.arange(len(known))
    right_n = shares_nC.argmax(axis=1)
    for fold in stratified_folds(right_n, rng):
        others = known.take(np.setdiff1d(everything, fold, assume_unique=True))
        for use in (AdviceUse.ADVICE, AdviceUse.BOTH):
            blend = fit_blend(advisors, others, known.labels, advice_alone=use is AdviceUse.ADVICE)
            predicted[use][fold] = blend.predict_proba(known.evidence.take(fold))
    predicted = {use: _recalibrated(probabilities_nC, shares_nC) for use, probabilities_nC in predicted.items()}
    found = {use: measure(probabilities, shares_nC) for use, probabilities in predicted.items()}
    reference = found[AdviceUse.ADVICE]
    return tuple(
        AdviceScore(
            use=use,
            accuracy=float((predicted[use].argmax(axis=1) == right_n).mean()),
            expected_macro_f1=expected_macro_f1(predicted[use], shares_nC).value,
            gain=measured.value - reference.value,
            gain_error=measured.error_of_gain(reference),
        )
        for use, measured in found.items()
    )


def _recalibrated(probabilities_nC: Float32, shares_nC: Float32) -> Float32:
    """As sure as held-out labels show: else the surer of two would seem better, however often it is right."""
    logits_nC = np.log(np.maximum(probabilities_nC, np.float32(TINY)))
    sharpness = calibrate(logits_nC, shares_nC, np.zeros(len(shares_nC), np.bool_)).sharpness
    return softmax(logits_nC * np.float32(sharpness))
