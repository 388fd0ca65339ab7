"""Training a score model: ridge regression, its penalty chosen by leaving each label out, or a cumulative logit."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from math import ceil

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import Ridge, RidgeCV

from nextlabel.server.learners.candidates.description import TrainingDescription
from nextlabel.server.learners.scale import spread_of
from nextlabel.server.learners.scores.model import COVERED, ScoreModel
from nextlabel.server.learners.scores.ordinal import MOST_LEVELS, OrdinalHead, fit_ordinal
from nextlabel.server.learners.scores.training import ScoreTraining
from nextlabel.server.learners.specification import LearnerSpec
from nextlabel.server.learners.threads import TRAINING_THREADS

ESTIMATORS = ("default",)
"""Those of `specification.ESTIMATORS` that learn scores; none of their parameters has a part in it."""

PENALTIES = tuple(np.logspace(-2, 2, 13).tolist())
FEWEST_TO_CHOOSE = 5
"""Labels below which leaving one out says nothing."""

PENALTY_OF_FEW = 1.0
ORDINAL_PENALTIES = (0.1, 0.3)
ORDINAL_FOLDS = 5
FEWEST_ORDINAL, MOST_ORDINAL = 30, 2_000
"""Labels between which it is tried; with more, each training would take seconds."""

ENOUGH_TRUSTED = 30
UNKNOWN_SPREAD = 12**-0.5
"""Standard deviation of what may lie anywhere in the range."""

Float64 = NDArray[np.float64]


def train_scores(training: ScoreTraining, spec: LearnerSpec) -> ScoreModel:
    """Trains a model on at least one label. Pure and deterministic but for the seconds it reports; thread-safe.

    The penalty is the one with the least error on labels left out. These errors also say how far predictions may be
    off: those of trusted labels where they are enough, else all. Where scores are of a few levels, a cumulative logit
    predicts if it is nearer to labels left out.
    """
    started = time.perf_counter()
    spread = spread_of(training.embeddings_ND)
    training = replace(training, embeddings_ND=training.embeddings_ND / np.float32(spread))
    with TRAINING_THREADS.bounded():
        fitted = _fit(training)
        ordinal, errors_n = _ordinal(training, fitted)
    if len(errors_n) and training.trusted_N.sum() >= ENOUGH_TRUSTED:
        errors_n = errors_n[training.trusted_N]
    return ScoreModel(
        spec=spec,
        allowed=training.allowed,
        coef_D=(fitted.coef_D / spread).astype(np.float32),
        intercept=fitted.intercept,
        penalty=fitted.penalty * spread**2,
        spread=_spread(errors_n),
        ordinal=None if ordinal is None else replace(ordinal, coef_D=ordinal.coef_D / np.float32(spread)),
        half_width=_half_width(errors_n),
        description=TrainingDescription(
            choice=None,
            labels=len(training),
            trusted=int(np.count_nonzero(training.trusted_N)),
            warm=False,
            seconds=time.perf_counter() - started,
        ),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Fitted:
    """A regression in shares of the range, and how far it is off each label when that is left out.

    ``left_out_N`` has no entry where labels are too few to leave one out.
    """

    coef_D: Float64
    intercept: float
    penalty: float
    left_out_N: Float64


def _fit(training: ScoreTraining) -> _Fitted:
    embeddings_ND, shares_N = training.embeddings_ND.astype(np.float64), training.shares
    if len(training) < FEWEST_TO_CHOOSE:
        few = Ridge(PENALTY_OF_FEW).fit(embeddings_ND, shares_N, training.weights)
        return _Fitted(few.coef_, float(few.intercept_), PENALTY_OF_FEW, np.zeros(0))
    found = RidgeCV(PENALTIES, store_cv_results=True).fit(embeddings_ND, shares_N, training.weights)
    squared_N = found.cv_results_[:, PENALTIES.index(float(found.alpha_))]
    # The errors that scikit-learn keeps are weighted as the labels are.
    left_out_N = np.sqrt(np.maximum(squared_N, 0) / training.weights)
    return _Fitted(found.coef_, float(found.intercept_), float(found.alpha_), left_out_N)


def _ordinal(training: ScoreTraining, linear: _Fitted) -> tuple[OrdinalHead | None, Float64]:
    """Return the cumulative logit where it errs less than the linear model, and the errors of the better one."""
    if not FEWEST_ORDINAL <= len(training) <= MOST_ORDINAL or not 2 < training.levels <= MOST_LEVELS:
        return None, linear.left_out_N
    embeddings_ND, cuts = training.embeddings_ND.astype(np.float64), training.levels - 1
    levels_N, weights_N = np.rint(training.shares * cuts).astype(np.int64), training.weights
    shares_N, fold_N = training.shares, np.random.default_rng(0).permutation(len(training)) % ORDINAL_FOLDS
    left_out_PN, linear_N = np.empty((len(ORDINAL_PENALTIES), len(training))), np.empty(len(training))
    for fold in range(ORDINAL_FOLDS):
        out_N = fold_N == fold
        ridge = Ridge(linear.penalty).fit(embeddings_ND[~out_N], shares_N[~out_N], weights_N[~out_N])
        linear_N[out_N] = np.clip(ridge.predict(embeddings_ND[out_N]), 0, 1) - shares_N[out_N]
    for p, penalty in enumerate(ORDINAL_PENALTIES):
        for fold in range(ORDINAL_FOLDS):
            out_N = fold_N == fold
            head = fit_ordinal(embeddings_ND[~out_N], levels_N[~out_N], cuts, weights_N[~out_N], penalty)
            left_out_PN[p, out_N] = np.abs(head.shares(embeddings_ND[out_N]) - shares_N[out_N])
    best = int((left_out_PN**2 @ weights_N).argmin())
    if weights_N @ left_out_PN[best] ** 2 >= weights_N @ linear_N**2:
        return None, linear.left_out_N
    return fit_ordinal(embeddings_ND, levels_N, cuts, weights_N, ORDINAL_PENALTIES[best]), left_out_PN[best]


def _spread(errors_n: Float64) -> float:
    return float(np.sqrt((errors_n**2).mean())) if len(errors_n) else UNKNOWN_SPREAD


def _half_width(errors_n: Float64) -> float:
    """Return the error that `COVERED` of new items stay below; the whole range where labels are too few to tell."""
    rank = ceil(COVERED * (len(errors_n) + 1))
    return float(np.sort(errors_n)[rank - 1]) if rank <= len(errors_n) else 1.0


def weight_samples(
    training: ScoreTraining, model: ScoreModel, members: int, seed: int
) -> tuple[tuple[NDArray[np.float32], float], ...]:
    """Draw other models that the labels allow: coefficients, (D,), and intercept of each, in shares of the range.

    They are from the posterior of Bayesian linear regression with the model's penalty and spread (Bishop 2006, 3.3).
    """
    rng = np.random.default_rng(seed)
    weights_N = training.weights[:, None]
    embeddings_ND = training.embeddings_ND.astype(np.float64)
    mean_D = (weights_N * embeddings_ND).sum(axis=0) / weights_N.sum()
    centred_ND = np.sqrt(weights_N) * (embeddings_ND - mean_D)
    dimension = embeddings_ND.shape[1]
    with TRAINING_THREADS.bounded():
        root_DD = np.linalg.cholesky(centred_ND.T @ centred_ND + model.penalty * np.eye(dimension))
        drawn_MD = model.spread * np.linalg.solve(root_DD.T, rng.standard_normal((dimension, members))).T
    return tuple(
        ((model.coef_D + drawn_D).astype(np.float32), model.intercept - float(mean_D @ drawn_D)) for drawn_D in drawn_MD
    )
