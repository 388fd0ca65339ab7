"""Saves a PostgreSQL database, and makes one, by PostgreSQL's own dumps."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import sqlalchemy as sa
from psycopg import conninfo, errors
from sqlalchemy.dialects.postgresql import psycopg as psycopg_dialect
from typing_extensions import override

from nextlabel.server.operations.backups.databases import Database
from nextlabel.server.operations.backups.postgres_tools import PostgresTool
from nextlabel.server.operations.pool_check import CommittedPool, committed_pools
from nextlabel.server.store.sql.postgres import PostgresConnection, check_encoding, lock_key
from nextlabel.server.store.sql.postgres_errors import translated
from nextlabel.server.store.sql.statements import Record
from nextlabel.server.store.sql.transaction import SqlTransaction
from nextlabel.server.values.errors import FailedPrecondition, InvalidArgument, NotFound, Unavailable

DUMP = "state.dump"
# A dump may take longer than the server lets a session wait.
_PATIENT = (
    "SELECT set_config(name, '0', false) FROM pg_settings WHERE name IN "
    "('statement_timeout', 'transaction_timeout', 'idle_in_transaction_session_timeout', 'idle_session_timeout')"
)
_TABLES = (
    "SELECT schemaname || '.' || tablename FROM pg_catalog.pg_tables "
    "WHERE schemaname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1"
)


class PostgresDatabase(Database):
    """The database of a ``store.url``.

    Raises:
        InvalidArgument: the URL cannot be read.
    """

    kind = "postgresql"

    def __init__(self, url: str) -> None:
        dialect = psycopg_dialect.dialect()  # type: ignore[no-untyped-call]
        try:
            _, parameters = dialect.create_connect_args(sa.make_url(url))  # type: ignore[no-untyped-call]
            self._parameters = {name: str(value) for name, value in parameters.items()}
            self._conninfo = conninfo.make_conninfo("", **self._parameters)
        except (sa.exc.ArgumentError, ValueError, psycopg.ProgrammingError) as error:
            raise InvalidArgument.field(
                "store.url", "cannot be read; expected postgresql+psycopg://USER@HOST/DATABASE"
            ) from error

    @property
    def has_password(self) -> bool:
        """Whether the URL says one."""
        return "password" in self._parameters

    @override
    def check(self) -> None:
        with self._connected() as db:
            self._tool("pg_dump", db)

    @override
    def save(self, folder: Path) -> list[CommittedPool]:
        with self._snapshot() as db:
            exported = db.execute("SELECT pg_export_snapshot()").fetchone()
            assert exported
            committed = _committed(db)
            self._tool("pg_dump", db).dump(str(exported[0]), folder / DUMP)
        return committed

    @override
    def fill(self, folder: Path) -> None:
        with self._connected() as db:
            self._tool("pg_restore", db).restore(folder / DUMP)

    @override
    def committed(self) -> list[CommittedPool]:
        with self._snapshot() as db:
            return _committed(db)

    @contextmanager
    def kept_empty(self) -> Iterator[None]:
        """See that it is empty; a server that starts on it meanwhile waits until the block is over.

        Raises:
            FailedPrecondition: it has tables, a server is starting on it, or pg_restore is not installed or too old.
        """
        with self._connected() as db:
            check_encoding(db.info.parameter_status("server_encoding") or "")
            self._tool("pg_restore", db)
            mine = db.execute("SELECT pg_try_advisory_lock(%s)", (lock_key("migrations"),)).fetchone()
            if not (mine and mine[0]):
                raise FailedPrecondition(
                    "a server is starting on the database of store.url, or another restore fills it; stop it",
                    reason="DATABASE_IN_USE",
                )
            table = db.execute(_TABLES).fetchone()
            if table:
                raise FailedPrecondition(
                    f"the database {db.info.dbname} of store.url is not empty (it has {table[0]}): a backup is put "
                    "back into an empty one only, so that nothing is lost; make one with CREATE DATABASE name "
                    "ENCODING 'UTF8' LOCALE 'C' TEMPLATE template0",
                    reason="DATABASE_NOT_EMPTY",
                )
            yield

    def _tool(self, name: str, db: psycopg.Connection[Record]) -> PostgresTool:
        parameters = {"dbname": db.info.dbname, **self._parameters}
        return PostgresTool(name, parameters, db.info.server_version // 10_000)

    @contextmanager
    def _snapshot(self) -> Iterator[psycopg.Connection[Record]]:
        with self._connected() as db, db.transaction():
            db.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            yield db

    @contextmanager
    def _connected(self) -> Iterator[psycopg.Connection[Record]]:
        try:
            connection = psycopg.connect(self._conninfo, autocommit=True)
        except psycopg.OperationalError as error:
            # What libpq says names server and user, never the password.
            why = str(error).strip().splitlines()[-1]
            raise Unavailable(
                f"the database of store.url cannot be used: {why}", reason="DATABASE_UNREACHABLE"
            ) from error
        try:
            with connection as db:
                db.execute(_PATIENT)
                yield db
        except psycopg.Error as error:
            translation = translated(error)
            if translation is error:
                raise
            raise translation from error


def _committed(db: psycopg.Connection[Record]) -> list[CommittedPool]:
    try:
        return committed_pools(SqlTransaction(PostgresConnection(db, writing=False)))
    except errors.UndefinedTable as error:
        raise NotFound(
            "database", db.info.dbname, message=f"the database {db.info.dbname} of store.url is not one of nextlabel"
        ) from error
