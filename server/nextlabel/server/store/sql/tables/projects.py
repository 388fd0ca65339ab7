"""Projects and guidelines in SQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy import bindparam as p
from sqlalchemy.dialects.postgresql import insert
from typing_extensions import override

from nextlabel.server.ports.tables.projects import ProjectTable
from nextlabel.server.store import codec
from nextlabel.server.store.sql import schema
from nextlabel.server.store.sql.records import Row
from nextlabel.server.store.sql.results import changed
from nextlabel.server.store.sql.statements import Connection, Statement
from nextlabel.server.values.errors import AlreadyExists
from nextlabel.server.values.ids import ProjectId
from nextlabel.server.values.projects.guidelines import GuidelinesVersion
from nextlabel.server.values.projects.projects import Project
from nextlabel.server.values.projects.re_embedding import ReEmbedding

_PROJECT = Row(Project, schema.projects)
_GUIDELINES = Row(GuidelinesVersion, schema.guidelines)
_RE_EMBEDDING = Row(ReEmbedding, schema.re_embeddings)
_OF_EMBEDDINGS = ("embedding_model", "embedding_dimension", "embedding_version", "embedding_fingerprint")
_projects = schema.projects.c
_re_embeddings = schema.re_embeddings.c
_deleted = schema.deleted_projects.c
_guidelines = schema.guidelines.c

_INSERT = Statement(insert(schema.projects).on_conflict_do_nothing(index_elements=["name"]))
_UPDATE = Statement(
    sa.update(schema.projects)
    .where(_projects.id == p("id"))
    .values({c.name: p(c.name) for c in _PROJECT.columns if c.name not in ("id", "name", *_OF_EMBEDDINGS)})
)
_USE_EMBEDDINGS = Statement(
    sa.update(schema.projects)
    .where(_projects.id == p("id"))
    .values({name: p(name) for name in (*_OF_EMBEDDINGS, "updated_at")})
)
_put = insert(schema.re_embeddings)
_PUT_RE_EMBEDDING = Statement(
    _put.on_conflict_do_update(
        index_elements=["project"],
        set_={c.name: _put.excluded[c.name] for c in _RE_EMBEDDING.columns if c.name != "project"},
    )
)
_RE_EMBEDDINGS = Statement(sa.select(*_RE_EMBEDDING.columns).order_by(_re_embeddings.project))
_RE_EMBEDDING_OF = Statement(sa.select(*_RE_EMBEDDING.columns).where(_re_embeddings.project == p("project")))
_DELETE = Statement(sa.delete(schema.projects).where(_projects.id == p("id")))
_KEEP_NAME = Statement(
    sa.insert(schema.deleted_projects).from_select(
        ["id", "name", "deleted_at", "dropped"],
        sa.select(_projects.id, _projects.name, sa.cast(p("at"), sa.BigInteger), sa.false()).where(
            _projects.id == p("id")
        ),
    )
)
_UNDROPPED = Statement(sa.select(_deleted.id).where(sa.text(schema.UNDROPPED)).order_by(_deleted.seq))
_MARK_DROPPED = Statement(sa.update(schema.deleted_projects).where(_deleted.id == p("of")).values(dropped=sa.true()))
_DELETED = Statement(sa.select(_deleted.id).where(_deleted.name == p("name")).order_by(_deleted.seq))
_BY_NAME = Statement(sa.select(*_PROJECT.columns).where(_projects.name == p("name")))
_BY_ID = Statement(sa.select(*_PROJECT.columns).where(_projects.id == p("id")))
_LIST = Statement(
    sa.select(*_PROJECT.columns).where(_projects.name > p("after")).order_by(_projects.name).limit(p("limit"))
)
_ADD_GUIDELINES = Statement(
    insert(schema.guidelines).values({c.name: p(c.name) for c in _GUIDELINES.columns}).on_conflict_do_nothing()
)
_SET_STATUS = Statement(
    sa.update(schema.guidelines)
    .where(_guidelines.project == p("project"), _guidelines.version == p("version"))
    .values(status=p("status"))
)
_ALL_GUIDELINES = Statement(
    sa.select(*_GUIDELINES.columns).where(_guidelines.project == p("project")).order_by(_guidelines.version)
)


class SqlProjects(ProjectTable):
    """Projects and guidelines."""

    def __init__(self, connection: Connection) -> None:
        self._sql = connection

    @override
    def insert(self, project: Project) -> None:
        if not self._sql.run(_INSERT, _PROJECT.bind(project)):
            raise AlreadyExists("project", project.name)

    @override
    def update(self, project: Project) -> None:
        params = _PROJECT.bind(project)
        for name in ("name", *_OF_EMBEDDINGS):
            del params[name]
        changed(self._sql.run(_UPDATE, params), "the project")

    @override
    def use_embeddings(self, project: Project) -> None:
        bound = _PROJECT.bind(project)
        params = {name: bound[name] for name in ("id", *_OF_EMBEDDINGS, "updated_at")}
        changed(self._sql.run(_USE_EMBEDDINGS, params), "the project")

    @override
    def re_embedding(self, project: ProjectId) -> ReEmbedding | None:
        return _RE_EMBEDDING.load_first(self._sql.first(_RE_EMBEDDING_OF, {"project": project}))

    @override
    def put_re_embedding(self, found: ReEmbedding) -> None:
        self._sql.run(_PUT_RE_EMBEDDING, _RE_EMBEDDING.bind(found))

    @override
    def re_embeddings(self) -> Sequence[ReEmbedding]:
        return [_RE_EMBEDDING.load(found) for found in self._sql.all(_RE_EMBEDDINGS, {})]

    @override
    def delete(self, project: ProjectId, at: datetime) -> None:
        self._sql.run(_KEEP_NAME, {"id": project, "at": codec.to_micros(at)})
        self._sql.run(_DELETE, {"id": project})

    @override
    def deleted(self, name: str) -> Sequence[ProjectId]:
        return [ProjectId(found) for (found,) in self._sql.all(_DELETED, {"name": name})]

    @override
    def undropped(self) -> Sequence[ProjectId]:
        return [ProjectId(found) for (found,) in self._sql.all(_UNDROPPED, {})]

    @override
    def mark_dropped(self, project: ProjectId) -> None:
        self._sql.run(_MARK_DROPPED, {"of": project})

    @override
    def by_name(self, name: str) -> Project | None:
        found = self._sql.first(_BY_NAME, {"name": name})
        return _PROJECT.load_first(found)

    @override
    def by_id(self, project: ProjectId) -> Project | None:
        return _PROJECT.load_first(self._sql.first(_BY_ID, {"id": project}))

    @override
    def list(self, after_name: str, limit: int) -> Sequence[Project]:
        return [_PROJECT.load(r) for r in self._sql.all(_LIST, {"after": after_name, "limit": limit})]

    @override
    def add_guidelines(self, guidelines: GuidelinesVersion) -> None:
        if not self._sql.run(_ADD_GUIDELINES, _GUIDELINES.bind(guidelines)):
            raise AlreadyExists("guidelines", str(guidelines.version))

    @override
    def set_guidelines_status(self, guidelines: GuidelinesVersion) -> None:
        params = {"project": guidelines.project, "version": guidelines.version, "status": guidelines.status.value}
        changed(self._sql.run(_SET_STATUS, params), "the guidelines version")

    @override
    def guidelines(self, project: ProjectId) -> Sequence[GuidelinesVersion]:
        return [_GUIDELINES.load(r) for r in self._sql.all(_ALL_GUIDELINES, {"project": project})]
