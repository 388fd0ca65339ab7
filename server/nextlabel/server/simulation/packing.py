"""Predictions as text, so that a line of JSON holds those of a whole learning curve."""

from __future__ import annotations

import base64
import zlib

import numpy as np
from numpy.typing import NDArray

Int64 = NDArray[np.int64]


def pack(predicted_PM: Int64) -> str:
    """Return the classes predicted of M items at P points, class indexes below 65,536, as text.

    >>> unpack(pack(np.array([[3, 0], [3, 70]])), 2).tolist()
    [[3, 0], [3, 70]]
    """
    # An item is mostly predicted the same at neighbouring points: side by side they shrink well.
    return base64.b64encode(zlib.compress(predicted_PM.T.astype("<u2").tobytes())).decode("ascii")


def unpack(text: str, points: int) -> Int64:
    """Return what was packed, shape (P, M)."""
    flat = np.frombuffer(zlib.decompress(base64.b64decode(text)), "<u2").astype(np.int64)
    return flat.reshape(-1, points).T
