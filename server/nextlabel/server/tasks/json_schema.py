"""JSON schemas that close the form of a model's answer."""

from collections.abc import Mapping
from typing import Any

JsonSchema = Mapping[str, Any]


def closed_object(properties: Mapping[str, Any]) -> JsonSchema:
    """An object with exactly these properties, all required, in this order."""
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(properties),
        "additionalProperties": False,
    }
