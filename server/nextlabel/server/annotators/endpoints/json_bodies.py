"""Bodies of replies as JSON, whoever wrote them."""

import json
from typing import Any


def parse_json(body: bytes) -> Any:
    """The parsed body, or None when it is no JSON."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None
