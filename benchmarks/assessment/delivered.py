"""Whether the accuracy of a delivery is told rightly where the learner that labels items was trained on the draws."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.assessment.crowdlab import SETS, Texts, texts_of
from benchmarks.assessment.report import markdown
from nextlabel.server.assessment.estimates.clusters import FEW_LABELS, design_effect, widened
from nextlabel.server.assessment.estimates.cross_fit import Features
from nextlabel.server.assessment.estimates.figures import FigureKind
from nextlabel.server.assessment.estimates.pool_mean import Draws
from nextlabel.server.assessment.estimates.pool_survey import PoolSurvey
from nextlabel.server.assessment.intervals import Estimate
from nextlabel.server.domain.reports.delivery.unseen import folds_for
from nextlabel.server.learners.advice.features import half_log_odds
from nextlabel.server.learners.candidates.logistic import LogisticSettings, fit_logistic

POOL = 1_000
CHOSEN = 100
"""Labels by people of what a model finds hard."""
DRAWS = 100
PASSED_OVER = (0.05, 0.3)
"""How often people pass a draw on that is labeled right, and wrong."""

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
_WAYS = ("draws alone", "with predictions", "draws alone, by the learner that saw them")


def table(data: Path, sims: int) -> str:
    """Return coverage, width and bias of each way, where an LLM answered half or none, and people pass draws on.

    Of the sets, those that are there.
    """
    rows = []
    for name in (name for name in (*SETS, "sms_spam") if (data / name).exists()):
        texts = texts_of(data / name)
        for llm, passing in ((0.0, False), (0.5, False), (0.0, True)):
            rng = np.random.default_rng(0)
            found: defaultdict[str, list[tuple[float, Estimate]]] = defaultdict(list)
            for _ in range(sims):
                truth, told = _told(texts, llm, passing, rng)
                for way, one in zip(_WAYS, told, strict=True):
                    found[way].append((truth, one))
            mean = float(np.mean([truth for truth, _ in found[_WAYS[0]]]))
            said = "half" if llm else "none"
            rows += [(name, said, "yes" if passing else "no", mean, way, *_kept(found[way])) for way in _WAYS]
    columns = ("set", "an LLM answered", "draws passed on", "truth", "way", "coverage", "width", "bias, points")
    title = f"Accuracy of {POOL:,} delivered labels, {DRAWS} draws, {CHOSEN} chosen labels, {sims} simulations"
    shown: str = markdown(title, columns, rows)
    return shown


def _kept(told: list[tuple[float, Estimate]]) -> tuple[float, float, float]:
    held = [one.low <= truth <= one.high for truth, one in told]
    bias = 100 * np.mean([one.value - truth for truth, one in told])
    return float(np.mean(held)), float(np.mean([one.high - one.low for _, one in told])), float(bias)


def _told(texts: Texts, llm: float, passing: bool, rng: np.random.Generator) -> tuple[float, list[Estimate]]:
    """Return the true accuracy of a delivery, and what each way tells of it."""
    rows = rng.permutation(len(texts.true_N))[:POOL]
    true_N, embeddings_ND, classes = texts.true_N[rows], texts.embeddings_ND[rows], len(texts.classes)
    said_N = texts.answered_N[rows] if texts.answered_N is not None else texts.llm(rng, rows, 0.8)
    answered_N = rng.random(POOL) < llm
    chosen = np.argsort(-texts.hard_N[rows] + rng.gumbel(0, 0.2, POOL))[:CHOSEN]
    drawn = rng.permutation(np.setdiff1d(np.arange(POOL), chosen))
    wrong_N = answered_N & (said_N != true_N) if llm else texts.hard_N[rows] > np.quantile(texts.hard_N, 0.8)
    passed_N = rng.random(POOL) < np.where(wrong_N, PASSED_OVER[1], PASSED_OVER[0]) if passing else np.zeros(POOL, bool)
    kept = np.flatnonzero(~passed_N[drawn])[:DRAWS]
    untold = 1 - len(kept) / (kept[-1] + 1)
    drawn = drawn[kept]
    people_N = np.isin(np.arange(POOL), [*chosen, *drawn])
    folds = folds_for(len(drawn), int((people_N | answered_N).sum()))
    fold_N = rng.integers(0, folds, POOL)

    def learned(left_out_N: Bools) -> Floats:
        by_people_N = people_N & ~left_out_N
        labeled_N = by_people_N | answered_N
        labels_n = np.where(by_people_N, true_N, said_N)[labeled_N]
        weights = np.ones(len(labels_n), np.float32)
        head = fit_logistic(embeddings_ND[labeled_N], labels_n, weights, LogisticSettings(classes))
        return np.asarray(head.predict_proba(embeddings_ND), np.float64)

    drawn_N = np.isin(np.arange(POOL), drawn)
    newest_NC = learned(np.zeros(POOL, np.bool_))
    unseen_NC = newest_NC.copy()
    for fold in range(folds):
        unseen_NC[fold_N == fold] = learned(drawn_N & (fold_N == fold))[fold_N == fold]
    delivered_N = np.where(people_N, true_N, np.where(answered_N, said_N, newest_NC.argmax(axis=1)))
    seen = np.concatenate([chosen, drawn])
    rest = np.setdiff1d(np.arange(POOL), seen)
    labels_C = np.bincount(np.where(people_N, true_N, said_N)[people_N | answered_N], minlength=classes)
    learned_n = ~answered_N[drawn]
    few_n = learned_n & (labels_C < FEW_LABELS)[true_N[drawn]]
    told = []
    for probabilities_NC in (unseen_NC, newest_NC):
        label_N = np.where(answered_N, said_N, probabilities_NC.argmax(axis=1))
        right_N = label_N == true_N
        sure_N = [half_log_odds(p) for p in np.where(answered_N, 0.5, probabilities_NC.max(axis=1)).tolist()]
        strong_NS = np.hstack([np.array(sure_N)[:, None], np.eye(classes)[label_N]])
        positions = CHOSEN + np.arange(len(drawn))
        survey = PoolSurvey.predicted(
            Draws.uniform(positions, POOL - positions),
            right_N[seen].astype(np.float64)[:, None],
            Features(strong_NS[seen], embeddings_ND[seen].astype(np.float64)),
            Features(strong_NS[rest], embeddings_ND[rest].astype(np.float64)),
            len(rest),
        )
        survey = replace(survey, untold=untold)
        figures = {one.kind: one.estimate for one in survey.figures(0, share=True, watched=False)}
        effect = design_effect(right_N[drawn], true_N[drawn], learned_n, few_n)
        corrected = float((~right_N[seen]).sum() / POOL)
        alone = figures[FigureKind.AUDIT]
        joined = figures.get(FigureKind.PREDICTION_POWERED, alone)
        told += [_more(widened(one, effect), corrected) for one in (alone, joined)]
    return float((delivered_N == true_N).mean()), told[: len(_WAYS)]


def _more(one: Estimate, share: float) -> Estimate:
    return Estimate(one.value + share, min(1.0, one.low + share), min(1.0, one.high + share), one.items)
