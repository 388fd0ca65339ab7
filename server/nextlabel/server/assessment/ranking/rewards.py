"""How texts rank that several people and models compared, two at a time.

Davidson's model of each answer, in which an annotator's skill multiplies how much better a text is, as discrimination
does in item response theory, and what comes first has a bonus of the annotator's own. A skill of 0 is guessing, one
below 0 is answering the wrong way round. Rewards, skills and bonuses have normal priors, which keep a text that always
won finite and give all of it a scale: the usual skill is 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from nextlabel.server.assessment.ranking.davidson import KNOWN_OF_TIES, SIDES, TIE, curvature, log_probabilities

Float64 = NDArray[np.float64]
Ints = NDArray[np.int64]

SPREADS = (0.25, 0.5, 1.0, 2.0, 4.0)
"""Standard deviations that rewards may have around what is expected of them."""

USUAL_SPREAD = 1.0
SPREAD_OF_SKILL = 0.5
SPREAD_OF_POSITION = 0.5
FOLDS = 5
FEWEST_TO_CHOOSE = 20


@dataclass(frozen=True, slots=True, eq=False)
class Comparisons:
    """M answers by W annotators about pairs of T texts.

    Attributes:
        first_M: the text that was shown first, from 0 to T - 1; ``second_M`` the other one.
        answer_M: `FIRST`, `TIE` or `SECOND` of `davidson`.
        annotator_M: who answered, from 0 to W - 1.
    """

    first_M: Ints
    second_M: Ints
    answer_M: Ints
    annotator_M: Ints
    texts: int
    annotators: int

    def __len__(self) -> int:
        return len(self.answer_M)

    def take(self, some: Ints) -> Comparisons:
        """Return some of the answers about the same texts."""
        columns = (self.first_M[some], self.second_M[some], self.answer_M[some], self.annotator_M[some])
        return Comparisons(*columns, self.texts, self.annotators)


@dataclass(frozen=True, slots=True, eq=False)
class Ranking:
    """What comparisons say.

    Attributes:
        reward_T: of each text: log-odds of it against one of reward 0, for an annotator of skill 1.
        error_T: standard error of each reward, given the skills.
        skill_W: what each annotator's answers are worth.
        position_W: log-odds that each annotator adds to the text shown first; ``position_error_W`` their standard
            errors.
        log_tie: logarithm of Davidson's ν.
    """

    reward_T: Float64
    error_T: Float64
    skill_W: Float64
    position_W: Float64
    position_error_W: Float64
    log_tie: float


def rank(given: Comparisons, expected_T: Float64 | None = None) -> Ranking:
    """Return the most probable rewards, skills and bonuses.

    Args:
        expected_T: what is expected of the texts beforehand, such as a learner's rewards; 0 of all by default.

    How far rewards may be from that is chosen by the log loss on answers left out.
    """
    expected = np.zeros(given.texts) if expected_T is None else expected_T
    spread = _spread(given, expected)
    found = _fit(given, expected, spread)
    advantage_M = found.advantage(given)
    told_M = curvature(advantage_M, found.log_tie)
    weights_M = told_M * found.skill_W[given.annotator_M] ** 2
    information_TT = np.diag(np.full(given.texts, spread**-2))
    np.add.at(information_TT, (given.first_M, given.first_M), weights_M)
    np.add.at(information_TT, (given.second_M, given.second_M), weights_M)
    np.add.at(information_TT, (given.first_M, given.second_M), -weights_M)
    np.add.at(information_TT, (given.second_M, given.first_M), -weights_M)
    told_W = np.bincount(given.annotator_M, told_M, given.annotators) + SPREAD_OF_POSITION**-2
    return Ranking(
        reward_T=found.reward_T,
        error_T=np.sqrt(np.diag(np.linalg.inv(information_TT))),
        skill_W=found.skill_W,
        position_W=found.position_W,
        position_error_W=1 / np.sqrt(told_W),
        log_tie=found.log_tie,
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


def _spread(given: Comparisons, expected_T: Float64) -> float:
    if len(given) < FEWEST_TO_CHOOSE:
        return USUAL_SPREAD
    order = np.random.default_rng(0).permutation(len(given))
    losses = np.zeros(len(SPREADS))
    for fold in range(FOLDS):
        out, kept = given.take(order[fold::FOLDS]), given.take(np.delete(order, np.s_[fold::FOLDS]))
        for place, spread in enumerate(SPREADS):
            found = _fit(kept, expected_T, spread)
            log_m3 = log_probabilities(found.advantage(out), found.log_tie)
            losses[place] -= log_m3[np.arange(len(out)), out.answer_M].sum()
    return SPREADS[int(losses.argmin())]


def _fit(given: Comparisons, expected_T: Float64, spread: float) -> _Fitted:
    texts, annotators = given.texts, given.annotators
    given_M3 = np.eye(3)[given.answer_M]

    def parts(parameters: Float64) -> _Fitted:
        off, skill, position = np.split(parameters[:-1], [texts, texts + annotators])
        return _Fitted(
            expected_T + spread * off, 1 + SPREAD_OF_SKILL * skill, SPREAD_OF_POSITION * position, parameters[-1]
        )

    def loss(parameters: Float64) -> tuple[float, Float64]:
        now = parts(parameters)
        log_M3 = log_probabilities(now.advantage(given), now.log_tie)
        equal_3 = log_probabilities(np.zeros(1), now.log_tie)[0]
        off_M3 = np.exp(log_M3) - given_M3
        slope_M = off_M3 @ SIDES
        through_M = slope_M * now.skill_W[given.annotator_M]
        difference_M = now.reward_T[given.first_M] - now.reward_T[given.second_M]
        by_text = np.bincount(given.first_M, through_M, texts) - np.bincount(given.second_M, through_M, texts)
        gradient = np.concatenate(
            [
                spread * by_text,
                SPREAD_OF_SKILL * np.bincount(given.annotator_M, slope_M * difference_M, annotators),
                SPREAD_OF_POSITION * np.bincount(given.annotator_M, slope_M, annotators),
                [off_M3[:, TIE].sum() + KNOWN_OF_TIES.sum() * np.exp(equal_3[TIE]) - KNOWN_OF_TIES[TIE]],
            ]
        )
        gradient[:-1] += parameters[:-1]
        value = -(given_M3 * log_M3).sum() - KNOWN_OF_TIES @ equal_3 + parameters[:-1] @ parameters[:-1] / 2
        return float(value), gradient

    first = np.zeros(texts + 2 * annotators + 1)
    return parts(minimize(loss, first, jac=True, method="L-BFGS-B", options={"maxiter": 500}).x)
