"""Content addresses: equal content, equal key, whatever the order of mappings."""

import hashlib
import json
from typing import Any


def digest(content: Any) -> str:
    """SHA-256 (hexadecimal) of `content` as canonical JSON.

    >>> digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
    True
    """
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()
