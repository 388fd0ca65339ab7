"""Points of a learning curve as plain values."""

from collections.abc import Mapping
from typing import Any

ON_HOLDOUT = ("accuracy", "accuracy_interval", "macro_f1", "macro_f1_interval")
"""What is measured on the holdout."""


def measured(point: Mapping[str, Any]) -> dict[str, Any]:
    """A plain point: what no holdout measured is None, and not the 0 that a message has for it."""
    return {**point, **({} if point["holdout_items"] else dict.fromkeys(ON_HOLDOUT))}
