"""Fits how a model uses advice, on trusted labels of items that have some, on gold, and on advice about the pool."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from nextlabel.server.learners.advice.blend import Blend, Evidence
from nextlabel.server.learners.advice.choice import choose_blend
from nextlabel.server.learners.advice.elsewhere import AdviceElsewhere, AdviceOnGold
from nextlabel.server.learners.advice.features import AdviceFeatures
from nextlabel.server.learners.advice.fitting import ENOUGH_LABELS, Known
from nextlabel.server.learners.advice.similar import SimilarAdvice
from nextlabel.server.learners.candidates.advice_choice import AdviceChoice
from nextlabel.server.learners.candidates.candidates import CandidateFitter
from nextlabel.server.learners.candidates.choice import (
    CHOICE_TOLERANCE,
    MAX_LABELS,
    OTHERS_SAMPLE,
    HeldOut,
    held_out_logits,
)
from nextlabel.server.learners.candidates.description import GROWTH_BEFORE_NEXT_CHOICE, CandidateChoice
from nextlabel.server.learners.candidates.linear import TrainedHead, softmax
from nextlabel.server.learners.candidates.logistic import LogisticSettings
from nextlabel.server.learners.candidates.measures import measure_of
from nextlabel.server.learners.candidates.pool_training import WeightedLabels
from nextlabel.server.learners.model import Model
from nextlabel.server.learners.specification import LearnerSpec
from nextlabel.server.learners.targets import Targets
from nextlabel.server.learners.training import TrainingSet

Float32 = NDArray[np.float32]
Int64 = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class UnadvisedLearner:
    """What predicts without advice, and how it was trained.

    Attributes:
        choice: None where it has a single class to learn.
        described: examples of the classes from the label space itself.
        pool_MD: a sample of the pool.
    """

    head: TrainedHead
    choice: CandidateChoice | None
    settings: LogisticSettings
    described: WeightedLabels | None
    pool_MD: Float32


def fit_advice(
    training: TrainingSet,
    targets: Targets,
    learner: UnadvisedLearner,
    elsewhere: AdviceElsewhere,
    spec: LearnerSpec,
    seed: int,
    previous: Model | None,
) -> tuple[Blend | None, AdviceChoice | None]:
    """How items with advice are predicted, and why; (None, None) where nobody advises.

    Labels that are not trusted may be the advisor's own, and would only say that it agrees with itself: they are left
    out. The last blend is kept until a quarter more labels can tell something new, unless they are few.
    """
    advice = training.advice
    if advice is None or not advice.advisors:
        return None, None
    elsewhere = elsewhere.by(advice.advisors)
    gold = elsewhere.gold
    telling = np.flatnonzero(targets.trusted_N & advice.given_N[targets.rows_N])
    labels = len(telling) + (0 if gold is None else len(gold.labels_G))
    if previous is not None and _still_holds(previous, training.classes, spec, advice, labels):
        return previous.blend, previous.description.advice
    rng = np.random.default_rng(seed)
    if len(telling) > MAX_LABELS:
        telling = np.sort(rng.choice(telling, MAX_LABELS, replace=False))
    known = _labeled(advice, targets, telling, learner, rng)
    if gold is not None:
        known = _joined(known, _of_gold(gold, learner.head))
    known = replace(known, similar=None if elsewhere.pool is None else SimilarAdvice.of(elsewhere.pool))
    return choose_blend(advice.advisors, known, measure_of(spec, training.classes), rng)


def _labeled(
    advice: AdviceFeatures, targets: Targets, telling: Int64, learner: UnadvisedLearner, rng: np.random.Generator
) -> Known:
    """The labels that tell, and what a learner says of each that saw all the others."""
    n, n_classes = len(telling), targets.shares_NC.shape[1]
    others = np.setdiff1d(np.arange(len(targets.rows_N)), telling, assume_unique=True)
    if len(others) > OTHERS_SAMPLE:
        others = rng.choice(others, OTHERS_SAMPLE, replace=False)
    seen = targets.take(np.concatenate([telling, others]))
    if learner.choice is not None:
        seen = seen.believed(learner.choice.belief)
    embeddings = seen.labels.embeddings_ND[np.searchsorted(seen.item_R, np.arange(n))]
    shares = seen.shares_NC[:n]
    said = np.full(shares.shape, 1 / n_classes, np.float32)
    if learner.choice is not None and n:
        rough = replace(learner.settings, tolerance=CHOICE_TOLERANCE)
        fitter = CandidateFitter(seen.labels, seen.item_R, learner.pool_MD, rough, learner.described)
        held_out = HeldOut(np.arange(n), embeddings, shares, ~seen.trusted_N[:n])
        said = softmax(held_out_logits(fitter, len(seen.rows_N), held_out, learner.choice, rng))
    evidence = Evidence(said, embeddings, advice.features_NF[seen.rows_N[:n]])
    return Known(evidence, shares, np.zeros(n, np.bool_))


def _of_gold(gold: AdviceOnGold, head: TrainedHead) -> Known:
    said = head.predict_proba(gold.embeddings_GD)
    evidence = Evidence(said, gold.embeddings_GD, gold.advice.features_NF)
    shares = np.eye(said.shape[1], dtype=np.float32)[gold.labels_G]
    return Known(evidence, shares, np.ones(len(shares), np.bool_))


def _joined(known: Known, also: Known) -> Known:
    both = [
        np.concatenate([getattr(one.evidence, part) for one in (known, also)])
        for part in ("learner_nC", "embeddings_nD", "advice_nF")
    ]
    shares = np.concatenate([known.shares_NC, also.shares_NC])
    return Known(Evidence(*both), shares, np.concatenate([known.gold_N, also.gold_N]))


def _still_holds(
    previous: Model, classes: tuple[str, ...], spec: LearnerSpec, advice: AdviceFeatures, labels: int
) -> bool:
    last = previous.description.advice
    if labels < ENOUGH_LABELS or not previous.spec.is_measured_as(spec):
        return False
    if last is None or last.advisors != advice.advisors or previous.classes != classes:
        return False
    return last.held_out <= labels < last.held_out * GROWTH_BEFORE_NEXT_CHOICE
