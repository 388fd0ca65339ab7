"""Texts that are nearly the same, by the groups of four characters that they share.

Candidates come from MinHash signatures in bands (Broder 1997; Leskovec et al., Mining of Massive Datasets, chapter 3)
and are then compared exactly, so that chance can hide a twin and never invent one.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt

SHARE: Final = 0.8
"""Groups of characters that nearly equal texts share at least, of all that either has (Jaccard)."""
COMPARED: Final = 2_000
"""Characters of a text that are compared: its first ones."""

BANDS: Final = 16
"""Parts of a signature; texts are compared that have one in common. Of four values each, they miss 0.02 % of the twins
at the threshold."""

_GROUP, _ROWS = 4, 4
# What bounds the time where many texts begin alike and none is like another.
_MOST_CANDIDATES, _LARGEST_BUCKET, _REMEMBERED = 10, 100, 5_000
_BETWEEN_WORDS = re.compile(r"[\W_]+")

_draw = np.random.default_rng(0)
_FACTORS = _draw.integers(0, 1 << 63, (BANDS * _ROWS, 1), np.uint64) * np.uint64(2) + np.uint64(1)
_OFFSETS = _draw.integers(0, 1 << 63, (BANDS * _ROWS, 1), np.uint64)
_PLACES = np.array([[0x9E3779B97F4A7C15], [0xC2B2AE3D27D4EB4F], [0x165667B19E3779F9], [0x27D4EB2F165667C5]], np.uint64)

_Groups = npt.NDArray[np.uint32]


def earlier_twins(texts: Sequence[str]) -> list[int]:
    """Return for each text the place of an earlier one that is nearly the same, -1 where there is none.

    Case, accents' form, spacing and punctuation make no difference. Twins are told from texts that have no earlier twin
    themselves: of a group of copies all but the first have one.

    >>> earlier_twins(["Win a prize now!", "the weather", "win a  prize, NOW", "Win a prize"])
    [-1, -1, 0, -1]
    """
    twins: list[int] = []
    buckets: defaultdict[tuple[int, bytes], list[int]] = defaultdict(list)
    known = lru_cache(_REMEMBERED)(lambda place: _groups(texts[place]))
    for place in range(len(texts)):
        groups = known(place)
        keys = _bands(groups)
        shared_bands = Counter(one for key in keys for one in buckets.get(key, ()))
        near = sorted(shared_bands, key=lambda one: (-shared_bands[one], one))[:_MOST_CANDIDATES]
        twin = next((one for one in near if _alike(groups, known(one))), -1)
        twins.append(twin)
        for key in keys if twin < 0 else ():
            if len(buckets[key]) < _LARGEST_BUCKET:
                buckets[key].append(place)
    return twins


def band_keys(texts: Sequence[str]) -> npt.NDArray[np.uint64]:
    """Return a number for each band of each text's signature, (N, BANDS): equal where the bands are."""
    keys_NB = np.zeros((len(texts), BANDS), np.uint64)
    for place, text in enumerate(texts):
        signature_BR = _signature(_groups(text)).reshape(BANDS, _ROWS).astype(np.uint64)
        keys_NB[place] = (signature_BR * _PLACES.T).sum(axis=1, dtype=np.uint64)
    return keys_NB


def _groups(text: str) -> _Groups:
    """Return a number for each different group of characters, ascending; a shorter text is one group."""
    plain = _BETWEEN_WORDS.sub(" ", unicodedata.normalize("NFKC", text[:COMPARED]).casefold()).strip()
    codes = np.frombuffer(plain.ljust(_GROUP, "\0").encode("utf-32-le", "replace"), np.uint32).astype(np.uint64)
    windows = np.lib.stride_tricks.sliding_window_view(codes, _GROUP)
    return np.unique((windows.T * _PLACES).sum(axis=0, dtype=np.uint64) >> np.uint64(32)).astype(np.uint32)


def _signature(groups: _Groups) -> npt.NDArray[np.uint64]:
    return np.asarray(((groups.astype(np.uint64) * _FACTORS + _OFFSETS) >> np.uint64(32)).min(axis=1))


def _bands(groups: _Groups) -> list[tuple[int, bytes]]:
    return [(band, part.tobytes()) for band, part in enumerate(_signature(groups).reshape(BANDS, _ROWS))]


def _alike(one: _Groups, other: _Groups) -> bool:
    shared = len(np.intersect1d(one, other, assume_unique=True))
    return shared >= SHARE * (len(one) + len(other) - shared)
