"""How far two answers about one item are apart."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nextlabel.server.values.labeling.metric import Metric

Floats = npt.NDArray[np.float64]


def masi_distance(a: Collection[str], b: Collection[str]) -> float:
    """Return the distance of two sets of labels in [0, 1] (MASI, Passonneau 2006): 1 - Jaccard x monotonicity.

    >>> masi_distance({"a", "b"}, {"a"})
    0.6666666666666667
    """
    left, right = frozenset(a), frozenset(b)
    if left == right:
        return 0.0
    shared, union = left & right, left | right
    if not shared:
        return 1.0
    monotonicity = 2 / 3 if shared in (left, right) else 1 / 3
    return 1.0 - len(shared) / len(union) * monotonicity


@dataclass(frozen=True, slots=True)
class Scale:
    """Squared distances of V values in a form that sums over pairs quickly: by places on a line, or by a matrix.

    Nominal values have neither: all differ by 1.
    """

    places_V: Floats | None = None
    matrix_VV: Floats | None = None

    @property
    def largest(self) -> float:
        """The largest squared distance of two values; 0 when there are fewer than two."""
        if self.places_V is not None:
            return float(np.ptp(self.places_V)) ** 2 if len(self.places_V) else 0.0
        return float(self.matrix_VV.max(initial=0.0)) if self.matrix_VV is not None else 1.0

    def sums(self, counts_UV: Floats) -> Floats:
        """Return for each row of counts the sum of squared distances over all ordered pairs of its values, (U,)."""
        totals_U = counts_UV.sum(axis=1)
        if self.places_V is not None:
            first_U, second_U = counts_UV @ self.places_V, counts_UV @ self.places_V**2
            return np.asarray(np.maximum(2 * (totals_U * second_U - first_U**2), 0.0))
        if self.matrix_VV is not None:
            return np.asarray(((counts_UV @ self.matrix_VV) * counts_UV).sum(axis=1))
        return np.asarray(totals_U**2 - (counts_UV**2).sum(axis=1))

    def with_totals(self, counts_UV: Floats, totals_V: Floats) -> Floats:
        """Return for each row the sum of squared distances of its values to all values, (U,)."""
        if self.places_V is not None:
            x, all_n = self.places_V, totals_V.sum()
            return np.asarray(counts_UV @ (all_n * x**2 - 2 * x * (totals_V @ x) + totals_V @ x**2))
        if self.matrix_VV is not None:
            return np.asarray(counts_UV @ (self.matrix_VV @ totals_V))
        return np.asarray(counts_UV @ (totals_V.sum() - totals_V))


def scale_of(metric: Metric, values: Sequence[object], totals_V: Floats) -> Scale:
    """Return the scale of the distinct values of some answers, which occur ``totals_V`` times, in ascending order.

    Ordinal distances count the answers between two values, which is the distance of their mid-ranks
    (Krippendorff 2011).
    """
    if metric is Metric.INTERVAL:
        return Scale(places_V=np.array(values, np.float64))
    if metric is Metric.ORDINAL:
        return Scale(places_V=np.cumsum(totals_V) - totals_V / 2)
    if metric is Metric.MASI:
        sets = [frozenset(v) for v in values]  # type: ignore[call-overload]
        # MASI is used as it is, not squared, as in Passonneau's own work.
        return Scale(matrix_VV=np.array([[masi_distance(a, b) for b in sets] for a in sets], np.float64))
    return Scale()
