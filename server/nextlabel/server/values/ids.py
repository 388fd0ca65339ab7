"""Typed identifiers, and the shape of free JSON."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any, NewType

from nextlabel.server.values.labeling.answers import AnnotationType as AnnotationType

ProjectId = NewType("ProjectId", str)


ReservationId = NewType("ReservationId", str)


def new_id() -> str:
    """Return an id that nobody else has."""
    return uuid.uuid4().hex


JsonObject = Mapping[str, Any]
