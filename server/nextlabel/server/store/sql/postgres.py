"""The StateStore on PostgreSQL, shared by any number of server processes."""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, asynccontextmanager, contextmanager, suppress
from typing import Any, TypeVar, cast
from weakref import WeakValueDictionary

import psycopg
import sqlalchemy as sa
from psycopg import errors
from sqlalchemy.dialects.postgresql import psycopg as psycopg_dialect
from sqlalchemy.engine.interfaces import Dialect
from typing_extensions import override

from nextlabel.server.ports.state_store import StateStore, Transaction
from nextlabel.server.store.sql.group_commit import Committer, TransactionLost, Work
from nextlabel.server.store.sql.postgres_errors import translated
from nextlabel.server.store.sql.project_groups import ProjectGroups
from nextlabel.server.store.sql.statements import Connection, Params, Record, RowInsert, Statement
from nextlabel.server.store.sql.tables.order import order_lock
from nextlabel.server.store.sql.transaction import SqlTransaction
from nextlabel.server.values.errors import Aborted, FailedPrecondition, Unavailable
from nextlabel.server.values.ids import ProjectId

T = TypeVar("T")

_DIALECT: Dialect = psycopg_dialect.dialect()  # type: ignore[no-untyped-call]
_ATTEMPTS = 10
_BACKOFF_S = 0.002
_TRY_AGAIN_S = 0.02
_CONFLICTS = (errors.SerializationFailure, errors.DeadlockDetected)
# Sent as they are, both at once.
_NEXT_UNIT = "RELEASE SAVEPOINT unit; SAVEPOINT unit"
# Invariant 1 must not hang on the server's configuration. Nor must a lease wait for a compiler: the estimated cost of
# its statement grows with the items asked for, past that from which PostgreSQL compiles a statement each time it runs.
_SETTINGS = "-c synchronous_commit=on -c timezone=UTC -c jit=off"


def open_postgres(
    url: sa.URL, migrate: Callable[[sa.Connection], None], *, writers: int = 8, readers: int = 4
) -> PostgresStateStore:
    """Connect, bring the tables up to date by ``migrate`` under a lock, and return the store.

    ``writers`` and ``readers`` are how many units of work run at a time, each with a connection.

    Raises:
        FailedPrecondition: the database was written by a newer version, or cannot hold every text.
        Unavailable: the server cannot be reached.
    """
    engine = sa.create_engine(
        url,
        pool_size=writers + readers,
        max_overflow=0,
        pool_pre_ping=True,
        connect_args={"options": _SETTINGS, "client_encoding": "utf8"},
    )
    try:
        with _domain_errors(), engine.begin() as connection:
            check_encoding(str(connection.scalar(sa.text("SHOW server_encoding"))))
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(lock_key("migrations"))))
            migrate(connection)
    except BaseException:
        engine.dispose()
        raise
    return PostgresStateStore(engine, writers, readers)


def check_encoding(found: str) -> None:
    """Check a database's ``server_encoding``.

    Raises:
        FailedPrecondition: it cannot keep every text.
    """
    if found != "UTF8":
        raise FailedPrecondition(
            f"the database of store.url keeps text as {found}, and texts of a pool may be any: make one with "
            "CREATE DATABASE nextlabel ENCODING 'UTF8' LOCALE 'C' TEMPLATE template0",
            reason="DATABASE_ENCODING",
        )


