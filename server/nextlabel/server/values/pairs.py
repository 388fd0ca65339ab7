"""Two texts to compare: how the pool keeps them beside an item's metadata."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

RESPONSES = ("response_a", "response_b")
"""The metadata that may bring the two texts of a pair instead."""


@dataclass(frozen=True, slots=True)
class TextPair:
    """Two texts of which one may be better: ``a`` is shown first."""

    a: str
    b: str


def with_pair(metadata: str, pair: TextPair) -> str:
    """Return the JSON text that keeps a pair with the metadata of its item.

    Metadata alone is an object, so a list cannot be taken for it, whatever names its fields have.

    >>> with_pair('{"year":1}', TextPair("yes", "no"))
    '[{"year":1},"yes","no"]'
    """
    texts = json.dumps([pair.a, pair.b], ensure_ascii=False, separators=(",", ":"))
    return f"[{metadata or '{}'},{texts[1:]}"


def pair_in(kept: str) -> TextPair | None:
    """Return the pair that an item is kept with; None where it has none.

    >>> pair_in('[{},"yes","no"]'), pair_in('{"year":1}'), pair_in("")
    (TextPair(a='yes', b='no'), None, None)
    """
    if not kept.startswith("["):
        return None
    _, a, b = json.loads(kept)
    return TextPair(a, b)


def fields_in(kept: str) -> Mapping[str, Any]:
    """Return the metadata that an item is kept with, by field.

    >>> fields_in('[{"year":1},"yes","no"]'), fields_in("")
    ({'year': 1}, {})
    """
    if not kept:
        return {}
    found = json.loads(kept)
    fields: Mapping[str, Any] = found[0] if isinstance(found, list) else found
    return fields
