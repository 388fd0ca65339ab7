"""Finds the project that a request names."""

from __future__ import annotations

from dataclasses import dataclass, field

from nextlabel.server.domain.projects.projects import Projects
from nextlabel.server.ports.state_store import StateStore
from nextlabel.server.system.shared_reads import SharedReads
from nextlabel.server.values.errors import NotFound
from nextlabel.server.values.projects.projects import Project


@dataclass(frozen=True, slots=True)
class ProjectFinder:
    """Reads projects by name; calls that come together share a read."""

    store: StateStore
    projects: Projects
    _reads: SharedReads[Project | None] = field(default_factory=SharedReads, init=False)

    async def project(self, name: str) -> Project:
        """Return the project of that name, or raise NotFound."""
        found = await self._reads.get(name, lambda: self.store.read(lambda tx: tx.projects.by_name(name)))
        if found is None:
            raise NotFound("project", name)
        return found
