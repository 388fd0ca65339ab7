"""Typed identifiers, and the shape of free JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NewType

from nextlabel.server.values.answers import AnnotationType as AnnotationType

ProjectId = NewType("ProjectId", str)


ReservationId = NewType("ReservationId", str)


JsonObject = Mapping[str, Any]
