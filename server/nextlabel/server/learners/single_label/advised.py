"""Fits how a model uses advice, on the trusted labels of items that have some."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from nextlabel.server.learners.advice.blend import Blend, Evidence
from nextlabel.server.learners.advice.choice import choose_blend
from nextlabel.server.learners.advice.features import AdviceFeatures
from nextlabel.server.learners.candidates.advice_choice import AdviceChoice
from nextlabel.server.learners.candidates.candidates import CandidateFitter
from nextlabel.server.learners.candidates.choice import (
    CHOICE_TOLERANCE,
    MAX_LABELS,
    MIN_LABELS,
    HeldOut,
    held_out_logits,
)
from nextlabel.server.learners.candidates.description import GROWTH_BEFORE_NEXT_CHOICE, CandidateChoice
from nextlabel.server.learners.candidates.linear import softmax
from nextlabel.server.learners.candidates.logistic import LogisticSettings
from nextlabel.server.learners.candidates.measures import measure_of
from nextlabel.server.learners.candidates.pool_training import WeightedLabels
from nextlabel.server.learners.model import Model
from nextlabel.server.learners.specification import LearnerSpec
from nextlabel.server.learners.targets import Targets
from nextlabel.server.learners.training import TrainingSet

Float32 = NDArray[np.float32]


def fit_advice(
    training: TrainingSet,
    targets: Targets,
    choice: CandidateChoice | None,
    pool_MD: Float32,
    spec: LearnerSpec,
    settings: LogisticSettings,
    described: WeightedLabels | None,
    seed: int,
    previous: Model | None,
) -> tuple[Blend | None, AdviceChoice | None]:
    """How items with advice are predicted, and why; (None, None) where nobody advises.

    Labels that are not trusted may be the advisor's own, and would only say that it agrees with itself: they are left
    out. The last blend is kept until a quarter more labels can tell something new.

    Args:
        choice: how the learner is trained, None where it has a single class to learn.
    """
    advice = training.advice
    if advice is None or not advice.advisors:
        return None, None
    telling = np.flatnonzero(targets.trusted_N & advice.given_N[targets.rows_N])
    if previous is not None and _still_holds(previous, training.classes, spec, advice, len(telling)):
        return previous.blend, previous.description.advice
    rng = np.random.default_rng(seed)
    if len(telling) > MAX_LABELS:
        telling = np.sort(rng.choice(telling, MAX_LABELS, replace=False))
    known = targets.take(telling)
    first = np.searchsorted(known.item_R, np.arange(len(telling)))
    embeddings = known.labels.embeddings_ND[first]
    learner = np.full(known.shares_NC.shape, 1 / training.n_classes, np.float32)
    if choice is not None and len(telling) >= MIN_LABELS:
        rough = replace(settings, tolerance=CHOICE_TOLERANCE)
        fitter = CandidateFitter(known.labels, known.item_R, pool_MD, rough, described)
        held_out = HeldOut(np.arange(len(telling)), embeddings, known.shares_NC, ~known.trusted_N)
        learner = softmax(held_out_logits(fitter, len(telling), held_out, choice, rng))
    evidence = Evidence(learner, embeddings, advice.features_NF[known.rows_N])
    return choose_blend(advice.advisors, evidence, known.shares_NC, measure_of(spec, training.classes), rng)


def _still_holds(
    previous: Model, classes: tuple[str, ...], spec: LearnerSpec, advice: AdviceFeatures, labels: int
) -> bool:
    last = previous.description.advice
    if not previous.spec.is_measured_as(spec):
        return False
    if last is None or last.advisors != advice.advisors or previous.classes != classes:
        return False
    return last.held_out <= labels < max(last.held_out, 1) * GROWTH_BEFORE_NEXT_CHOICE
