"""How far another model is with the embeddings of a project."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from nextlabel.server.values.ids import EmbeddingsId, ProjectId, embeddings_of


class ReEmbeddingState(StrEnum):
    """Where it stands."""

    UNDERWAY = "underway"
    DONE = "done"
    CANCELLED = "cancelled"
    TIDY = "tidy"


@dataclass(frozen=True, slots=True)
class ReEmbedding:
    """The last time that a model was asked to take over a project.

    ``version`` is that of the embeddings that it makes, of ``dimension`` numbers, with the weights that
    ``embedding_fingerprint`` tells, '' where it is not known; those of rows below ``next_row`` are
    durable. What is done or was cancelled is tidy once the embeddings that nobody reads any more are removed; no later
    embeddings get its version.
    """

    project: ProjectId
    version: int
    model: str
    dimension: int
    next_row: int
    state: ReEmbeddingState
    changed_at: datetime
    embedding_fingerprint: str = ""

    @property
    def embeddings(self) -> EmbeddingsId:
        """The embeddings that it makes."""
        return embeddings_of(self.project, self.version)

    @property
    def underway(self) -> bool:
        """Whether there is more to do."""
        return self.state is ReEmbeddingState.UNDERWAY
