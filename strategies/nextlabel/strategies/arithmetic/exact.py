"""Arithmetic that gives the same result on every processor.

A sum of products in floating point depends on its order, and so on the BLAS kernel, the vector width, the tile
and the place of a row in it. Here rows are rounded to a grid so coarse that float64 holds every partial sum
exactly: then order cannot matter. What is left are functions such as exp, whose last bit differs between
libraries; scores drop far more bits than that.
"""

from __future__ import annotations

import numpy as np
from array_api_compat import array_namespace

from nextlabel.strategies.arithmetic.arrays import Array, Floats, as_float32, like, to_numpy

SCORE_GRID = 2.0**-30
"""Scores are multiples of this; the noise of exp and log is a millionth of it."""

_MANTISSA = 53


def on_grid(values_nD: Array) -> Array:
    """Return the rows in float64, each rounded to a grid of its own, shape (n, D).

    The grid of a row follows from its largest magnitude: about 21 bits below it at D = 384, so that products of
    two such rows, summed over D in any order, are exact. Not finite values stay what they are. Rounding twice
    changes nothing.

    >>> import numpy as np
    >>> rows = on_grid(np.asarray([[0.1, 0.2, 0.3]], np.float32))
    >>> float(rows[0] @ rows[0]) == float(rows[0, ::-1] @ rows[0, ::-1])
    True
    """
    xp = array_namespace(values_nD)
    narrow_nD = as_float32(values_nD)
    n, dimension = narrow_nD.shape
    if n == 0 or dimension == 0:
        return xp.astype(narrow_nD, xp.float64)
    # Two bits are for the sum of |x|^2, |y|^2 and -2 xy.
    bits = (_MANTISSA - 2 - int(np.ceil(np.log2(dimension)))) // 2
    largest_n = to_numpy(xp.maximum(xp.max(narrow_nD, axis=1), -xp.min(narrow_nD, axis=1))).astype(np.float64)
    exponent_n = np.frexp(np.where(np.isfinite(largest_n), largest_n, 0))[1]
    # Added and taken away again, a number this large leaves multiples of the grid, to the nearest even.
    shift_n1 = like(np.ldexp(1.5, _MANTISSA - 1 - bits + exponent_n)[:, None], values_nD)
    wide_nD = narrow_nD + shift_n1
    wide_nD -= shift_n1
    return wide_nD


def is_exact(values: Array) -> bool:
    """Return whether the values are float64, which within this package are on their grid."""
    return "float64" in str(values.dtype)


def exactly(values_nD: Array) -> Array:
    """Return the rows on their grid; free of cost where they are already."""
    return values_nD if is_exact(values_nD) else on_grid(values_nD)


def as_scores(values_n: Array) -> Floats:
    """Return scores on the host as float32 multiples of SCORE_GRID; not finite ones stay so."""
    with np.errstate(invalid="ignore", over="ignore"):
        settled_n = np.rint(to_numpy(values_n).astype(np.float64) / SCORE_GRID) * SCORE_GRID
        return settled_n.astype(np.float32)
