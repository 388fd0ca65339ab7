"""Content addresses: equal content, equal key, whatever the order of mappings."""

import hashlib
import json
from typing import Any


def digest(content: Any) -> str:
    """SHA-256 (hexadecimal) of `content` as canonical JSON."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()
