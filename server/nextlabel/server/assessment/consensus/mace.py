"""Annotators who know the answer or guess: one number each (MACE, Hovy et al. 2013, N13-1132).

An annotator knows the class with its competence; else it answers by its own distribution over classes, whatever is
true. Fewer parameters than Dawid-Skene: better with few answers and many classes, blind to confusions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nextlabel.server.assessment.consensus.expectation_maximisation import expectation_maximisation
from nextlabel.server.assessment.consensus.panel import Panel, normalised
from nextlabel.server.assessment.consensus.table import AnswerTable

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class _Guessing:
    """Competence of W annotators, how each guesses, and the class probabilities before any answer."""

    competence_W: Floats
    guesses_WC: Floats
    prior_C: Floats


def mace(table: AnswerTable) -> tuple[Floats, Panel]:
    """Return class probabilities of all items, (N, C), and the panel, by expectation maximisation; gold stays."""
    classes, panel_size = len(table.classes), len(table.annotators)
    given = table.annotator_A * classes + table.class_A
    answers_W = np.bincount(table.annotator_A, minlength=panel_size)

    def fitted(posterior_NC: Floats, before: _Guessing | None) -> _Guessing:
        competence_W = np.full(panel_size, 0.7) if before is None else before.competence_W
        guesses_WC = np.full((panel_size, classes), 1 / classes) if before is None else before.guesses_WC
        guess_A = (1 - competence_W[table.annotator_A]) * guesses_WC.ravel()[given]
        knew_A = competence_W[table.annotator_A] / (competence_W[table.annotator_A] + guess_A)
        knew_A *= posterior_NC[table.item_A, table.class_A]
        guessed = np.bincount(given, 1 - knew_A, panel_size * classes).reshape(panel_size, classes) + 1.0
        return _Guessing(
            (np.bincount(table.annotator_A, knew_A, panel_size) + 1.0) / (answers_W + 2.0),
            guessed / guessed.sum(axis=1, keepdims=True),
            posterior_NC.mean(axis=0),
        )

    posterior_NC, found = expectation_maximisation(table, fitted, lambda by: _posterior(table, by))
    return posterior_NC, _panel(table, found, posterior_NC.mean(axis=0))


def _panel(table: AnswerTable, found: _Guessing, prior_C: Floats) -> Panel:
    classes, competence_W, guesses_WC = len(table.classes), found.competence_W, found.guesses_WC
    given_WGT = (1 - competence_W)[:, None, None] * guesses_WC[:, :, None] + competence_W[:, None, None] * np.eye(
        classes
    )
    return Panel(
        table.annotators,
        table.classes,
        np.log(given_WGT).reshape(-1, classes),
        np.log(given_WGT.mean(axis=0)),
        np.log(prior_C + 1e-6),
    )


def _posterior(table: AnswerTable, by: _Guessing) -> Floats:
    """An answer multiplies the odds of its class by (knew or guessed it) / (guessed it)."""
    classes = len(table.classes)
    guess_WC = (1 - by.competence_W[:, None]) * by.guesses_WC
    gain_A = np.log1p(by.competence_W[table.annotator_A] / guess_WC[table.annotator_A, table.class_A])
    log_NC = np.bincount(table.item_A * classes + table.class_A, gain_A, table.items * classes).astype(np.float64)
    return table.clamped(normalised(log_NC.reshape(table.items, classes) + np.log(by.prior_C + 1e-6)))
