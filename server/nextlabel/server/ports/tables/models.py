"""Model versions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from nextlabel.server.values.ids import EmbeddingsId, ProjectId
from nextlabel.server.values.models import ModelVersion


class ModelTable(Protocol):
    """Model versions: the learning curve."""

    def add(self, model: ModelVersion) -> None:
        """Add the next version; versions of a project are unique."""
        ...

    def latest(self, of: EmbeddingsId) -> ModelVersion | None:
        """Return the newest version that was trained on these embeddings."""
        ...

    def last_version(self, project: ProjectId) -> int:
        """Return the number of the newest version, whatever it was trained on; 0 for none."""
        ...

    def get(self, project: ProjectId, version: int) -> ModelVersion | None:
        """Return one version."""
        ...

    def list(self, project: ProjectId, after_version: int = 0, limit: int | None = None) -> Sequence[ModelVersion]:
        """Return versions in ascending order."""
        ...
