"""Typed identifiers, and the shape of free JSON."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any, NewType, TypeAlias

ProjectId = NewType("ProjectId", str)
LaterEmbeddingsId = NewType("LaterEmbeddingsId", str)
EmbeddingsId: TypeAlias = ProjectId | LaterEmbeddingsId
"""The embeddings that one model made of a project's items; those that it began with have the id of the project."""

ReservationId = NewType("ReservationId", str)

JsonObject = Mapping[str, Any]


def embeddings_of(project: ProjectId, version: int) -> EmbeddingsId:
    """Return the id of a version of a project's embeddings, counted from 0."""
    return LaterEmbeddingsId(f"{project}@{version}") if version else project


def project_of(embeddings: EmbeddingsId) -> ProjectId:
    """Return whose embeddings they are."""
    return ProjectId(embeddings.partition("@")[0])


def version_of(embeddings: EmbeddingsId) -> int:
    """Return which version of a project's embeddings they are."""
    return int(embeddings.partition("@")[2] or 0)


def new_id() -> str:
    """Return an id that nobody else has."""
    return uuid.uuid4().hex
