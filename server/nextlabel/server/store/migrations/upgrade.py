"""Brings a database to the version of this program."""

from __future__ import annotations

import threading

import sqlalchemy as sa
import structlog
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from nextlabel.server.values.errors import FailedPrecondition

_log = structlog.stdlib.get_logger(__name__)
# Alembic keeps what it is upgrading in its modules; a process may open several databases.
_one_at_a_time = threading.Lock()


def to_latest(connection: sa.Connection) -> None:
    """Apply missing migrations in the connection's transaction.

    Raises:
        FailedPrecondition: the database is of a version that this program does not know.
    """
    config = Config()
    config.set_main_option("script_location", "nextlabel.server.store:migrations")
    config.attributes["connection"] = connection
    scripts = ScriptDirectory.from_config(config)
    present = MigrationContext.configure(connection).get_current_revision()
    if present == scripts.get_current_head():
        return
    if present is not None and present not in {script.revision for script in scripts.walk_revisions()}:
        raise FailedPrecondition(
            f"the database has version {present!r}, this program knows up to {scripts.get_current_head()!r}: "
            "it was written by a newer nextlabel; install that version",
            reason="DATABASE_TOO_NEW",
        )
    if present is not None:
        _log.info("database_is_upgraded", before=present, now=scripts.get_current_head())
    with _one_at_a_time:
        command.upgrade(config, "head")
