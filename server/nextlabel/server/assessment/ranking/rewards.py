"""How texts rank that several people and models compared, two at a time.

Each answer comes by Davidson's model or Thurstone's, whichever foresees answers left out better. An annotator's skill
multiplies how much better a text is, as discrimination does in item response theory, and what comes first has a bonus
of the annotator's own. A skill of 0 is guessing, one below 0 is answering the wrong way round. Rewards, skills and
bonuses have normal priors, which keep a text that always won finite and give all of it a scale: the usual skill is 1.
Where embeddings are at hand, a Gaussian process over them with annotators that lapse is tried too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from nextlabel.server.assessment.ranking import davidson, gaussian_process, thurstone
from nextlabel.server.assessment.ranking.comparisons import Comparisons
from nextlabel.server.assessment.ranking.davidson import FIRST, KNOWN_OF_TIES, TIE

Float64 = NDArray[np.float64]

SPREADS = (0.25, 0.5, 1.0, 2.0, 4.0)
"""Standard deviations that rewards may have around what is expected of them."""

USUAL_SPREAD = 1.0
SPREAD_OF_SKILL = 0.5
SPREAD_OF_POSITION = 0.5
FEWEST_TO_CHOOSE = 20


class RankingModel(StrEnum):
    """How answers come of rewards."""

    DAVIDSON = "davidson"
    THURSTONE = "thurstone"
    GAUSSIAN_PROCESS = "gaussian_process"

    @property
    def log_probabilities(self) -> Callable[[Float64, float], Float64]:
        """Logarithms of the probabilities of first, tie and second, (n, 3), by advantages, (n,), and ``log_tie``.

        Of a Gaussian process those of an answer that is no lapse.
        """
        return _LOG_PROBABILITIES[self]

    @property
    def slopes(self) -> Callable[[Float64, float], tuple[Float64, Float64]]:
        """How these change with the advantages and with ``log_tie``, (n, 3) each."""
        return _SLOPES[self]


_LOG_PROBABILITIES: Mapping[RankingModel, Callable[[Float64, float], Float64]] = {
    RankingModel.DAVIDSON: davidson.log_probabilities,
    RankingModel.THURSTONE: thurstone.log_probabilities,
    RankingModel.GAUSSIAN_PROCESS: davidson.log_probabilities,
}
_SLOPES: Mapping[RankingModel, Callable[[Float64, float], tuple[Float64, Float64]]] = {
    RankingModel.DAVIDSON: davidson.slopes,
    RankingModel.THURSTONE: thurstone.slopes,
    RankingModel.GAUSSIAN_PROCESS: davidson.slopes,
}


@dataclass(frozen=True, slots=True, eq=False)
class Ranking:
    """What comparisons say.

    Attributes:
        model: which one foresees answers best.
        reward_T: of each text: log-odds of it against one of reward 0, for an annotator of skill 1; nearly so by
            Thurstone's model.
        error_T: standard error of each reward, given the skills.
        skill_W: what each annotator's answers are worth; by a Gaussian process the share of them, from 0 to 1, that
            are no lapses.
        position_W: log-odds that each annotator adds to the text shown first; ``position_error_W`` their standard
            errors.
        tie_odds: odds of a tie between equal texts against one of them being preferred; Davidson's ν.
    """

    model: RankingModel
    reward_T: Float64
    error_T: Float64
    skill_W: Float64
    position_W: Float64
    position_error_W: Float64
    tie_odds: float


def rank(given: Comparisons, expected_T: Float64 | None = None, embeddings_TD: Float64 | None = None) -> Ranking:
    """Return the most probable rewards, skills and bonuses.

    Args:
        expected_T: what is expected of the texts beforehand, such as a learner's rewards; 0 of all by default.
        embeddings_TD: of the texts, all 0 where there is none. With these, rewards go by a Gaussian process where it
            foresees answers left out better than models that know nothing of the texts; ``expected_T`` counts where it
            does not. The learner is no rival: it was trained on the answers left out.

    How far rewards may be from ``expected_T`` is chosen by the log loss on answers left out.
    """
    if embeddings_TD is not None and len(given) >= FEWEST_TO_CHOOSE:
        features_TF = gaussian_process.features(embeddings_TD)
        _, _, loss = _chosen(given, np.zeros(given.texts))
        if gaussian_process.loss_left_out(given, features_TF) < loss:
            return _by_gaussian_process(given, features_TF)
    expected = np.zeros(given.texts) if expected_T is None else expected_T
    model, spread, _ = _chosen(given, expected)
    found = _fit(given, expected, spread, model)
    advantage_M = found.advantage(given)
    by_advantage_M3, _ = model.slopes(advantage_M, found.log_tie)
    told_M = (np.exp(model.log_probabilities(advantage_M, found.log_tie)) * by_advantage_M3**2).sum(axis=1)
    equal_3 = model.log_probabilities(np.zeros(1), found.log_tie)[0]
    weights_M = told_M * found.skill_W[given.annotator_M] ** 2
    information_TT = given.information(weights_M) + np.diag(np.full(given.texts, spread**-2))
    told_W = np.bincount(given.annotator_M, told_M, given.annotators) + SPREAD_OF_POSITION**-2
    return Ranking(
        model=model,
        reward_T=found.reward_T,
        error_T=np.sqrt(np.diag(np.linalg.inv(information_TT))),
        skill_W=found.skill_W,
        position_W=found.position_W,
        position_error_W=1 / np.sqrt(told_W),
        tie_odds=float(np.exp(equal_3[TIE] - equal_3[FIRST])),
    )


def _by_gaussian_process(given: Comparisons, features_TF: Float64) -> Ranking:
    found = gaussian_process.fit(given, features_TF)
    told_W = np.bincount(given.annotator_M, found.information(given), given.annotators)
    return Ranking(
        model=RankingModel.GAUSSIAN_PROCESS,
        reward_T=found.reward_T,
        error_T=gaussian_process.errors(given, features_TF, found),
        skill_W=found.skill_W,
        position_W=found.position_W,
        position_error_W=1 / np.sqrt(told_W + gaussian_process.SPREAD_OF_POSITION**-2),
        tie_odds=float(np.exp(found.log_tie)),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Fitted:
    reward_T: Float64
    skill_W: Float64
    position_W: Float64
    log_tie: float

    def advantage(self, given: Comparisons) -> Float64:
        difference_M = self.reward_T[given.first_M] - self.reward_T[given.second_M]
        return self.skill_W[given.annotator_M] * difference_M + self.position_W[given.annotator_M]


def _chosen(given: Comparisons, expected_T: Float64) -> tuple[RankingModel, float, float]:
    """Return the model and the spread that foresee answers left out best, and their log loss.

    The spread is Davidson's.
    """
    if len(given) < FEWEST_TO_CHOOSE:
        return RankingModel.DAVIDSON, USUAL_SPREAD, np.inf
    losses = [_loss_left_out(given, expected_T, spread, RankingModel.DAVIDSON) for spread in SPREADS]
    spread, least = SPREADS[int(np.argmin(losses))], min(losses)
    other = _loss_left_out(given, expected_T, spread, RankingModel.THURSTONE)
    return (RankingModel.THURSTONE, spread, other) if other < least else (RankingModel.DAVIDSON, spread, least)


def _loss_left_out(given: Comparisons, expected_T: Float64, spread: float, model: RankingModel) -> float:
    loss = 0.0
    for kept, out in given.folds():
        found = _fit(kept, expected_T, spread, model)
        log_m3 = model.log_probabilities(found.advantage(out), found.log_tie)
        loss -= float(log_m3[np.arange(len(out)), out.answer_M].sum())
    return loss


def _fit(given: Comparisons, expected_T: Float64, spread: float, model: RankingModel) -> _Fitted:
    texts, annotators = given.texts, given.annotators
    given_M3 = np.eye(3)[given.answer_M]

    def parts(parameters: Float64) -> _Fitted:
        off, skill, position = np.split(parameters[:-1], [texts, texts + annotators])
        return _Fitted(
            expected_T + spread * off, 1 + SPREAD_OF_SKILL * skill, SPREAD_OF_POSITION * position, parameters[-1]
        )

    def loss(parameters: Float64) -> tuple[float, Float64]:
        now = parts(parameters)
        advantage_M = now.advantage(given)
        log_M3 = model.log_probabilities(advantage_M, now.log_tie)
        equal_3 = model.log_probabilities(np.zeros(1), now.log_tie)[0]
        by_advantage_M3, by_tie_M3 = model.slopes(advantage_M, now.log_tie)
        slope_M = -(given_M3 * by_advantage_M3).sum(axis=1)
        tie_slope = -(given_M3 * by_tie_M3).sum() - KNOWN_OF_TIES @ model.slopes(np.zeros(1), now.log_tie)[1][0]
        through_M = slope_M * now.skill_W[given.annotator_M]
        difference_M = now.reward_T[given.first_M] - now.reward_T[given.second_M]
        by_text = np.bincount(given.first_M, through_M, texts) - np.bincount(given.second_M, through_M, texts)
        gradient = np.concatenate(
            [
                spread * by_text,
                SPREAD_OF_SKILL * np.bincount(given.annotator_M, slope_M * difference_M, annotators),
                SPREAD_OF_POSITION * np.bincount(given.annotator_M, slope_M, annotators),
                [tie_slope],
            ]
        )
        gradient[:-1] += parameters[:-1]
        value = -(given_M3 * log_M3).sum() - KNOWN_OF_TIES @ equal_3 + parameters[:-1] @ parameters[:-1] / 2
        return float(value), gradient

    first = np.zeros(texts + 2 * annotators + 1)
    return parts(minimize(loss, first, jac=True, method="L-BFGS-B", options={"maxiter": 500}).x)
