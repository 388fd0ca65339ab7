"""Annotators who are right with one probability each, and err evenly (one-coin Dawid-Skene; Zhang et al. 2016,
1406.3824).

One number an annotator: with few answers, or annotators who are much alike, more numbers fit what is chance. Where an
item has about two answers even one number does, as agreement hardly tells who is right. So accuracies are drawn towards
what all have in common, the less the more they differ beyond chance (empirical Bayes, Morris 1983).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nextlabel.server.assessment.consensus.expectation_maximisation import expectation_maximisation
from nextlabel.server.assessment.consensus.panel import Panel
from nextlabel.server.assessment.consensus.table import AnswerTable

Floats = npt.NDArray[np.float64]

_USUAL_VARIANCE = 0.2**2
"""Variance of accuracies among annotators before any answer."""
_USUAL_ANNOTATORS = 0.3
"""As how many annotators it counts."""


@dataclass(frozen=True, slots=True, eq=False)
class _Coins:
    """The panel, and the variance of its annotators' accuracies."""

    panel: Panel
    variance: float


def one_coin(table: AnswerTable) -> tuple[Floats, Panel]:
    """Return class probabilities of all items, (N, C), and the panel, by expectation maximisation; gold stays."""
    panel_size = len(table.annotators)
    answers_W = np.bincount(table.annotator_A, minlength=panel_size)

    def fitted(posterior_NC: Floats, before: _Coins | None) -> _Coins:
        variance = _USUAL_VARIANCE if before is None else before.variance
        right_A = posterior_NC[table.item_A, table.class_A]
        right_W = np.bincount(table.annotator_A, right_A, panel_size)
        common = (right_W.sum() + 1.0) / (answers_W.sum() + 2.0)
        # A beta distribution with this mean and variance, as so many answers.
        as_answers = max(0.0, common * (1 - common) / variance - 1)
        accuracy_W = (right_W + as_answers * common + 1.0) / (answers_W + as_answers + 2.0)
        panel = _panel(table, accuracy_W, posterior_NC.sum(axis=0) + 1.0)
        return _Coins(panel, _variance(table, accuracy_W, right_A, variance))

    posterior_NC, found = expectation_maximisation(table, fitted, lambda coins: coins.panel.posteriors(table))
    return posterior_NC, found.panel


def _variance(table: AnswerTable, accuracy_W: Floats, right_A: Floats, before: float) -> float:
    """Return the variance of accuracies among annotators, from their spread and how well each is known.

    An answer tells of its annotator what its score varies by (Louis 1982): nothing where it is open who is right.
    """
    panel_size = len(accuracy_W)
    off_A = right_A - accuracy_W[table.annotator_A]
    known_W = np.bincount(table.annotator_A, off_A**2, panel_size) / (accuracy_W * (1 - accuracy_W)) ** 2
    spread_W = (accuracy_W - accuracy_W.mean()) ** 2 + 1 / (known_W + 1 / before)
    usual = _USUAL_ANNOTATORS * _USUAL_VARIANCE
    return float((spread_W.mean() * (panel_size - 1) + usual) / (panel_size - 1 + _USUAL_ANNOTATORS))


def _panel(table: AnswerTable, accuracy_W: Floats, prior_C: Floats) -> Panel:
    classes = len(table.classes)
    even_W = (1 - accuracy_W) / max(1, classes - 1)
    given_WGT = even_W[:, None, None] + (accuracy_W - even_W)[:, None, None] * np.eye(classes)
    return Panel(
        table.annotators,
        table.classes,
        np.log(given_WGT).reshape(-1, classes),
        np.log(given_WGT.mean(axis=0)),
        np.log(prior_C / prior_C.sum()),
    )