class PostgresStateStore(StateStore):
    """State in a PostgreSQL database; units of work run on threads, each with a pooled connection.

    Those that write wait for each other's locks, but for those of one project that are committed together; those that
    only read have threads of their own, and wait for nobody.
    """

    def __init__(self, engine: sa.Engine, writers: int, readers: int) -> None:
        self._engine = engine
        self._closed = False
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._writers = ThreadPoolExecutor(writers, thread_name_prefix="state-writer")
        self._readers = ThreadPoolExecutor(readers, thread_name_prefix="state-reader")
        self._groups = ProjectGroups(
            self._writers, lambda project: PostgresCommitter(self._connection, project), self._retried, _CONFLICTS
        )

    @override
    async def write(self, work: Callable[[Transaction], T], *, project: ProjectId | None = None) -> T:
        if project is None:
            return await self._on_thread(self._writers, lambda: self._retried(work))
        self._check_open()
        result: T = await self._groups.write(project, work)
        return result

    @override
    async def read(self, work: Callable[[Transaction], T]) -> T:
        return await self._on_thread(self._readers, lambda: self._attempt(work, writing=False))

    @override
    @asynccontextmanager
    async def exclusive(self, name: str) -> AsyncIterator[bool]:
        async with self._lock_session() as session:
            yield await asyncio.to_thread(_try_lock, session, name)

    @override
    @asynccontextmanager
    async def held(self, name: str) -> AsyncIterator[None]:
        # Those who wait in this process take turns, so that any number of them costs one session.
        turn = self._turns.setdefault(name, asyncio.Lock())
        async with turn, self._lock_session() as session:
            mine = await asyncio.to_thread(_try_lock, session, name)
            while not mine:
                await asyncio.sleep(_TRY_AGAIN_S)
                mine = await asyncio.to_thread(_try_lock, session, name)
            yield

    @override
    async def close(self) -> None:
        self._closed = True
        for threads in (self._writers, self._readers):
            await asyncio.to_thread(threads.shutdown)
        self._engine.dispose()

    async def _on_thread(self, threads: ThreadPoolExecutor, call: Callable[[], T]) -> T:
        self._check_open()
        return await asyncio.get_running_loop().run_in_executor(threads, call)

    def _check_open(self) -> None:
        if self._closed:
            raise Unavailable("the store is closed: the server is shutting down", reason="SHUTTING_DOWN")

    def _retried(self, work: Callable[[Transaction], T]) -> T:
        for attempt in range(_ATTEMPTS):
            try:
                return self._attempt(work, writing=True)
            except _CONFLICTS:
                # Two that met once would meet again if both came back at once.
                time.sleep(random.uniform(0, _BACKOFF_S * 2**attempt))  # noqa: S311  (no secret)
        raise Aborted(f"{_ATTEMPTS} attempts met concurrent changes of the same rows; repeat the call later")

    def _attempt(self, work: Callable[[Transaction], T], *, writing: bool) -> T:
        with _domain_errors(), self._connection() as connection:
            if not writing:
                connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            result = work(SqlTransaction(PostgresConnection(connection, writing=writing)))
            connection.commit()
            return result

    @contextmanager
    def _connection(self) -> Iterator[psycopg.Connection[Record]]:
        pooled = self._engine.raw_connection()
        try:
            yield cast("psycopg.Connection[Record]", pooled.driver_connection)
        finally:
            # The pool rolls back what was not committed.
            pooled.close()

    @asynccontextmanager
    async def _lock_session(self) -> AsyncIterator[psycopg.Connection[Record]]:
        # A connection of its own: a lock lives as long as its session, so it ends when this process dies.
        session = await asyncio.to_thread(self._session)
        try:
            yield session
        finally:
            await asyncio.to_thread(_end, session)

    def _session(self) -> psycopg.Connection[Record]:
        args, options = self._engine.dialect.create_connect_args(self._engine.url)
        with _domain_errors():
            return psycopg.connect(*args, **options, autocommit=True)


