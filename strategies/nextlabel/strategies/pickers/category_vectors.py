"""Several classes an item: rows of doubtful classes whose predicted set is unlike the sets that were given."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from nextlabel.strategies.arithmetic.arrays import Exact, to_numpy
from nextlabel.strategies.candidates import Candidates, Picks
from nextlabel.strategies.context import LabeledSet, Need, SelectionContext
from nextlabel.strategies.heads import Predictor, YesNoHeads
from nextlabel.strategies.pickers.distances import all_embeddings
from nextlabel.strategies.pickers.top import best_positions

Bool = npt.NDArray[np.bool_]

VALUE_GRID = 2.0**-20
"""Margins and values are rounded to multiples of it; what processors differ by is far below."""

_LABELED_AT_A_TIME = 512


@dataclass(frozen=True, slots=True)
class CategoryVectors:
    """Ranks rows by doubt times inconsistency (CVIRS; Reyes, Morell and Ventura 2018, Neurocomputing 273:494).

    Doubt is Borda's count over the classes of the rank by margin among the candidates, in [0, 1]. Inconsistency is the
    mean over labeled items of how far their set of classes is from the predicted one (`set_distances`). With a learner
    of one class an item, sets are of one class.
    """

    @property
    def needs(self) -> frozenset[Need]:
        """Probabilities, labels and embeddings."""
        return frozenset({Need.PROBABILITIES, Need.LABELED, Need.EMBEDDINGS})

    def pick(self, candidates: Candidates, k: int, context: SelectionContext, rng: np.random.Generator) -> Picks:
        """Choose the k of highest product."""
        predictor = context.require_predictor()
        margins_mC, given_mC = _predicted(predictor, all_embeddings(candidates))
        none = 1 if isinstance(predictor, YesNoHeads) else 0
        apart_m = _inconsistency(given_mC, _sets(context.require_labeled(), given_mC.shape[1], none))
        values_m = np.rint(_borda(margins_mC) * apart_m / VALUE_GRID) * VALUE_GRID
        return Picks(best_positions(candidates, values_m.astype(np.float32), k))


def set_distances(one_mC: Bool, other_LC: Bool) -> Exact:
    """Return how far m sets of classes are from L others, in [0, 1], (m, L).

    It is the variation of information of the two memberships over their joint entropy; 1 for sets that agree on no
    class, and 0 for equal ones.
    """
    both_mL = one_mC.astype(np.float64) @ other_LC.T.astype(np.float64)
    ones_m1, others_1L = one_mC.sum(axis=1)[:, None], other_LC.sum(axis=1)[None]
    classes = one_mC.shape[1]
    cells = np.stack([both_mL, ones_m1 - both_mL, others_1L - both_mL, classes - ones_m1 - others_1L + both_mL])
    joint_mL = _entropy(cells / classes)
    apart_of_one, apart_of_other = (
        _entropy(np.stack([size, classes - size]) / classes) for size in (ones_m1, others_1L)
    )
    distance_mL = np.divide(
        2 * joint_mL - apart_of_one - apart_of_other, joint_mL, out=np.zeros_like(joint_mL), where=joint_mL > 0
    )
    differing_mL = cells[1] + cells[2]
    return np.where(differing_mL == classes, 1.0, np.where(differing_mL == 0, 0.0, np.clip(distance_mL, 0, 1)))


def _predicted(predictor: Predictor, rows_mD: Exact) -> tuple[Exact, Bool]:
    """Return the margin of each class, (m, C), and which classes are predicted."""
    if isinstance(predictor, YesNoHeads):
        logits_mC = to_numpy(predictor.questions.logits(rows_mD)).T.astype(np.float64)
        return np.abs(2 * expit(logits_mC) - 1), logits_mC > 0
    p_mC = to_numpy(predictor.predict_proba(rows_mD)).astype(np.float64)
    return np.abs(2 * p_mC - 1), p_mC == p_mC.max(axis=1, keepdims=True)


def _sets(labeled: LabeledSet, classes: int, none: int) -> Bool:
    """Return the sets of the labeled items; the first ``none`` classes of a choice stand for no class."""
    if labeled.sets_LC is None:
        return np.asarray(labeled.classes_L[:, None] - none == np.arange(classes))
    known_LC = labeled.sets_LC[:, :classes]
    return np.pad(known_LC, ((0, 0), (0, classes - known_LC.shape[1])))


def _borda(margins_mC: Exact) -> Exact:
    """Return the mean over the classes of the share of rows whose margin is no smaller, (m,)."""
    m, margins_mC = len(margins_mC), np.rint(margins_mC / VALUE_GRID)
    sorted_mC = np.sort(margins_mC, axis=0)
    counts_mC = np.stack(
        [m - np.searchsorted(sorted_mC[:, c], margins_mC[:, c]) for c in range(margins_mC.shape[1])], axis=1
    )
    return np.asarray(counts_mC.mean(axis=1) / m)


def _inconsistency(given_mC: Bool, sets_LC: Bool) -> Exact:
    # Equal sets are common: each is compared once.
    kinds_uC, of_m = np.unique(given_mC, axis=0, return_inverse=True)
    total_u = np.zeros(len(kinds_uC))
    for start in range(0, len(sets_LC), _LABELED_AT_A_TIME):
        total_u += set_distances(kinds_uC, sets_LC[start : start + _LABELED_AT_A_TIME]).sum(axis=1)
    return np.asarray((total_u / len(sets_LC))[of_m.ravel()])


def _entropy(shares: Exact) -> Exact:
    logs = np.log(shares, out=np.zeros_like(shares), where=shares > 0)
    return np.asarray(-(shares * logs).sum(axis=0))
