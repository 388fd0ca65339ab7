"""Which items a map shows: the same ones at every look, and nearly the same ones when the pool has grown."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from nextlabel.server.ports.pool_store import Rows

ANCHORS = 2_000
"""Items that a layout is made of: more take more than seconds."""

_GROWTH = 1.25


def drawn(rows_n: Rows, count: int) -> Rows:
    """Return `count` of n rows, or all where there are fewer, drawn at random, in the order of the draw.

    Each row has its own random number, the same in every draw: of rows that are drawn from more, most stay drawn.
    """
    numbers_n = _numbers(rows_n)
    if count < len(rows_n):
        first = np.argpartition(numbers_n, count)[:count] if count else np.zeros(0, np.int64)
        rows_n, numbers_n = rows_n[first], numbers_n[first]
    return rows_n[np.argsort(numbers_n, kind="stable")]


def anchors(usable_n: Rows, count: int = ANCHORS) -> Rows:
    """Return up to `count` of n usable rows, given ascending, that a layout is made of.

    They stay the same until the pool has grown by a quarter, so that a layout serves for long.
    """
    return drawn(usable_n[: _milestone(len(usable_n), count)], count)


def shown(usable_n: Rows, picked: Iterable[int], labeled: Iterable[int], uniform: Rows, count: int) -> Rows:
    """Return up to `count` of n usable rows: picked ones, labeled ones and a uniform sample, in this order.

    `uniform` is what is `drawn` of them, `count` rows or all.
    Where not all find a place, picked ones take up to a quarter of it and labeled ones up to half, drawn at random.
    """
    if len(usable_n) <= count:
        picked_p, labeled_l = among(picked, usable_n), among(labeled, usable_n)
    else:
        picked_p = drawn(among(picked, usable_n), count // 4)
        labeled_l = drawn(among(labeled, usable_n), count // 2)
    rows = dict.fromkeys([*picked_p.tolist(), *labeled_l.tolist(), *uniform.tolist()])
    return np.fromiter(rows, np.int64, len(rows))[:count]


def among(rows: Iterable[int], usable_n: Rows) -> Rows:
    """Return the rows that are usable, each once and ascending; `usable_n` are ascending.

    >>> among([7, 3, 7, 4], np.array([1, 3, 7])).tolist()
    [3, 7]
    """
    wanted = np.unique(np.fromiter(rows, np.int64))
    if not len(usable_n):
        return wanted[:0]
    places = np.minimum(np.searchsorted(usable_n, wanted), len(usable_n) - 1)
    found: Rows = wanted[usable_n[places] == wanted]
    return found


def _milestone(size: int, count: int) -> int:
    """Return how many of the first rows anchors are drawn from: all of few, at least four fifths of many."""
    milestone = float(count)
    if size <= count:
        return size
    while milestone * _GROWTH <= size:
        milestone *= _GROWTH
    return int(milestone)


def _numbers(rows_n: Rows) -> npt.NDArray[np.uint64]:
    """Return a random number for each row: SplitMix64 (Steele, Lea and Flood 2014) of it."""
    z = (rows_n.astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))
