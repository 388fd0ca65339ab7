"""Annotators of unequal ability on items of unequal difficulty (GLAD, Whitehill et al. 2009).

An answer is right with probability 1 / (1 + exp(-ability x easiness)), and errs evenly. An item on which good
annotators differ is found to be hard, and then says little about them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from nextlabel.server.assessment.consensus.expectation_maximisation import expectation_maximisation
from nextlabel.server.assessment.consensus.panel import normalised
from nextlabel.server.assessment.consensus.table import NO_GOLD, AnswerTable

Floats = npt.NDArray[np.float64]

PRIOR_MEAN = 1.0
"""Mean of the normal priors, of variance 1, of abilities and of the logarithms of easiness, as in the paper."""

_LONGEST_STEP = 1.0
_STEPS_OF_ITEM = 3


@dataclass(frozen=True, slots=True, eq=False)
class Skills:
    """Abilities of W annotators, below 0 where answers are wrong rather than right; easiness of N items, above 0."""

    annotators: tuple[str, ...]
    classes: tuple[str, ...]
    ability_W: Floats
    easiness_N: Floats
    prior_C: Floats

    def posterior(self, answers: Mapping[str, int]) -> Floats:
        """Return class probabilities, (C,), of one item from its answers, class position by annotator.

        How easy it is is found from these answers; abilities stay, and who is not known has the mean ability.
        """
        place = {name: at for at, name in enumerate(self.annotators) if name in answers}
        ability_A = np.array([self.ability_W[place[name]] if name in place else PRIOR_MEAN for name in answers])
        each = np.arange(len(answers))
        given = np.array(list(answers.values()), np.int64)
        item = AnswerTable(np.zeros_like(each), each, given, np.array([NO_GOLD]), tuple(answers), self.classes)
        skills = Skills(item.annotators, self.classes, ability_A, np.full(1, np.exp(PRIOR_MEAN)), self.prior_C)
        for _ in range(_STEPS_OF_ITEM):
            right_A = _posterior(item, skills)[0][given]
            logit_A = ability_A * skills.easiness_N[0]
            log_easiness_N = _step(np.log(skills.easiness_N), item.item_A, logit_A, logit_A, right_A)
            skills = replace(skills, easiness_N=np.exp(log_easiness_N))
        found: Floats = _posterior(item, skills)[0]
        return found


def glad(table: AnswerTable) -> tuple[Floats, Skills]:
    """Return class probabilities of all items, (N, C), and the skills, by expectation maximisation; gold stays.

    Each maximisation is one step of Fisher scoring for abilities, and one for the logarithms of easiness.
    """

    def fitted(posterior_NC: Floats, before: Skills | None) -> Skills:
        ability_W = np.full(len(table.annotators), PRIOR_MEAN) if before is None else before.ability_W
        log_easiness_N = np.full(table.items, PRIOR_MEAN) if before is None else np.log(before.easiness_N)
        right_A = posterior_NC[table.item_A, table.class_A]
        easiness_A = np.exp(log_easiness_N)[table.item_A]
        ability_W = _step(ability_W, table.annotator_A, easiness_A, ability_W[table.annotator_A] * easiness_A, right_A)
        logit_A = ability_W[table.annotator_A] * easiness_A
        log_easiness_N = _step(log_easiness_N, table.item_A, logit_A, logit_A, right_A)
        prior_C = posterior_NC.sum(axis=0) + 1.0
        return Skills(table.annotators, table.classes, ability_W, np.exp(log_easiness_N), prior_C / prior_C.sum())

    return expectation_maximisation(table, fitted, lambda skills: _posterior(table, skills))


def _step(value_n: Floats, place_A: npt.NDArray[np.int64], slope_A: Floats, logit_A: Floats, right_A: Floats) -> Floats:
    """Return parameters after a step towards the best ones; ``slope_A`` is how a logit changes with its parameter."""
    chance_A = expit(logit_A)
    gradient_n = np.bincount(place_A, (right_A - chance_A) * slope_A, len(value_n)) - (value_n - PRIOR_MEAN)
    curvature_n = np.bincount(place_A, chance_A * (1 - chance_A) * slope_A**2, len(value_n)) + 1.0
    return np.asarray(value_n + np.clip(gradient_n / curvature_n, -_LONGEST_STEP, _LONGEST_STEP))


def _posterior(table: AnswerTable, skills: Skills) -> Floats:
    """An answer multiplies the odds of its class by right / (wrong in this very way)."""
    classes = len(table.classes)
    gain_A = skills.ability_W[table.annotator_A] * skills.easiness_N[table.item_A] + np.log(max(1, classes - 1))
    log_NC = np.bincount(table.item_A * classes + table.class_A, gain_A, table.items * classes).astype(np.float64)
    return table.clamped(normalised(log_NC.reshape(table.items, classes) + np.log(skills.prior_C)))
