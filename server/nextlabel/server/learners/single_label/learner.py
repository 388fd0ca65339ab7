"""Training: from labels and a sample of the pool to an immutable model."""

from __future__ import annotations

import time
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin

from nextlabel.server.learners.advice.elsewhere import AdviceElsewhere, AdviceOnGold, AdviceOnPool
from nextlabel.server.learners.advice.features import AdviceFeatures
from nextlabel.server.learners.candidates.candidates import CandidateFitter
from nextlabel.server.learners.candidates.choice import (
    CHOICE_TOLERANCE,
    ENOUGH_TRUSTED,
    MAX_LABELS,
    MIN_LABELS,
    OTHERS_SAMPLE,
    Descriptions,
    HeldOut,
    belief_in,
    cross_validate,
    unchosen,
)
from nextlabel.server.learners.candidates.description import CandidateChoice, LearnerCandidate, TrainingDescription
from nextlabel.server.learners.candidates.linear import TrainedHead
from nextlabel.server.learners.candidates.logistic import LogisticSettings, class_balance, fit_logistic, head_over
from nextlabel.server.learners.candidates.measures import measure_of
from nextlabel.server.learners.candidates.pool_training import WeightedLabels
from nextlabel.server.learners.model import Model, ProbabilisticClassifier
from nextlabel.server.learners.scale import spread_of
from nextlabel.server.learners.single_label.advised import UnadvisedLearner, fit_advice
from nextlabel.server.learners.single_label.estimators import (
    PLAIN,
    HeadClassifier,
    IncrementalSgd,
    linear_discriminant,
    nearest_neighbors,
)
from nextlabel.server.learners.specification import LearnerSpec
from nextlabel.server.learners.targets import Targets, targets_of
from nextlabel.server.learners.threads import TRAINING_THREADS
from nextlabel.server.learners.training import TrainingSet

Float32 = NDArray[np.float32]
Int64 = NDArray[np.int64]

SCALED = ("default", "logistic_regression")
"""Estimators with a penalty on coefficients, which fit to embeddings of one spread whatever the encoder."""

MAX_POOL_SAMPLE = 5_000
CHOICE_POOL_SAMPLE = 2_000
WARM_TOLERANCE = 5e-4  # near the solution one Newton step goes well below this
BELIEFS = (1.0, 0.3, 0.1)
"""Parts of what untrusted labels would count that they may count, as far as held-out labels tell."""


def train(
    training: TrainingSet,
    pool_sample_MD: Float32,
    spec: LearnerSpec,
    seed: int,
    previous: Model | None,
    gold: AdviceOnGold | None = None,
    pool_advice: AdviceFeatures | None = None,
) -> Model:
    """Trains a model. Pure and deterministic in its arguments but for the seconds it reports; thread-safe.

    Args:
        training: the labels known so far.
        pool_sample_MD: a uniform sample of the pool, at most `MAX_POOL_SAMPLE` rows of which are used, so that the
            cost does not grow with the pool. May be empty, and may hold labeled items.
        previous: the last model of this project, to start from; its label space and estimator may differ.
        gold: what advisors say of gold items, by which the default learner knows how far to believe them.
        pool_advice: what they say of each row of the sample that is not labeled, by which an item's advice is held
            against that of similar ones.
    """
    started = time.perf_counter()
    pool_MD = np.asarray(pool_sample_MD[:MAX_POOL_SAMPLE], np.float32)
    spread = _spread(training, pool_MD) if spec.estimator in SCALED else 1.0
    training, pool_MD = training.stretched(1 / spread), pool_MD / np.float32(spread)
    previous = None if previous is None else previous.stretched(1 / spread)
    with TRAINING_THREADS.bounded():
        targets = targets_of(training)
        fitted = _fit(training, targets, pool_MD, spec, seed, previous)
        blend, advice = None, None
        if spec.estimator == "default" and fitted.linear is not None:
            settings, described = logistic_settings(spec, training.n_classes), _described_labels(training)
            learner = UnadvisedLearner(fitted.linear, fitted.choice, settings, described, pool_MD[:CHOICE_POOL_SAMPLE])
            stretched = None if gold is None else gold.stretched(1 / spread)
            unlabeled = None if pool_advice is None else AdviceOnPool(pool_MD, pool_advice.take(slice(len(pool_MD))))
            also = AdviceElsewhere(stretched, unlabeled)
            blend, advice = fit_advice(training, targets, learner, also, spec, seed=seed, previous=previous)
    description = TrainingDescription(
        choice=fitted.choice,
        labels=len(training.labels_N),
        trusted=int(np.count_nonzero(training.trusted_N)),
        warm=fitted.warm,
        seconds=time.perf_counter() - started,
        advice=advice,
    )
    model = Model(training.classes, spec, fitted.linear, fitted.estimator, description, blend)
    return model.stretched(spread)


