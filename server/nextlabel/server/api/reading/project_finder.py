"""Finds the project that a request names."""

from __future__ import annotations

from dataclasses import dataclass

from nextlabel.server.domain.projects.projects import Projects
from nextlabel.server.ports.state_store import StateStore
from nextlabel.server.values.projects.projects import Project


@dataclass(frozen=True, slots=True)
class ProjectFinder:
    """Reads projects by name."""

    store: StateStore
    projects: Projects

    async def project(self, name: str) -> Project:
        """Return the project of that name, or raise NotFound."""
        return await self.store.read(lambda tx: self.projects.get(tx, name))
