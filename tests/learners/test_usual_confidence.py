"""Confidence counts as more or less than an advisor states elsewhere."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nextlabel.server.learners.advice.blend import Evidence
from nextlabel.server.learners.advice.features import AdviceFeatures, Opinion, advice_features
from nextlabel.server.learners.advice.fitting import Known, fit_blend
from nextlabel.server.learners.advice.usual_confidence import UsualConfidence

# How often an LLM that hardly ever doubts "polite" is right, by what it says and how sure it says it is; with the share
# of texts that it says so of. GPT-4o, of requests (Gligorić et al. 2025).
IMPOLITE, POLITE = 0, 1
ANSWERS = (
    (IMPOLITE, 0.1, 0.71, 0.08),
    (IMPOLITE, 0.3, 0.92, 0.1),
    (IMPOLITE, 0.75, 0.95, 0.08),
    (POLITE, 0.65, 0.14, 0.04),
    (POLITE, 0.75, 0.23, 0.09),
    (POLITE, 0.85, 0.61, 0.27),
    (POLITE, 0.95, 0.82, 0.34),
)


def _requests(count: int, seed: int) -> tuple[NDArray[np.int64], AdviceFeatures]:
    rng = np.random.default_rng(seed)
    drawn = [ANSWERS[i] for i in rng.choice(len(ANSWERS), count, p=[share for *_, share in ANSWERS])]
    labels = [named if rng.random() < right else 1 - named for named, _, right, _ in drawn]
    said = [{"llm": Opinion({named: 1.0}, sure)} for named, sure, _, _ in drawn]
    return np.array(labels), advice_features(said, ("llm",), 2)


def test_coefficients_say_the_same_of_advice_as_it_was_stated() -> None:
    rng = np.random.default_rng(0)
    said = [
        {"x": Opinion({int(rng.integers(3)): 1.0}, float(rng.random())), "y": Opinion({0: 0.7, 2: 0.3}, None)}
        for _ in range(40)
    ]
    advice_NF = advice_features(said, ("x", "y"), 3).features_NF
    usual = UsualConfidence.of(advice_NF, 2)
    assert usual.stated_A.tolist() == [40, 0]
    column = advice_NF[:, 3:6]
    everywhere = column.sum() / 40
    for c in range(3):
        named = advice_NF[:, c] == 1
        expected = (column[named, c].sum() + 0.5 * everywhere) / (named.sum() + 0.5)
        np.testing.assert_allclose(usual.means_AC[0, c], expected, rtol=1e-5)
    coef_CF = rng.normal(size=(3, 12))
    held_against = usual.held_against(advice_NF) @ coef_CF.T
    np.testing.assert_allclose(advice_NF @ usual.as_stated(coef_CF).T, held_against, atol=1e-5)


def test_twenty_labels_do_not_make_an_advisor_worse_than_it_is() -> None:
    truth, advice = _requests(4_000, seed=0)
    own = float((advice.features_NF[:, :2].argmax(axis=1) == truth).mean())
    nothing = np.full((len(truth), 2), 0.5, np.float32), np.zeros((len(truth), 1), np.float32)
    everything = Evidence(*nothing, advice.features_NF)
    found = []
    for seed in range(20):
        rows = np.random.default_rng(seed).choice(len(truth), 20, replace=False)
        known = Known(everything.take(rows), np.eye(2, dtype=np.float32)[truth[rows]], np.zeros(20, np.bool_))
        blend = fit_blend(("llm",), known, 20, advice_alone=True)
        found.append(float((blend.predict_proba(everything).argmax(axis=1) == truth).mean()))
    assert np.mean(found) > own + 0.02
