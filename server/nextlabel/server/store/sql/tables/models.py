"""Model versions in SQL."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy import bindparam as p
from sqlalchemy.dialects.postgresql import insert
from typing_extensions import override

from nextlabel.server.ports.tables.models import ModelTable
from nextlabel.server.store.sql import schema
from nextlabel.server.store.sql.records import Row
from nextlabel.server.store.sql.statements import UNLIMITED, Connection, Statement
from nextlabel.server.values.errors import AlreadyExists
from nextlabel.server.values.ids import EmbeddingsId, ProjectId, project_of, version_of
from nextlabel.server.values.models import ModelVersion

_MODEL = Row(ModelVersion, schema.models)
_models = schema.models.c

_OF_PROJECT = sa.select(*_MODEL.columns).where(_models.project == p("project"))
_ADD = Statement(insert(schema.models).on_conflict_do_nothing())
_LATEST = Statement(
    _OF_PROJECT.where(_models.embedding_version == p("embeddings")).order_by(_models.version.desc()).limit(1)
)
_LAST = Statement(sa.select(sa.func.max(_models.version)).where(_models.project == p("project")))
_GET = Statement(_OF_PROJECT.where(_models.version == p("version")))
_LIST = Statement(_OF_PROJECT.where(_models.version > p("after")).order_by(_models.version).limit(p("limit")))


class SqlModels(ModelTable):
    """Model versions: the learning curve."""

    def __init__(self, connection: Connection) -> None:
        self._sql = connection

    @override
    def add(self, model: ModelVersion) -> None:
        if not self._sql.run(_ADD, _MODEL.bind(model)):
            raise AlreadyExists("model version", str(model.version))

    @override
    def latest(self, of: EmbeddingsId) -> ModelVersion | None:
        found = self._sql.first(_LATEST, {"project": project_of(of), "embeddings": version_of(of)})
        return _MODEL.load_first(found)

    @override
    def last_version(self, project: ProjectId) -> int:
        found = self._sql.first(_LAST, {"project": project})
        return (found[0] if found else 0) or 0

    @override
    def get(self, project: ProjectId, version: int) -> ModelVersion | None:
        found = self._sql.first(_GET, {"project": project, "version": version})
        return _MODEL.load_first(found)

    @override
    def list(self, project: ProjectId, after_version: int = 0, limit: int | None = None) -> Sequence[ModelVersion]:
        params = {"project": project, "after": after_version, "limit": UNLIMITED if limit is None else limit}
        return [_MODEL.load(r) for r in self._sql.all(_LIST, params)]
