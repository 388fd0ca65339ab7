"""Gaussian-process preference learning (Chu and Ghahramani 2005, ICML) with annotators that lapse.

Texts that are alike have rewards that are alike: rewards are normal with the covariance s²K + r²I. Half of K is linear
in unit embeddings, half is the kernel exp(2 (x·y - 1)) of them, each centred and of mean 1 on its diagonal. An
annotator answers by Davidson's model in a share of the cases, its skill, and any of the three answers at random else:
the lapse rate of Wichmann and Hill 2001, Perception & Psychophysics 63:1293. What comes first has a bonus of the
annotator's own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular
from scipy.optimize import minimize
from scipy.special import expit

from nextlabel.server.assessment.ranking.comparisons import Comparisons
from nextlabel.server.assessment.ranking.davidson import KNOWN_OF_TIES, log_probabilities, slopes

Float64 = NDArray[np.float64]

LANDMARKS = 512
"""Of more texts the curved half of K goes by so many drawn ones (Nyström): an iteration costs T (D + 512) and no T²."""

SPREAD, SPREAD_BESIDE = 1.0, 0.25
"""Standard deviations of rewards: s of what embeddings say, r of what they do not."""

USUAL_SKILL, SPREAD_OF_SKILL = 1.4, 1.0
"""Log-odds of an answer by the model against one at random: four of five."""

SPREAD_OF_POSITION = 0.5
_JITTER, _LEAST_SCALE = 1e-8, 1e-3


@dataclass(frozen=True, slots=True, eq=False)
class FittedProcess:
    """The most probable rewards (T,), skills and bonuses (W,), and logarithm of Davidson's ν."""

    reward_T: Float64
    skill_W: Float64
    position_W: Float64
    log_tie: float

    def advantage(self, given: Comparisons) -> Float64:
        """Return how much better the first text of each pair looks, (M,), in log-odds."""
        return self.reward_T[given.first_M] - self.reward_T[given.second_M] + self.position_W[given.annotator_M]

    def probabilities(self, given: Comparisons) -> Float64:
        """Return how probable first, tie and second are, (M, 3)."""
        skill_M1 = self.skill_W[given.annotator_M][:, None]
        return np.asarray(
            (1 - skill_M1) / 3 + skill_M1 * np.exp(log_probabilities(self.advantage(given), self.log_tie))
        )

    def information(self, given: Comparisons) -> Float64:
        """Return what an answer about each pair tells of its advantage (Fisher's information), (M,)."""
        advantage_M, skill_M1 = self.advantage(given), self.skill_W[given.annotator_M][:, None]
        likely_M3 = np.exp(log_probabilities(advantage_M, self.log_tie))
        by_advantage_M3 = skill_M1 * likely_M3 * slopes(advantage_M, self.log_tie)[0]
        return np.asarray((by_advantage_M3**2 / self.probabilities(given)).sum(axis=1))


def features(embeddings_TD: Float64) -> Float64:
    """Return features of texts of which the scalar products are K, (T, D + L), with L landmarks of the T texts.

    Embeddings of any length count by their direction. A text whose embedding is all 0 is like no other: its features
    are 0.
    """
    lengths_T = np.linalg.norm(embeddings_TD, axis=1)
    known = np.flatnonzero(lengths_T)
    unit_nD = embeddings_TD[known] / lengths_T[known, None]
    marks_LD = unit_nD[np.random.default_rng(0).permutation(len(known))[:LANDMARKS]]
    among_LL = np.exp(2 * (marks_LD @ marks_LD.T - 1)) + _JITTER * np.eye(len(marks_LD))
    to_nL = np.exp(2 * (unit_nD @ marks_LD.T - 1))
    curved_nL = solve_triangular(np.linalg.cholesky(among_LL), to_nL.T, lower=True).T
    features_TF = np.zeros((len(embeddings_TD), embeddings_TD.shape[1] + len(marks_LD)))
    features_TF[known] = np.hstack([_centred(unit_nD), _centred(curved_nL)]) * 0.5**0.5
    return features_TF