def _spread(training: TrainingSet, pool_MD: Float32) -> float:
    """By the pool alone where that is enough: labels may be of items that a strategy chose for lying far apart."""
    if len(pool_MD) > len(training.labels_N):
        return spread_of(pool_MD)
    return spread_of(training.embeddings_ND, pool_MD)


@dataclass(frozen=True, slots=True, eq=False)
class _Fitted:
    linear: TrainedHead | None = None
    estimator: ProbabilisticClassifier | None = None
    choice: CandidateChoice | None = None
    warm: bool = False


def _fit(
    training: TrainingSet, targets: Targets, pool_MD: Float32, spec: LearnerSpec, seed: int, previous: Model | None
) -> _Fitted:
    seen = np.unique(targets.labels.labels_N)
    describes = spec.estimator == "default" and training.described is not None
    if len(seen) == 0 or (len(seen) == 1 and not describes):
        return _Fitted(TrainedHead.constant(training.n_classes, training.embeddings_ND.shape[1], seen))
    if spec.estimator in ("default", "logistic_regression"):
        return _fit_head(training, targets, pool_MD, spec, seed, previous)
    if spec.estimator == "sgd":
        return _fit_sgd(training, targets.labels, spec, seed, previous)
    if spec.estimator == "nearest_neighbors":
        neighbours = nearest_neighbors(spec, len(training.labels_N))
        teach(neighbours, training.embeddings_ND, training.labels_N)
        return _Fitted(estimator=neighbours)
    return _fit_lda(training, spec)


def _fit_head(
    training: TrainingSet, targets: Targets, pool_MD: Float32, spec: LearnerSpec, seed: int, previous: Model | None
) -> _Fitted:
    settings = logistic_settings(spec, training.n_classes)
    start = starting_head(previous, training)
    described = _described_labels(training)
    choice = None
    if spec.estimator == "default":
        choice = _choice(training.classes, targets, described, pool_MD, spec=spec, seed=seed, previous=previous)
    parts = PLAIN if choice is None else choice.in_use
    if start is not None and all(part.candidate is LearnerCandidate.PLAIN for part in parts):
        settings = replace(settings, tolerance=WARM_TOLERANCE)
    classifier = HeadClassifier(settings, parts, pool_MD, start, described)
    if choice is not None:
        targets = targets.believed(choice.belief)
    labels = targets.labels
    teach(classifier, labels.embeddings_ND, labels.labels_N, sample_weight=labels.weights_N, items=targets.item_R)
    return _Fitted(classifier.head_, choice=choice, warm=start is not None)


def _described_labels(training: TrainingSet) -> WeightedLabels | None:
    """The texts that describe the classes, as labels; None where there are none."""
    described = training.described
    if described is None:
        return None
    return WeightedLabels(described.embeddings_ED, described.labels_E, described.weights_E)


def _choice(
    classes: tuple[str, ...],
    targets: Targets,
    described: WeightedLabels | None,
    pool_MD: Float32,
    spec: LearnerSpec,
    seed: int,
    previous: Model | None,
) -> CandidateChoice:
    trusted = np.flatnonzero(targets.trusted_N)
    items = trusted if len(trusted) >= ENOUGH_TRUSTED else np.arange(len(targets.rows_N))
    last = previous.description.choice if previous is not None and previous.spec.is_measured_as(spec) else None
    if last is not None and not last.is_stale(len(items)):
        return last
    descriptions = Descriptions.of(None if described is None else described.labels_N, targets.shares_NC)
    enough = MIN_LABELS <= len(items) <= MAX_LABELS and len(np.unique(targets.shares_NC[items].argmax(axis=1))) > 1
    if not enough or len(pool_MD) == 0:
        return unchosen(len(items), described=descriptions is Descriptions.ALWAYS)
    rng = np.random.default_rng(seed)
    others = np.setdiff1d(np.arange(len(targets.rows_N)), items)
    if len(others) > OTHERS_SAMPLE:
        others = rng.choice(others, OTHERS_SAMPLE, replace=False)
    known = targets.take(np.concatenate([items, others]))
    rough = replace(logistic_settings(spec, len(classes)), tolerance=CHOICE_TOLERANCE)
    sample_MD = pool_MD[:CHOICE_POOL_SAMPLE]

    def fitter(belief: float) -> CandidateFitter:
        believed = known.believed(belief)
        return CandidateFitter(believed.labels, believed.item_R, sample_MD, rough, described)

    first = np.arange(len(items))
    embeddings = known.labels.embeddings_ND[np.searchsorted(known.item_R, first)]
    held_out = HeldOut(first, embeddings, known.shares_NC[first], ~known.trusted_N[first])
    belief = 1.0
    if not known.trusted_N.all():
        fitters = {belief: fitter(belief) for belief in BELIEFS}
        belief = belief_in(fitters, len(known.rows_N), held_out, described=described is not None, rng=rng)
    choice = cross_validate(fitter(belief), len(known.rows_N), held_out, descriptions, measure_of(spec, classes), rng)
    return replace(choice, belief=belief)


