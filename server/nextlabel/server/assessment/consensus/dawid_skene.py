"""Annotators with their own habits of error (Dawid and Skene 1979), shrunk towards what all have in common.

Each annotator has a matrix of how it calls each true class. With few answers a free matrix is noise, so that it has a
Dirichlet prior around a matrix that all share, as in hierarchical versions (Paun et al. 2018, Q18-1040).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nextlabel.server.assessment.consensus.expectation_maximisation import expectation_maximisation
from nextlabel.server.assessment.consensus.panel import Panel
from nextlabel.server.assessment.consensus.table import NO_GOLD, AnswerTable

Floats = npt.NDArray[np.float64]

PRIOR_ANSWERS = 4.0
"""How many answers about a class the shared matrix counts as."""


def dawid_skene(table: AnswerTable, prior_answers: float = PRIOR_ANSWERS) -> tuple[Floats, Panel]:
    """Return class probabilities of all items, (N, C), and the panel, by expectation maximisation.

    Gold items keep their class. Starts from the votes; the result is a local optimum.
    """
    classes, panel_size = len(table.classes), len(table.annotators)

    def fitted(posterior_NC: Floats, _: Panel | None) -> Panel:
        counts_KC = np.asarray(table.giving @ posterior_NC)
        return _fitted(table, counts_KC.reshape(panel_size, classes, classes), posterior_NC, prior_answers)

    return expectation_maximisation(table, fitted, lambda panel: panel.posteriors(table))


def _fitted(table: AnswerTable, counts_WGT: Floats, posterior_NC: Floats, prior_answers: float) -> Panel:
    """Return the panel of expected counts by annotator, class given and true class."""
    classes = len(table.classes)
    shared_GT = counts_WGT.sum(axis=0) + 1.0 / classes + np.eye(classes)
    shared_GT /= shared_GT.sum(axis=0)
    given_WGT = counts_WGT + prior_answers * shared_GT
    given_WGT /= given_WGT.sum(axis=1, keepdims=True)
    prior_C = posterior_NC.sum(axis=0) + 1.0
    return Panel(
        table.annotators,
        table.classes,
        np.log(given_WGT).reshape(-1, classes),
        np.log(shared_GT),
        np.log(prior_C / prior_C.sum()),
    )


def gold_panel(table: AnswerTable) -> tuple[Floats, Panel]:
    """Return class probabilities, (N, C), by annotators as gold alone shows them, and the panel.

    Nothing is learned from agreement.

    Where errors are correlated, what annotators agree on misleads expectation maximisation.
    """
    known = table.gold_N != NO_GOLD
    classes, panel_size = len(table.classes), len(table.annotators)
    truth_NC = np.zeros((table.items, classes))
    truth_NC[np.flatnonzero(known), table.gold_N[known]] = 1.0
    counts_KC = np.asarray(table.giving @ truth_NC)
    panel = _fitted(table, counts_KC.reshape(panel_size, classes, classes), truth_NC, PRIOR_ANSWERS)
    return panel.posteriors(table), panel
