"""Learning curves of several seeds, and what is read off them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from nextlabel.server.simulation.cell import Cell
from nextlabel.server.simulation.influence import accuracy_influence, macro_f1_influence
from nextlabel.server.simulation.packing import unpack

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Curves:
    """The curves of one strategy, a row a seed, all at the same numbers of labels.

    Attributes:
        labels_P: increasing numbers of labels, shape (P,).
        accuracy_SP: in [0, 1], shape (S, P).
        macro_f1_SP: in [0, 1], shape (S, P).
        accuracy_MP: influence of each test item on the mean accuracy over seeds, shape (M, P).
        macro_f1_MP: the same on macro-F1.
    """

    labels_P: Int64
    accuracy_SP: Float64
    macro_f1_SP: Float64
    accuracy_MP: Float64
    macro_f1_MP: Float64

    @classmethod
    def of(cls, cells: Sequence[Cell], test_labels_M: Int64) -> Self:
        """Stack the cells of one strategy, which are in order of their seeds."""
        labels_P = np.array([point.labels for point in cells[0].points])
        accuracy_MP, macro_f1_MP = (np.zeros((len(test_labels_M), len(labels_P))) for _ in range(2))
        for cell in cells:
            predicted_PM = unpack(cell.predicted, len(labels_P))
            accuracy_MP += accuracy_influence(test_labels_M, predicted_PM) / len(cells)
            macro_f1_MP += macro_f1_influence(test_labels_M, predicted_PM) / len(cells)
        return cls(
            labels_P=labels_P,
            accuracy_SP=np.array([[point.accuracy for point in cell.points] for cell in cells]),
            macro_f1_SP=np.array([[point.macro_f1 for point in cell.points] for cell in cells]),
            accuracy_MP=accuracy_MP,
            macro_f1_MP=macro_f1_MP,
        )


def normalised_aulc(labels_P: Int64, scores_SP: Float64) -> Float64:
    """Area under each learning curve by trapezoids, divided by the range of labels: the mean score, (S,).

    The range begins at the first point, not at 0 labels. A single point is its own area.
    """
    if len(labels_P) == 1:
        return scores_SP[:, 0]
    return np.asarray(np.trapezoid(scores_SP, labels_P, axis=1) / (labels_P[-1] - labels_P[0]))


def labels_to_reach(labels_P: Int64, curves_BP: Float64, target_B: Float64) -> Float64:
    """Labels at which each curve first reaches its target, linear between points, (B,); inf where it never does."""
    reached_BP = curves_BP >= target_B[:, None]
    after = reached_BP.argmax(axis=1)
    before = np.maximum(after - 1, 0)
    rows = np.arange(len(curves_BP))
    start, stop = curves_BP[rows, before], curves_BP[rows, after]
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(after > 0, (target_B - start) / (stop - start), 0.0)
    labels = labels_P[before] + share * (labels_P[after] - labels_P[before])
    return np.where(reached_BP.any(axis=1), labels, np.inf)


def labels_saved(labels_P: Int64, curves_BP: Float64, baseline_BP: Float64) -> Float64:
    """Labels that the baseline needs more than the curve to become as good, (B,); negative where it needs fewer.

    The accuracy aimed at is the best that both reach within the budget, so that there always is an answer.
    """
    target_B = np.minimum(curves_BP.max(axis=1), baseline_BP.max(axis=1))
    return labels_to_reach(labels_P, baseline_BP, target_B) - labels_to_reach(labels_P, curves_BP, target_B)
