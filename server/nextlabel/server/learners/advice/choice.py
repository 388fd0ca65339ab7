"""Whether advice is heard, and whether learner and embedding have a say beside it: what held-out labels say."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nextlabel.server.learners.advice.blend import Blend, Evidence, fit_blend
from nextlabel.server.learners.advice.features import KINDS
from nextlabel.server.learners.candidates.advice_choice import AdviceChoice, AdviceScore, AdviceUse, AdvisorWorth
from nextlabel.server.learners.candidates.choice import MIN_LABELS, stratified_folds
from nextlabel.server.learners.candidates.measures import Measure, expected_macro_f1

Float32 = NDArray[np.float32]


def choose_blend(
    advisors: tuple[str, ...], evidence: Evidence, shares_nC: Float32, measure: Measure, rng: np.random.Generator
) -> tuple[Blend | None, AdviceChoice]:
    """Fits what does best on held-out labels; None where the learner alone does.

    Recalibrated advice alone is kept unless another use of it gains more than the gain's standard error.

    Args:
        evidence: about the labeled items that have advice; the learner had not seen these labels.
        shares_nC: what the labels say, the weight of each spread over classes.
    """
    scores = _scores(advisors, evidence, shares_nC, measure, rng) if len(shares_nC) >= MIN_LABELS else ()
    clear = [score for score in scores if score.gain > score.gain_error]
    use = max(clear, key=lambda score: score.gain).use if clear else AdviceUse.ADVICE
    blend = None
    if use is not AdviceUse.LEARNER:
        blend = fit_blend(advisors, evidence, shares_nC, advice_alone=use is AdviceUse.ADVICE)
    worths = _worths(advisors, evidence.advice_nF, shares_nC, blend)
    return blend, AdviceChoice(use, advisors, scores, len(shares_nC), worths)


def _worths(
    advisors: tuple[str, ...], advice_nF: Float32, shares_nC: Float32, blend: Blend | None
) -> tuple[AdvisorWorth, ...]:
    n, n_classes = shares_nC.shape
    named_nAC = advice_nF.reshape(n, len(advisors), KINDS, n_classes)[:, :, 0]
    given_nA = named_nAC.max(axis=2) > 0
    right_nA = given_nA & (named_nAC.argmax(axis=2) == shares_nC.argmax(axis=1)[:, None])
    return tuple(
        AdvisorWorth(
            advisor,
            int(np.count_nonzero(given_nA[:, place])),
            int(np.count_nonzero(right_nA[:, place])),
            0.0 if blend is None else blend.weight(place),
        )
        for place, advisor in enumerate(advisors)
    )


def _scores(
    advisors: tuple[str, ...], evidence: Evidence, shares_nC: Float32, measure: Measure, rng: np.random.Generator
) -> tuple[AdviceScore, ...]:
    predicted = {AdviceUse.LEARNER: evidence.learner_nC}
    for use in (AdviceUse.ADVICE, AdviceUse.BOTH):
        predicted[use] = np.zeros_like(evidence.learner_nC)
    everything = np.arange(len(shares_nC))
    right_n = shares_nC.argmax(axis=1)
    for fold in stratified_folds(right_n, rng):
        known = np.setdiff1d(everything, fold, assume_unique=True)
        for use in (AdviceUse.ADVICE, AdviceUse.BOTH):
            alone = use is AdviceUse.ADVICE
            blend = fit_blend(advisors, evidence.take(known), shares_nC[known], advice_alone=alone)
            predicted[use][fold] = blend.predict_proba(evidence.take(fold))
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
