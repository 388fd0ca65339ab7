"""Projects and guidelines in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from typing_extensions import override

from nextlabel.server.ports.tables.projects import ProjectTable
from nextlabel.server.values.errors import Aborted, AlreadyExists
from nextlabel.server.values.ids import ProjectId
from nextlabel.server.values.projects.guidelines import GuidelinesVersion
from nextlabel.server.values.projects.projects import Project
from nextlabel.server.values.projects.re_embedding import ReEmbedding
from tests.memory_store.contents import Contents


class MemoryProjects(ProjectTable):
    """Projects and guidelines."""

    def __init__(self, contents: Contents) -> None:
        self._all = contents

    @override
    def insert(self, project: Project) -> None:
        if self.by_name(project.name):
            raise AlreadyExists("project", project.name)
        self._all.projects[project.id] = project

    @override
    def update(self, project: Project) -> None:
        present = self._all.projects.get(project.id)
        if present is None:
            raise Aborted("the project was removed by a concurrent call")
        self._all.projects[project.id] = replace(
            project,
            name=present.name,
            embedding_model=present.embedding_model,
            embedding_dimension=present.embedding_dimension,
            embedding_version=present.embedding_version,
            embedding_fingerprint=present.embedding_fingerprint,
        )

    @override
    def use_embeddings(self, project: Project) -> None:
        present = self._all.projects.get(project.id)
        if present is None:
            raise Aborted("the project was removed by a concurrent call")
        self._all.projects[project.id] = replace(
            present,
            embedding_model=project.embedding_model,
            embedding_dimension=project.embedding_dimension,
            embedding_version=project.embedding_version,
            embedding_fingerprint=project.embedding_fingerprint,
            updated_at=project.updated_at,
        )

    @override
    def re_embedding(self, project: ProjectId) -> ReEmbedding | None:
        return self._all.re_embeddings.get(project)

    @override
    def put_re_embedding(self, found: ReEmbedding) -> None:
        self._all.require(found.project)
        self._all.re_embeddings[found.project] = found

    @override
    def re_embeddings(self) -> Sequence[ReEmbedding]:
        return [found for _, found in sorted(self._all.re_embeddings.items())]

    @override
    def delete(self, project: ProjectId, at: datetime) -> None:
        present = self._all.projects.get(project)
        if present is not None:
            self._all.deleted_projects[project] = present.name
            self._all.undropped[project] = None
        self._all.forget(project)

    @override
    def deleted(self, name: str) -> Sequence[ProjectId]:
        return [project for project, given in self._all.deleted_projects.items() if given == name]

    @override
    def undropped(self) -> Sequence[ProjectId]:
        return list(self._all.undropped)

    @override
    def mark_dropped(self, project: ProjectId) -> None:
        self._all.undropped.pop(project, None)

    @override
    def by_name(self, name: str) -> Project | None:
        return next((p for p in self._all.projects.values() if p.name == name), None)

    @override
    def by_id(self, project: ProjectId) -> Project | None:
        return self._all.projects.get(project)

    @override
    def list(self, after_name: str, limit: int) -> Sequence[Project]:
        found = [p for p in self._all.projects.values() if p.name > after_name]
        return sorted(found, key=lambda p: p.name)[:limit]

    @override
    def add_guidelines(self, guidelines: GuidelinesVersion) -> None:
        self._all.require(guidelines.project)
        key = (guidelines.project, guidelines.version)
        if key in self._all.guidelines:
            raise AlreadyExists("guidelines", str(guidelines.version))
        self._all.guidelines[key] = guidelines

    @override
    def set_guidelines_status(self, guidelines: GuidelinesVersion) -> None:
        key = (guidelines.project, guidelines.version)
        if key not in self._all.guidelines:
            raise Aborted("the guidelines version was removed by a concurrent call")
        self._all.guidelines[key] = replace(self._all.guidelines[key], status=guidelines.status)

    @override
    def guidelines(self, project: ProjectId) -> Sequence[GuidelinesVersion]:
        found = [g for g in self._all.guidelines.values() if g.project == project]
        return sorted(found, key=lambda g: g.version)
