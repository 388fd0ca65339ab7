"""Annotators who are right with one probability each, and err evenly (one-coin Dawid-Skene; Zhang et al. 2016,
1406.3824).

One number an annotator: with few answers, or annotators who are much alike, more numbers fit what is chance.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nextlabel.server.assessment.consensus.expectation_maximisation import expectation_maximisation
from nextlabel.server.assessment.consensus.panel import Panel
from nextlabel.server.assessment.consensus.table import AnswerTable

Floats = npt.NDArray[np.float64]


def one_coin(table: AnswerTable) -> tuple[Floats, Panel]:
    """Return class probabilities of all items, (N, C), and the panel, by expectation maximisation; gold stays."""
    panel_size = len(table.annotators)
    answers_W = np.bincount(table.annotator_A, minlength=panel_size)

    def fitted(posterior_NC: Floats, _: Panel | None) -> Panel:
        right_A = posterior_NC[table.item_A, table.class_A]
        accuracy_W = (np.bincount(table.annotator_A, right_A, panel_size) + 1.0) / (answers_W + 2.0)
        return _panel(table, accuracy_W, posterior_NC.sum(axis=0) + 1.0)

    return expectation_maximisation(table, fitted, lambda panel: panel.posteriors(table))


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