class PostgresConnection(Connection):
    """Runs statements on a driver connection."""

    def __init__(self, db: psycopg.Connection[Record], *, writing: bool, locked: Sequence[str] = ()) -> None:
        self.writing = writing
        self._db = db
        # One for all: making one takes as long as a small statement. What it found is fetched at once.
        self._cursor = db.cursor()
        self._locked = set(locked)

    @override
    def run(self, statement: Statement, params: Params) -> int:
        return self._execute(statement, params).rowcount

    @override
    def run_many(self, statement: Statement, params: Sequence[Params]) -> None:
        sql, constants = statement.compiled(_DIALECT)
        self._cursor.executemany(sql, [{**constants, **given} for given in params])

    @override
    def insert(self, rows: RowInsert, params: Sequence[Params]) -> list[bool]:
        if not params:
            return []
        cursor = self._execute(rows.many, {"rows": json.dumps(params, ensure_ascii=False)})
        return rows.new(params, cursor.fetchall()) if rows.unless else [True] * len(params)

    @override
    def all(self, statement: Statement, params: Params) -> list[Record]:
        return self._execute(statement, params).fetchall()

    @override
    def first(self, statement: Statement, params: Params) -> Record | None:
        return self._execute(statement, params).fetchone()

    @override
    def array(self, values: Sequence[int] | Sequence[str]) -> str:
        # As a literal: of a list the driver makes an array of the smallest type that fits, and PostgreSQL may read all
        # rows of a project rather than convert it for an index. It takes the driver a fraction of the time, too.
        return f"{{{','.join(_quoted(v) if isinstance(v, str) else str(v) for v in values)}}}"

    @override
    def lock(self, name: str) -> bool:
        if name in self._locked:
            return False
        self._cursor.execute("SELECT pg_advisory_xact_lock(%s)", (lock_key(name),))
        self._locked.add(name)
        return True

    def _execute(self, statement: Statement, params: Params) -> psycopg.Cursor[Record]:
        sql, constants = statement.compiled(_DIALECT)
        return self._cursor.execute(sql, {**constants, **params})


class PostgresCommitter(Committer):
    """Does units of work about one project on one connection, each in a savepoint, until they are committed together.

    The group has the project's lock from its beginning. A unit takes others before that one; in a group, which keeps
    it, that order would let two servers wait for each other.
    """

    def __init__(
        self, connect: Callable[[], AbstractContextManager[psycopg.Connection[Record]]], project: ProjectId
    ) -> None:
        self._connect = connect
        self._lock = order_lock(project)
        self._open = ExitStack()
        self._db: psycopg.Connection[Record]

    @override
    def begin(self) -> None:
        with _domain_errors():
            self._db = self._open.enter_context(self._connect())
            PostgresConnection(self._db, writing=True).lock(self._lock)
            self._db.execute("SAVEPOINT unit")

    @override
    def run(self, work: Work) -> Any:
        # A new connection object for each: locks that a unit took are free again when it is undone.
        transaction = SqlTransaction(PostgresConnection(self._db, writing=True, locked=[self._lock]))
        try:
            result = work(transaction)
            self._db.execute(_NEXT_UNIT)
        except Exception as error:
            translation = error if isinstance(error, _CONFLICTS) else translated(error)
            try:
                self._db.execute("ROLLBACK TO SAVEPOINT unit")
            except psycopg.Error as lost:
                raise TransactionLost(translated(lost)) from error
            if translation is error:
                raise
            raise translation from error
        return result

    @override
    def commit(self) -> None:
        with _domain_errors():
            self._db.commit()

    @override
    def close(self) -> None:
        self._open.close()


@contextmanager
def _domain_errors() -> Iterator[None]:
    """Translate database errors; those that running the work again may cure pass as they are."""
    try:
        yield
    except _CONFLICTS:
        raise
    except sa.exc.DBAPIError as error:
        raise translated(error.orig if isinstance(error.orig, Exception) else error) from error
    except Exception as error:
        translation = translated(error)
        if translation is error:
            raise
        raise translation from error


def _try_lock(session: psycopg.Connection[Record], name: str) -> bool:
    with _domain_errors():
        found = session.execute("SELECT pg_try_advisory_lock(%s)", (lock_key(name),)).fetchone()
    return bool(found and found[0])


def _end(session: psycopg.Connection[Record]) -> None:
    # The server learns of a closed connection some time later; until then the locks would seem to be held.
    with suppress(psycopg.Error), session:
        session.execute("SELECT pg_advisory_unlock_all()")


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def lock_key(name: str) -> int:
    """Return the 64-bit number of an advisory lock; two names of one number only wait for each other needlessly."""
    digest = hashlib.blake2b(f"nextlabel/{name}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)
