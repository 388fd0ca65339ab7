"""Points of a learning curve as plain values."""

from collections.abc import Mapping
from typing import Any

from nextlabel.client.messages.measures import known_macro_f1

ON_HOLDOUT = ("accuracy", "accuracy_interval", "macro_f1", "macro_f1_interval")
"""What is measured on the holdout."""


def measured(point: Mapping[str, Any]) -> dict[str, Any]:
    """A plain point: what was not measured is None, and not the 0 that a message has for it."""
    if not point["holdout_items"]:
        return {**point, **dict.fromkeys(ON_HOLDOUT)}
    return {**point, "macro_f1": known_macro_f1(point["macro_f1"], point["measures"])}