def _centred(features_nF: Float64) -> Float64:
    """Return features of mean 0 and of mean squared length 1, or 0 where all are about the same."""
    if not len(features_nF):
        return features_nF
    off_nF = features_nF - features_nF.mean(axis=0)
    scale = np.sqrt((off_nF**2).sum() / len(off_nF))
    return np.asarray(off_nF / scale if scale > _LEAST_SCALE else np.zeros_like(off_nF))


def fit(given: Comparisons, features_TF: Float64) -> FittedProcess:
    """Return what is most probable after some answers."""
    texts, annotators, width = given.texts, given.annotators, features_TF.shape[1]
    rows = np.arange(len(given))
    ends = np.cumsum([width, texts, annotators, annotators])

    def parts(parameters: Float64) -> FittedProcess:
        by_features, by_text, skill, position = np.split(parameters[:-1], ends[:-1])
        return FittedProcess(
            SPREAD * (features_TF @ by_features) + SPREAD_BESIDE * by_text,
            expit(USUAL_SKILL + SPREAD_OF_SKILL * skill),
            SPREAD_OF_POSITION * position,
            parameters[-1],
        )

    def loss(parameters: Float64) -> tuple[float, Float64]:
        now = parts(parameters)
        advantage_M, skill_M = now.advantage(given), now.skill_W[given.annotator_M]
        likely_M = np.exp(log_probabilities(advantage_M, now.log_tie)[rows, given.answer_M])
        either_M = (1 - skill_M) / 3 + skill_M * likely_M
        meant_M = skill_M * likely_M / either_M
        by_advantage_M3, by_tie_M3 = slopes(advantage_M, now.log_tie)
        slope_M = -meant_M * by_advantage_M3[rows, given.answer_M]
        by_skill_M = -(likely_M - 1 / 3) / either_M * skill_M * (1 - skill_M)
        equal = np.zeros(1)
        by_tie = -(meant_M @ by_tie_M3[rows, given.answer_M]) - KNOWN_OF_TIES @ slopes(equal, now.log_tie)[1][0]
        by_reward = np.bincount(given.first_M, slope_M, texts) - np.bincount(given.second_M, slope_M, texts)
        gradient = np.concatenate(
            [
                SPREAD * (features_TF.T @ by_reward),
                SPREAD_BESIDE * by_reward,
                SPREAD_OF_SKILL * np.bincount(given.annotator_M, by_skill_M, annotators),
                SPREAD_OF_POSITION * np.bincount(given.annotator_M, slope_M, annotators),
                [by_tie],
            ]
        )
        gradient[:-1] += parameters[:-1]
        known = KNOWN_OF_TIES @ log_probabilities(equal, now.log_tie)[0]
        return float(-np.log(either_M).sum() - known + parameters[:-1] @ parameters[:-1] / 2), gradient

    first = np.zeros(ends[-1] + 1)
    return parts(minimize(loss, first, jac=True, method="L-BFGS-B", options={"maxiter": 300}).x)


def loss_left_out(given: Comparisons, features_TF: Float64) -> float:
    """Return the log loss on answers left out, summed."""
    loss = 0.0
    for kept, out in given.folds():
        likely_m3 = fit(kept, features_TF).probabilities(out)
        loss -= float(np.log(likely_m3[np.arange(len(out)), out.answer_M]).sum())
    return loss


def errors(given: Comparisons, features_TF: Float64, found: FittedProcess) -> Float64:
    """Return standard errors of the rewards, (T,), by Laplace's approximation, given the skills and bonuses."""
    covariance_TT = SPREAD**2 * (features_TF @ features_TF.T) + SPREAD_BESIDE**2 * np.eye(given.texts)
    told_TT = given.information(found.information(given))
    posterior_TT = np.linalg.solve(np.eye(given.texts) + covariance_TT @ told_TT, covariance_TT)
    return np.asarray(np.sqrt(np.maximum(np.diag(posterior_TT), 0)))
