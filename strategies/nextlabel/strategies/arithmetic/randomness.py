"""Random numbers that belong to a row, not to a place in the stream.

A counter-based generator (splitmix64 of seed and row) gives every row the same number however the pool
is cut, filtered or distributed.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nextlabel.strategies.arithmetic.arrays import Floats, Rows

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)


def row_uniforms(rows_n: Rows, seed: int, stream: str) -> Floats:
    """Return one uniform number in (0, 1) a row, shape (n,).

    Args:
        rows_n: int64 row numbers.
        seed: the selection's seed.
        stream: what the numbers are for; two purposes get independent numbers.
    """
    # 23 bits and a half keep both ends open in float32.
    bits = _mixed(_mixed(rows_n.astype(np.uint64)) ^ _key(seed, stream)) >> np.uint64(41)
    return (bits.astype(np.float32) + np.float32(0.5)) * np.float32(2.0**-23)


def row_gumbels(rows_n: Rows, seed: int, stream: str) -> npt.NDArray[np.float64]:
    """Return one standard Gumbel number a row, shape (n,)."""
    high = row_uniforms(rows_n, seed, stream + "/high").astype(np.float64)
    low = row_uniforms(rows_n, seed, stream + "/low").astype(np.float64)
    uniform = (np.floor(high * 2.0**23) + low) * 2.0**-23
    gumbels: npt.NDArray[np.float64] = -np.log(-np.log(uniform))
    return gumbels


def generator(seed: int, stream: str) -> np.random.Generator:
    """Return a generator for setwise randomness, independent for each ``stream``."""
    return np.random.default_rng(np.random.SeedSequence([seed, *stream.encode()]))


def _key(seed: int, stream: str) -> np.uint64:
    return np.uint64(np.random.SeedSequence([seed, *stream.encode()]).generate_state(1, np.uint64)[0])


def _mixed(values: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    values = values + _GOLDEN
    values = (values ^ (values >> np.uint64(30))) * _MIX_1
    values = (values ^ (values >> np.uint64(27))) * _MIX_2
    return values ^ (values >> np.uint64(31))
