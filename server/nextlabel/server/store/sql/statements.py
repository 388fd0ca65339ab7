"""SQLAlchemy Core statements that are compiled once per database and run on the driver's own cursor.

Core writes the SQL for both databases; its execution layer, which costs more than SQLite takes for most of these
statements, is left out (``benchmarks/speed/store.py`` shows the rate).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.engine.interfaces import Dialect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler

Params = Mapping[str, Any]
Record = tuple[Any, ...]

UNLIMITED = (1 << 63) - 1
"""The LIMIT of a query without one."""


class Statement:
    """A Core statement with named parameters."""

    __slots__ = ("_clause", "_compiled")

    def __init__(self, clause: sa.ClauseElement) -> None:
        self._clause = clause
        self._compiled: dict[str, tuple[str, dict[str, Any]]] = {}

    def compiled(self, dialect: Dialect) -> tuple[str, dict[str, Any]]:
        """Return the SQL text for a dialect, with the values of the constants in it."""
        found = self._compiled.get(dialect.name)
        if found is None:
            compiled = self._clause.compile(dialect=dialect, compile_kwargs={"render_postcompile": True})
            constants = {name: value for name, value in compiled.params.items() if value is not None}
            found = self._compiled[dialect.name] = (str(compiled), constants)
        return found


class RowInsert:
    """Inserts any number of rows of strings, integers, truth values and None into a table.

    With ``unless`` given, a row is left out where one with the same values of these columns is there. ``one`` has a
    parameter per column. ``many`` has ``rows``, a JSON array of objects: PostgreSQL takes a statement of any number of
    rows for little more than that of one.
    """

    def __init__(self, table: sa.Table, names: Sequence[str], unless: Sequence[str] = ()) -> None:
        self.unless = unless
        columns = [table.c[name] for name in names]
        given = (
            sa.func.json_to_recordset(sa.cast(sa.bindparam("rows"), sa.JSON))
            .table_valued(*[sa.column(c.name, c.type) for c in columns])
            .render_derived("given", with_types=True)
        )
        one = insert(table).values({name: sa.bindparam(name) for name in names})
        many = insert(table).from_select(list(names), sa.select(*given.c))
        if not unless:
            self.one, self.many = Statement(one), Statement(many)
            return
        key = [table.c[name] for name in unless]
        self.one = Statement(one.on_conflict_do_nothing(index_elements=key))
        self.many = Statement(many.on_conflict_do_nothing(index_elements=key).returning(*key))

    def new(self, params: Sequence[Params], inserted: Sequence[Record]) -> list[bool]:
        """Say which rows were inserted, by what ``many`` returns. Of rows that are the same the first one is."""
        left = set(inserted)
        new = []
        for given in params:
            key = tuple(given[name] for name in self.unless)
            new.append(key in left)
            left.discard(key)
        return new


class Connection(Protocol):
    """What the tables need of a database inside one transaction.

    Parameters are plain values: strings, integers, floats, booleans, bytes, None, and what :meth:`array` returns.
    ``writing`` is False in a read-only transaction, where rows cannot be locked.
    """

    writing: bool

    def run(self, statement: Statement, params: Params) -> int:
        """Execute a statement; return the number of rows it changed."""
        ...

    def run_many(self, statement: Statement, params: Sequence[Params]) -> None:
        """Execute a statement once per element of ``params``."""
        ...

    def insert(self, rows: RowInsert, params: Sequence[Params]) -> list[bool]:
        """Insert a row per element of ``params``, in their order; return which of them were not there before."""
        ...

    def all(self, statement: Statement, params: Params) -> list[Record]:
        """Return all rows of a query."""
        ...

    def first(self, statement: Statement, params: Params) -> Record | None:
        """Return the first row of a query."""
        ...

    def array(self, values: Sequence[int] | Sequence[str]) -> Any:
        """Return a parameter for :class:`among`."""
        ...

    def lock(self, name: str) -> bool:
        """Let no other transaction pass a lock of the same name until this one ends.

        False when this one had it already: what it has read since then has not changed.
        """
        ...


class among(sa.ColumnElement[bool]):  # noqa: N801  (reads as an operator, as sa.and_ does)
    """``column`` equals an element of the array parameter ``name``: one SQL text for any number of values."""

    inherit_cache = False
    type = sa.Boolean()

    def __init__(self, column: sa.ColumnElement[Any], name: str) -> None:
        self.column = column
        self.param: sa.BindParameter[Any] = sa.bindparam(name, type_=sa.types.NullType())

    def self_group(self, against: Any = None) -> among:
        """Stand in a WHERE as it is: ``= 1`` after it, as for a boolean column, would keep SQLite from an index."""
        return self


@compiles(among, "sqlite")
def _among_sqlite(element: among, compiler: SQLCompiler, **kw: Any) -> str:
    column, param = compiler.process(element.column, **kw), compiler.process(element.param, **kw)
    return f"{column} IN (SELECT value FROM json_each({param}))"  # noqa: S608  (the parameter's placeholder)


@compiles(among, "postgresql")
def _among_postgresql(element: among, compiler: SQLCompiler, **kw: Any) -> str:
    column, param = compiler.process(element.column, **kw), compiler.process(element.param, **kw)
    item = compiler.dialect.type_compiler_instance.process(element.column.type)
    return f"{column} = ANY({param}::{item}[])"
