"""How far apart embeddings lie, so that one strength of the penalty suits every encoder.

A penalty on coefficients means less the longer embeddings are, and more the narrower the cone that an encoder puts all
texts into. Learners with one therefore fit to embeddings whose root mean square distance from their mean is 1.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]


NARROWEST = 0.25


def spread_of(*parts_nD: Float32) -> float:
    """Root mean square distance of all rows from their mean; 1 where no row is longer than 0.

    At least `NARROWEST` of the root mean square length: rows nearer to each other than that are copies of one text, and
    say nothing about the encoder.

    Args:
        parts_nD: finite, each (n, D); n may be 0.
    """
    n = sum(len(part_nD) for part_nD in parts_nD)
    if n == 0:
        return 1.0
    mean_D = sum(part_nD.sum(axis=0, dtype=np.float64) for part_nD in parts_nD) / n
    squared = sum(float((part_nD.astype(np.float64) ** 2).sum()) for part_nD in parts_nD)
    away = (squared - n * float(mean_D @ mean_D)) / max(n - 1, 1)
    return float(np.sqrt(max(away, NARROWEST**2 * squared / n))) or 1.0
