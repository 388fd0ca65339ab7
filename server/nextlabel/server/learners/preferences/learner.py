"""Training a preference model: its penalty is the one that foresees answers left out best."""

from __future__ import annotations

import time

import numpy as np
from numpy.typing import NDArray

from nextlabel.server.assessment.ranking.davidson import curvature
from nextlabel.server.learners.candidates.description import TrainingDescription
from nextlabel.server.learners.preferences.fitting import Fitted, fit
from nextlabel.server.learners.preferences.model import PreferenceModel
from nextlabel.server.learners.preferences.training import PreferenceTraining
from nextlabel.server.learners.scale import spread_of
from nextlabel.server.learners.specification import LearnerSpec
from nextlabel.server.learners.threads import TRAINING_THREADS

ESTIMATORS = ("default",)
"""Those of `specification.ESTIMATORS` that learn preferences; none of their parameters has a part in it."""

PENALTIES = tuple(np.logspace(1, -2, 7).tolist())
"""From the strongest on: each fit starts where the one before it ended."""

FEWEST_TO_CHOOSE = 10
"""Answers below which leaving some out says nothing."""

PENALTY_OF_FEW = 0.3
MOST_TO_CHOOSE = 2_000
FOLDS = 5

Float64 = NDArray[np.float64]


def train_preferences(training: PreferenceTraining, spec: LearnerSpec) -> PreferenceModel:
    """Trains a model on at least one answer. Pure and deterministic but for the seconds it reports; thread-safe.

    The penalty is the one with the least log loss on answers left out, so that probabilities are neither too sure nor
    too shy; of more than `MOST_TO_CHOOSE` answers, on that many drawn at random.
    """
    started = time.perf_counter()
    weights_N, spread = training.weights, spread_of(training.texts)
    differences_ND = training.differences / spread
    with TRAINING_THREADS.bounded():
        penalty = _penalty(differences_ND, training.answers_N, weights_N)
        fitted = fit(differences_ND, training.answers_N, weights_N, penalty)
    return PreferenceModel(
        spec=spec,
        coef_D=(fitted.coef_D / spread).astype(np.float32),
        log_tie=fitted.log_tie,
        penalty=penalty * spread**2,
        description=TrainingDescription(
            choice=None,
            labels=len(training),
            trusted=int(np.count_nonzero(training.trusted_N)),
            warm=False,
            seconds=time.perf_counter() - started,
        ),
    )


def _penalty(differences_ND: Float64, answers_N: NDArray[np.int64], weights_N: Float64) -> float:
    n = len(answers_N)
    if n < FEWEST_TO_CHOOSE:
        return PENALTY_OF_FEW
    some = np.random.default_rng(0).permutation(n)[:MOST_TO_CHOOSE]
    losses = np.zeros(len(PENALTIES))
    for fold in range(FOLDS):
        left_out, kept = some[fold::FOLDS], np.delete(some, np.s_[fold::FOLDS])
        fitted: Fitted | None = None
        for place, penalty in enumerate(PENALTIES):
            fitted = fit(differences_ND[kept], answers_N[kept], weights_N[kept], penalty, fitted)
            log_n3 = fitted.log_probabilities(differences_ND[left_out])
            losses[place] -= (weights_N[left_out] * log_n3[np.arange(len(left_out)), answers_N[left_out]]).sum()
    return float(PENALTIES[int(losses.argmin())])


def reward_samples(
    training: PreferenceTraining, model: PreferenceModel, members: int, seed: int
) -> tuple[NDArray[np.float32], ...]:
    """Draw other coefficients that the answers allow, (D,) each.

    They are from the Laplace approximation of the posterior with the model's penalty (Bishop 2006, 4.5).
    """
    rng = np.random.default_rng(seed)
    differences_ND = training.differences
    coef_D = model.coef_D.astype(np.float64)
    told_N = training.weights * curvature(differences_ND @ coef_D, model.log_tie)
    with TRAINING_THREADS.bounded():
        root_DD = np.linalg.cholesky(
            (told_N[:, None] * differences_ND).T @ differences_ND + model.penalty * np.eye(len(coef_D))
        )
        drawn_MD = np.linalg.solve(root_DD.T, rng.standard_normal((len(coef_D), members))).T
    return tuple((coef_D + drawn_D).astype(np.float32) for drawn_D in drawn_MD)
