"""Typed identifiers, and the shape of free JSON."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any, NewType

ProjectId = NewType("ProjectId", str)
ReservationId = NewType("ReservationId", str)

JsonObject = Mapping[str, Any]


def new_id() -> str:
    """Return an id that nobody else has."""
    return uuid.uuid4().hex
