"""Sets of rows as bytes: a bit for each row of the pool up to the last one, compressed."""

from __future__ import annotations

import zlib

import numpy as np

from nextlabel.server.ports.pool_store import Rows
from nextlabel.server.values.errors import DataLoss


def packed(rows: Rows) -> bytes:
    """Return rows, each at most once, as bytes: an eighth of a byte for each row of the pool at most.

    >>> unpacked(packed(np.array([1, 64], np.int64))).tolist()
    [1, 64]
    """
    mask = np.zeros(int(rows.max()) + 1 if len(rows) else 0, np.bool_)
    mask[rows] = True
    return zlib.compress(np.packbits(mask).tobytes(), 1)


def unpacked(stored: bytes) -> Rows:
    """Return the rows of `packed`, ascending.

    Raises:
        DataLoss: these are no such bytes.
    """
    try:
        bits = zlib.decompress(stored)
    except zlib.error as error:
        raise DataLoss(f"a stored set of rows cannot be read: {error}", reason="STORED_VALUE_DAMAGED") from error
    return np.flatnonzero(np.unpackbits(np.frombuffer(bits, np.uint8)))
