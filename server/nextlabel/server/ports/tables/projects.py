"""Projects and their guidelines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Protocol

from nextlabel.server.values.ids import ProjectId
from nextlabel.server.values.projects.guidelines import GuidelinesVersion
from nextlabel.server.values.projects.projects import Project
from nextlabel.server.values.projects.re_embedding import ReEmbedding

_PAGE = 1_000


class ProjectTable(Protocol):
    """Projects and their guidelines."""

    def insert(self, project: Project) -> None:
        """Add a project; raise AlreadyExists when the name is taken."""
        ...

    def update(self, project: Project) -> None:
        """Replace everything but id, name and what `use_embeddings` replaces."""
        ...

    def use_embeddings(self, project: Project) -> None:
        """Replace what `update` leaves: embedding model, its dimension and weights, and the embeddings' version."""
        ...

    def re_embedding(self, project: ProjectId) -> ReEmbedding | None:
        """Return how far another model is with a project; None where none was ever asked."""
        ...

    def put_re_embedding(self, found: ReEmbedding) -> None:
        """Store it in place of that of its project."""
        ...

    def re_embeddings(self) -> Sequence[ReEmbedding]:
        """Return those of all projects."""
        ...

    def delete(self, project: ProjectId, at: datetime) -> None:
        """Remove the project and all that belongs to it but its ledger."""
        ...

    def deleted(self, name: str) -> Sequence[ProjectId]:
        """Return the deleted projects that had this name, in the order of their deletion."""
        ...

    def undropped(self) -> Sequence[ProjectId]:
        """Return the deleted projects of which something may be left outside of the StateStore."""
        ...

    def mark_dropped(self, project: ProjectId) -> None:
        """Record that nothing is left of a deleted project but its ledger."""
        ...

    def by_name(self, name: str) -> Project | None:
        """Return the project of that name."""
        ...

    def by_id(self, project: ProjectId) -> Project | None:
        """Return the project of that id."""
        ...

    def list(self, after_name: str, limit: int) -> Sequence[Project]:
        """Return up to ``limit`` projects with a name above ``after_name``, by name."""
        ...

    def every(self) -> Iterator[Project]:
        """Yield all projects, by name."""
        after = ""
        while page := self.list(after, _PAGE):
            yield from page
            after = page[-1].name

    def add_guidelines(self, guidelines: GuidelinesVersion) -> None:
        """Add a version; versions of a project are unique."""
        ...

    def set_guidelines_status(self, guidelines: GuidelinesVersion) -> None:
        """Store the status of an existing version; its text never changes."""
        ...

    def guidelines(self, project: ProjectId) -> Sequence[GuidelinesVersion]:
        """Return all versions, oldest first."""
        ...