def _fit_lda(training: TrainingSet, spec: LearnerSpec) -> _Fitted:
    seen = np.unique(training.labels_N)
    if len(training.labels_N) <= len(seen):  # no covariance within classes yet
        settings = LogisticSettings(training.n_classes)
        weights = np.ones(len(training.labels_N), np.float32)
        return _Fitted(fit_logistic(training.embeddings_ND, training.labels_N, weights, settings))
    discriminant = linear_discriminant(spec)
    teach(discriminant, training.embeddings_ND, training.labels_N)
    return _Fitted(head_over(training.n_classes, seen, discriminant.coef_, discriminant.intercept_))


def _fit_sgd(
    training: TrainingSet, labels: WeightedLabels, spec: LearnerSpec, seed: int, previous: Model | None
) -> _Fitted:
    seen = np.unique(labels.labels_N)
    weights = labels.weights_N
    if spec.choice("class_weight") == "balanced":
        weights = class_balance(labels.labels_N, weights, training.n_classes)
    resumed = _resumable_sgd(training, spec, seen, previous)
    epochs = int(spec.number("epochs"))
    sgd = resumed or IncrementalSgd(spec.number("alpha"), epochs, random_state=seed)
    teach(sgd, labels.embeddings_ND, labels.labels_N, sample_weight=weights)
    return _Fitted(estimator=sgd, warm=resumed is not None)


def _resumable_sgd(
    training: TrainingSet, spec: LearnerSpec, seen: Int64, previous: Model | None
) -> IncrementalSgd | None:
    if previous is None or previous.spec != spec or previous.classes != training.classes:
        return None
    last = previous.estimator
    if not isinstance(last, IncrementalSgd) or not np.array_equal(last.classes_, seen):
        return None
    return deepcopy(last)


def teach(estimator: ClassifierMixin, X: Float32, y: Int64, **fit_arguments: Any) -> None:
    """Fits an estimator as modAL's active learner does."""
    from nextlabel.server.learners.single_label.modal import (
        ModalLearner,  # here, because modAL imports torch and pandas
    )

    ModalLearner(estimator).fit(X, y, **fit_arguments)


def logistic_settings(spec: LearnerSpec, n_classes: int) -> LogisticSettings:
    """The logistic regression of a specification; the defaults for an estimator that is none."""
    if spec.estimator not in ("default", "logistic_regression"):
        return LogisticSettings(n_classes)
    return LogisticSettings(n_classes, spec.number("C"), spec.choice("class_weight") == "balanced")


def starting_head(previous: Model | None, training: TrainingSet) -> TrainedHead | None:
    """The previous head over the label space of now, classes matched by name; None if it does not fit."""
    if previous is None or previous.linear is None:
        return None
    head = previous.linear
    if head.coef_CD.shape[1] != training.embeddings_ND.shape[1]:
        return None
    if previous.description.choice is not None:
        head = head.sharpened(1 / previous.description.choice.sharpness)
    if previous.classes == training.classes:
        return head
    start = TrainedHead.constant(training.n_classes, head.coef_CD.shape[1], np.array([0]))
    index = {name: i for i, name in enumerate(previous.classes)}
    kept = [(now, index[name]) for now, name in enumerate(training.classes) if name in index]
    for now, before in kept:
        start.coef_CD[now], start.intercept_C[now] = head.coef_CD[before], head.intercept_C[before]
    return start
