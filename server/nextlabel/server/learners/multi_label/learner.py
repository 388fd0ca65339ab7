"""Training a multi-label model: heads on answers and the label space, what rivals are worth, a cut for every class."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nextlabel.server.learners.candidates.description import TrainingDescription
from nextlabel.server.learners.candidates.linear import TrainedHead
from nextlabel.server.learners.multi_label.cuts import tuned_cuts
from nextlabel.server.learners.multi_label.heads import Answers, fit_heads
from nextlabel.server.learners.multi_label.model import MultiLabelModel
from nextlabel.server.learners.multi_label.names import expected_heads
from nextlabel.server.learners.multi_label.rivals import Rivals, fitted_rivals
from nextlabel.server.learners.multi_label.training import MultiLabelTraining
from nextlabel.server.learners.scale import spread_of
from nextlabel.server.learners.specification import LearnerSpec
from nextlabel.server.learners.threads import TRAINING_THREADS
from nextlabel.server.learners.training import DescribedClasses

ESTIMATORS = ("default", "logistic_regression")
"""Those of `specification.ESTIMATORS` that learn several classes an item."""

FOLDS = 5
FEWEST_TO_TUNE = 20
MOST_TO_TUNE = 2_000
"""Items beyond these would make cuts no better, and cross-validation slow."""

ENOUGH_TRUSTED = 30


def train_multi_label(
    training: MultiLabelTraining, spec: LearnerSpec, seed: int, previous: MultiLabelModel | None
) -> MultiLabelModel:
    """Trains a model. Pure and deterministic in its arguments but for the seconds it reports; thread-safe.

    `default` expects an item to be the likelier of a class the more it is like what describes the class, and gives a
    class where its tuned cut says so; `logistic_regression` is one regression a class on the answers alone, each
    given from 0.5 on, of which yes and no weigh alike in every class, unless `class_weight` is uniform.

    Args:
        previous: the last model of this project, to start from; its label space may be smaller.
    """
    started = time.perf_counter()
    start = starting_heads(previous, training)
    spread = spread_of(training.embeddings_ND)
    training, start = training.stretched(1 / spread), None if start is None else start.stretched(1 / spread)
    with TRAINING_THREADS.bounded():
        recipe = Recipe.of(spec, training)
        head = recipe.fit(training.answers, start)
        cuts_C = np.zeros(training.n_classes, np.float32)
        rivals: Rivals | None = None
        if spec.estimator == "default":
            head, cuts_C, rivals = _judged(training, recipe, head, seed)
    description = TrainingDescription(
        choice=None,
        labels=len(training),
        trusted=int(np.count_nonzero(training.trusted_N)),
        warm=start is not None,
        seconds=time.perf_counter() - started,
    )
    return MultiLabelModel(
        classes=training.classes,
        spec=spec,
        head=head.stretched(spread),
        cuts_C=cuts_C,
        description=description,
        parents_C=training.parents_C,
        rivals=rivals,
    )


@dataclass(frozen=True, slots=True)
class Recipe:
    """How heads are fitted.

    Attributes:
        C: inverse strength of the L2 penalty.
        balanced: whether heads give log-odds of classes that count alike, yes and no.
        weighted: whether answers are weighted for that, instead of taking the frequencies from the log-odds.
        described: what the label space says of its classes; None where it says nothing or is not asked.
    """

    C: float
    balanced: bool
    weighted: bool
    described: DescribedClasses | None

    @classmethod
    def of(cls, spec: LearnerSpec, training: MultiLabelTraining) -> Recipe:
        """Return the recipe of an estimator."""
        return cls(
            C=spec.number("C"),
            balanced=spec.choice("class_weight") == "balanced",
            weighted=spec.estimator != "default",
            described=training.described if spec.estimator == "default" else None,
        )

    def fit(self, answers: Answers, start: TrainedHead | None = None) -> TrainedHead:
        """Fit heads to answers."""
        expected = None if self.described is None else expected_heads(answers, self.described)
        if self.balanced and self.weighted:
            return fit_heads(answers.balanced(), self.C, start, expected)
        # Weights of a handful of items that outweigh hundreds would let these few decide the coefficients.
        head = fit_heads(answers, self.C, start, expected)
        return TrainedHead(head.coef_CD, head.intercept_C - self.frequency_shift(answers))

    def frequency_shift(self, answers: Answers) -> NDArray[np.float32]:
        """Return what makes log-odds of classes counted alike those of classes as frequent as they are, (C,)."""
        yes_C = (answers.weights_NC * answers.targets_NC).sum(axis=0)
        no_C = (answers.weights_NC * (1 - answers.targets_NC)).sum(axis=0)
        both = (yes_C > 0) & (no_C > 0) & self.balanced
        odds_C = np.divide(yes_C, no_C, out=np.ones_like(yes_C), where=both)
        return np.asarray(np.log(odds_C), np.float32)


def _judged(
    training: MultiLabelTraining, recipe: Recipe, head: TrainedHead, seed: int
) -> tuple[TrainedHead, NDArray[np.float32], Rivals | None]:
    """Return heads, cuts and rivals by what heads say of answers that they had not seen.

    These are the trusted ones, where they are enough, else all; with too few cuts stay at even odds. Classes that are
    kinds of each other are no rivals.
    """
    rng = np.random.default_rng(seed)
    trusted = np.flatnonzero(training.trusted_N)
    judged = rng.permutation(trusted if len(trusted) >= ENOUGH_TRUSTED else len(training))[:MOST_TO_TUNE]
    frequencies_C = recipe.frequency_shift(training.answers)
    if len(judged) < FEWEST_TO_TUNE:
        return TrainedHead(head.coef_CD, head.intercept_C + frequencies_C), frequencies_C, None
    answers = training.answers
    everything = np.arange(len(training))
    logits_nC = np.empty((len(judged), training.n_classes))
    for fold in range(FOLDS):
        held_out = judged[fold::FOLDS]
        without = recipe.fit(answers.take(np.setdiff1d(everything, held_out)), head)
        logits_nC[fold::FOLDS] = without.logits(training.embeddings_ND[held_out])
    truth_nC = training.targets_NC[judged] > 0.5
    rivals = None if training.has_kinds else fitted_rivals(logits_nC, truth_nC, frequencies_C)
    if rivals is None:
        cuts_C = tuned_cuts(logits_nC, truth_nC) + frequencies_C
        return TrainedHead(head.coef_CD, head.intercept_C + frequencies_C), cuts_C, None
    moved_nC = rivals.moved(rivals.slope * logits_nC + rivals.level + frequencies_C) - frequencies_C
    return rivals.scaled(head), tuned_cuts(moved_nC, truth_nC) + frequencies_C, rivals


def starting_heads(previous: MultiLabelModel | None, training: MultiLabelTraining) -> TrainedHead | None:
    """The previous heads over the label space of now; None if they do not fit."""
    if previous is None or previous.head.coef_CD.shape[1] != training.embeddings_ND.shape[1]:
        return None
    if previous.classes != training.classes[: previous.n_classes]:
        return None
    added = training.n_classes - previous.n_classes
    return TrainedHead(
        np.pad(previous.head.coef_CD, ((0, added), (0, 0))), np.pad(previous.head.intercept_C, (0, added))
    )


def train_multi_label_committee(
    training: MultiLabelTraining, model: MultiLabelModel, members: int, seed: int
) -> tuple[TrainedHead, ...]:
    """Heads on bootstrap samples of the answers, started from the model, with its cuts at logit 0."""
    rng = np.random.default_rng(seed)
    start = starting_heads(model, training)
    spread = spread_of(training.embeddings_ND)
    training, start = training.stretched(1 / spread), None if start is None else start.stretched(1 / spread)
    recipe = Recipe.of(model.spec, training)
    frequencies_C = recipe.frequency_shift(training.answers)
    if model.spec.estimator != "default":
        frequencies_C = np.zeros_like(frequencies_C)
    cuts_C = np.pad(model.cuts_C, (0, training.n_classes - model.n_classes))
    slope, level = (1.0, 0.0) if model.rivals is None else (model.rivals.slope, model.rivals.level)
    heads = []
    with TRAINING_THREADS.bounded():
        for _ in range(members):
            sample = training.take(rng.integers(0, len(training), len(training)))
            head = recipe.fit(sample.answers, start)
            intercept_C = slope * head.intercept_C + level + frequencies_C - cuts_C
            sloped = TrainedHead(np.float32(slope) * head.coef_CD, intercept_C.astype(np.float32))
            heads.append(sloped.stretched(spread))
    return tuple(heads)
