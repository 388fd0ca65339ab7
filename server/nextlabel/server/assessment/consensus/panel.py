"""What is known of a panel of annotators, and what it makes of answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from nextlabel.server.assessment.consensus.table import NO_GOLD, AnswerTable

Floats = npt.NDArray[np.float64]


class Joiner(Protocol):
    """What is known of annotators, by which the answers about one item are joined."""

    def posterior(self, answers: Mapping[str, int]) -> Floats:
        """Return class probabilities, (C,), of one item from its answers, class position by annotator."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Panel:
    """What is known of W annotators: how each calls each true class.

    ``log_given_KC`` has the log-probability of an answer (annotator and class given, W x C rows) by true class;
    ``log_prior_C`` that of the classes. ``log_shared_CC`` is used for annotators who are not on the panel.
    """

    annotators: tuple[str, ...]
    classes: tuple[str, ...]
    log_given_KC: Floats
    log_shared_CC: Floats
    log_prior_C: Floats

    def posterior(self, answers: Mapping[str, int]) -> Floats:
        """Return class probabilities, (C,), of one item from its answers, class position by annotator.

        Costs a few additions an answer: nothing is fitted anew.
        """
        classes = len(self.classes)
        total: Floats = self.log_prior_C.copy()
        for annotator, given in answers.items():
            known = annotator in self.annotators
            total += (
                self.log_given_KC[self.annotators.index(annotator) * classes + given]
                if known
                else self.log_shared_CC[given]
            )
        found: Floats = normalised(total[None])[0]
        return found

    def posteriors(self, table: AnswerTable) -> Floats:
        """Return class probabilities of all items of a table with the same annotators, (N, C); gold stays."""
        return table.clamped(normalised(self._log_joint(table)))

    def log_likelihood(self, table: AnswerTable) -> float:
        """Return how likely all answers are, by natural logarithm: with the class of gold, else whatever the class."""
        log_NC = self._log_joint(table)
        most_N = log_NC.max(axis=1)
        likely_N = most_N + np.log(np.exp(log_NC - most_N[:, None]).sum(axis=1))
        known = np.flatnonzero(table.gold_N != NO_GOLD)
        likely_N[known] = log_NC[known, table.gold_N[known]]
        return float(likely_N.sum())

    def _log_joint(self, table: AnswerTable) -> Floats:
        return np.asarray(np.asarray(table.given @ self.log_given_KC) + self.log_prior_C)


def normalised(log_NC: Floats) -> Floats:
    """Return probabilities that add up to 1 in each row from unnormalised logarithms."""
    log_NC = log_NC - log_NC.max(axis=1, keepdims=True)
    odds = np.exp(log_NC)
    return np.asarray(odds / odds.sum(axis=1, keepdims=True))
