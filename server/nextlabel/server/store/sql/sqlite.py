"""The StateStore on one SQLite file: WAL, every commit synced, one writer thread a process, a few readers."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite
from typing_extensions import override

from nextlabel.server.ports.state_store import StateStore, Transaction
from nextlabel.server.store.lockfile import DirectoryLock
from nextlabel.server.store.name_locks import NameLocks, OwnNames
from nextlabel.server.store.sql.group_commit import Committer, GroupCommitWriter, TransactionLost, Work
from nextlabel.server.store.sql.sqlite_errors import translated
from nextlabel.server.store.sql.statements import Connection, Params, Record, RowInsert, Statement
from nextlabel.server.store.sql.transaction import SqlTransaction
from nextlabel.server.values.errors import Unavailable
from nextlabel.server.values.ids import ProjectId

T = TypeVar("T")

_DIALECT = sqlite.dialect(paramstyle="named")
_BUSY_MS = 10_000
_WRITING = "writing"
PRAGMAS = (
    f"PRAGMA busy_timeout = {_BUSY_MS}",
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
    "PRAGMA temp_store = MEMORY",
    "PRAGMA cache_size = -32768",
)


def connect(path: Path) -> sqlite3.Connection:
    """Open a database file with the settings that durability and integrity rest on."""
    try:
        db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=512)
        for pragma in PRAGMAS:
            db.execute(pragma)
    except sqlite3.Error as error:
        raise translated(error) from error
    return db


@contextmanager
def migrating(path: Path) -> Iterator[sa.Connection]:
    """Open a SQLAlchemy connection in one transaction, for the migrations."""
    engine = sa.create_engine("sqlite://", creator=lambda: connect(path), poolclass=sa.NullPool)
    sa.event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    try:
        with engine.begin() as connection:
            yield connection
    except sa.exc.DBAPIError as error:
        raise translated(error.orig or error) from error
    finally:
        engine.dispose()


class SqliteStateStore(StateStore):
    """All state in one file. ``lock``, if this process has it, is held as long as the store is open.

    ``names`` are those of this process, or of all that have the file open.
    """

    def __init__(self, path: Path, lock: DirectoryLock | None, names: NameLocks, *, readers: int = 4) -> None:
        self._lock = lock
        self._names = names
        self._writer = GroupCommitWriter(lambda: SqliteCommitter(connect(path), names))
        self._readers = _Readers(path, readers)

    @override
    async def write(self, work: Callable[[Transaction], T], *, project: ProjectId | None = None) -> T:
        result: T = await self._writer.write(work)
        return result

    @override
    async def read(self, work: Callable[[Transaction], T]) -> T:
        return await self._readers.run(work)

    @override
    @asynccontextmanager
    async def exclusive(self, name: str) -> AsyncIterator[bool]:
        with self._names.trying(name) as mine:
            yield mine

    @override
    async def close(self) -> None:
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        self._readers.close()
        self._writer.close()
        if self._lock is not None:
            self._lock.release()


class SqliteConnection(Connection):
    """Runs statements on a driver connection."""

    def __init__(self, db: sqlite3.Connection, *, writing: bool) -> None:
        self.writing = writing
        self._db = db

    @override
    def run(self, statement: Statement, params: Params) -> int:
        return self._execute(statement, params).rowcount

    @override
    def run_many(self, statement: Statement, params: Sequence[Params]) -> None:
        sql, constants = statement.compiled(_DIALECT)
        self._db.executemany(sql, [{**constants, **given} for given in params] if constants else params)

    @override
    def insert(self, rows: RowInsert, params: Sequence[Params]) -> list[bool]:
        if rows.unless:
            return [self._execute(rows.one, given).rowcount == 1 for given in params]
        self.run_many(rows.one, params)
        return [True] * len(params)

    @override
    def all(self, statement: Statement, params: Params) -> list[Record]:
        return self._execute(statement, params).fetchall()

    @override
    def first(self, statement: Statement, params: Params) -> Record | None:
        found: Record | None = self._execute(statement, params).fetchone()
        return found

    @override
    def array(self, values: Sequence[int] | Sequence[str]) -> str:
        return json.dumps(list(values))

    @override
    def lock(self, name: str) -> bool:
        # Every transaction that writes excludes every other from its beginning, those of other processes too.
        return False

    def _execute(self, statement: Statement, params: Params) -> sqlite3.Cursor:
        sql, constants = statement.compiled(_DIALECT)
        return self._db.execute(sql, {**constants, **params} if constants else params)


class SqliteCommitter(Committer):
    """Does units of work on the one connection that writes, each in a savepoint, until they are committed together.

    Processes take turns by a lock that wakes who waits; SQLite's own way is to look again after ever longer naps.
    """

    def __init__(self, db: sqlite3.Connection, names: NameLocks | None = None) -> None:
        self._db = db
        self._names = names or OwnNames()
        self._turn = ExitStack()
        self._transaction = SqlTransaction(SqliteConnection(db, writing=True))

    @override
    def begin(self) -> None:
        self._turn.enter_context(self._names.waiting(_WRITING))
        self._or_rollback("BEGIN IMMEDIATE")

    @override
    def commit(self) -> None:
        self._or_rollback("COMMIT")
        self._turn.close()

    @override
    def run(self, work: Work) -> Any:
        self._db.execute("SAVEPOINT unit")
        try:
            result = work(self._transaction)
        except Exception as error:
            translation = translated(error)
            # A full disk or a failed read may have made SQLite give up the whole transaction.
            if not self._db.in_transaction:
                self._turn.close()
                raise TransactionLost(translation) from error
            self._db.execute("ROLLBACK TO unit")
            self._db.execute("RELEASE unit")
            if translation is error:
                raise
            raise translation from error
        self._db.execute("RELEASE unit")
        return result

    @override
    def close(self) -> None:
        self._db.close()

    def _or_rollback(self, sql: str) -> None:
        try:
            self._db.execute(sql)
        except sqlite3.Error as error:
            if self._db.in_transaction:
                self._db.rollback()
            self._turn.close()
            raise translated(error) from error


class _Readers:
    """Threads with a read-only connection each."""

    def __init__(self, path: Path, count: int) -> None:
        self._path = path
        self._closed = False
        self._own = threading.local()
        self._open: list[sqlite3.Connection] = []
        self._threads = ThreadPoolExecutor(count, thread_name_prefix="state-reader")

    async def run(self, work: Callable[[Transaction], T]) -> T:
        if self._closed:
            raise Unavailable("the store is closed: the server is shutting down", reason="SHUTTING_DOWN")
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._read, work)

    def close(self) -> None:
        self._closed = True
        self._threads.shutdown()
        for db in self._open:
            db.close()

    def _read(self, work: Callable[[Transaction], T]) -> T:
        db = self._connection()
        db.execute("BEGIN")
        try:
            return work(SqlTransaction(SqliteConnection(db, writing=False)))
        except Exception as error:
            translation = translated(error)
            if translation is error:
                raise
            raise translation from error
        finally:
            db.rollback()

    def _connection(self) -> sqlite3.Connection:
        db: sqlite3.Connection | None = getattr(self._own, "db", None)
        if db is None:
            db = self._own.db = connect(self._path)
            db.execute("PRAGMA query_only = ON")
            self._open.append(db)
        return db
