"""Annotators who know the answer or guess: one number each (MACE, Hovy et al. 2013, N13-1132).

An annotator knows the class with its competence; else it answers by its own distribution over classes, whatever is
true. Fewer parameters than Dawid-Skene: better with few answers and many classes, blind to confusions.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nextlabel.server.assessment.consensus.panel import Panel
from nextlabel.server.assessment.consensus.table import AnswerTable

Floats = npt.NDArray[np.float64]

_MAX_STEPS = 60
_TOLERANCE = 1e-3


def mace(table: AnswerTable) -> tuple[Floats, Panel]:
    """Return class probabilities of all items, (N, C), and the panel, by expectation maximisation; gold stays."""
    classes, panel_size = len(table.classes), len(table.annotators)
    given = table.annotator_A * classes + table.class_A
    answers_W = np.bincount(table.annotator_A, minlength=panel_size)
    posterior_NC = table.clamped((table.votes + 1e-3) / (table.votes + 1e-3).sum(axis=1, keepdims=True))
    competence_W, guesses_WC = np.full(panel_size, 0.7), np.full((panel_size, classes), 1 / classes)
    for _ in range(_MAX_STEPS):
        guess_A = (1 - competence_W[table.annotator_A]) * guesses_WC.ravel()[given]
        knew_A = competence_W[table.annotator_A] / (competence_W[table.annotator_A] + guess_A)
        knew_A *= posterior_NC[table.item_A, table.class_A]
        competence_W = (np.bincount(table.annotator_A, knew_A, panel_size) + 1.0) / (answers_W + 2.0)
        guessed = np.bincount(given, 1 - knew_A, panel_size * classes).reshape(panel_size, classes) + 1.0
        guesses_WC = guessed / guessed.sum(axis=1, keepdims=True)
        updated_NC = table.clamped(_posterior(table, competence_W, guesses_WC, posterior_NC.mean(axis=0)))
        moved = float(np.abs(updated_NC - posterior_NC).max(initial=0.0))
        posterior_NC = updated_NC
        if moved < _TOLERANCE:
            break
    return posterior_NC, _panel(table, competence_W, guesses_WC, posterior_NC.mean(axis=0))


def _panel(table: AnswerTable, competence_W: Floats, guesses_WC: Floats, prior_C: Floats) -> Panel:
    classes = len(table.classes)
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


def _posterior(table: AnswerTable, competence_W: Floats, guesses_WC: Floats, prior_C: Floats) -> Floats:
    """An answer multiplies the odds of its class by (knew or guessed it) / (guessed it)."""
    classes = len(table.classes)
    guess_WC = (1 - competence_W[:, None]) * guesses_WC
    gain_A = np.log1p(competence_W[table.annotator_A] / guess_WC[table.annotator_A, table.class_A])
    log_NC = np.bincount(table.item_A * classes + table.class_A, gain_A, minlength=table.items * classes).reshape(
        table.items, classes
    ) + np.log(prior_C + 1e-6)
    odds = np.exp(log_NC - log_NC.max(axis=1, keepdims=True))
    return np.asarray(odds / odds.sum(axis=1, keepdims=True))
