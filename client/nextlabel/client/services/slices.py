"""Parts of the data as people read them."""

from collections.abc import Mapping
from typing import Any

_SHOWN = 3


def slice_name(found: Mapping[str, Any]) -> str:
    """What a slice is called.

    >>> slice_name({"value": "en", "rest": False}), slice_name({"value": "", "rest": True})
    ('en', '(all others)')
    """
    return "(all others)" if found["rest"] else found["value"] or "(none)"


def class_shares_of(found: Mapping[str, Any]) -> str:
    """The shares of the most frequent classes among the labels of a slice.

    >>> class_shares_of({"labeled": 4, "classes": [{"label": "a", "items": 3}, {"label": "b", "items": 1}]})
    'a 75%, b 25%'
    """
    return ", ".join(f"{one['label']} {one['items'] / found['labeled']:.0%}" for one in found["classes"][:_SHOWN])
