"""Frozen values to table rows and back, from the fields of the value.

Times, enums and structured fields are stored as ``codec`` says; a :class:`Cost` or :class:`Limit` takes one column
per dimension (``spent`` -> ``spent_labels``, ``spent_tokens``, ``spent_micro_usd``).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from enum import StrEnum
from functools import partial
from operator import attrgetter
from types import NoneType, UnionType
from typing import Any, Generic, NewType, TypeVar, Union, get_args, get_origin, get_type_hints

import sqlalchemy as sa

from nextlabel.server.store import codec
from nextlabel.server.values.money.budgets import Limit
from nextlabel.server.values.money.costs import Cost

V = TypeVar("V")
Convert = Callable[[Any], Any]

_DIMENSIONS = ("labels", "tokens", "micro_usd")
_PLAIN = (str, int, bytes)


class Row(Generic[V]):
    """How values of one dataclass are kept in one table.

    ``unsigned`` names the fields that hold unsigned 64-bit integers.
    """

    def __init__(self, kind: type[V], table: sa.Table, unsigned: Collection[str] = ()) -> None:
        self._kind = kind
        self.columns: list[sa.Column[Any]] = []
        getters: list[str] = []
        self._to_sql: list[tuple[str, Convert]] = []
        self._from_sql: list[tuple[int, Convert]] = []
        self._grouped: list[tuple[int, type]] = []
        hints = get_type_hints(kind)
        for at, field in enumerate(fields(kind)):  # type: ignore[arg-type]  # V is always a dataclass
            hint = hints[field.name]
            if hint in (Cost, Limit):
                self._grouped.append((at, hint))
                self.columns += [table.c[f"{field.name}_{d}"] for d in _DIMENSIONS]
                getters += [f"{field.name}.{d}" for d in _DIMENSIONS]
                continue
            to_sql, from_sql = _converters(hint, field.name in unsigned)
            self.columns.append(table.c[field.name])
            getters.append(field.name)
            if to_sql:
                self._to_sql.append((field.name, to_sql))
            if from_sql:
                self._from_sql.append((at, from_sql))
        self._names = [column.name for column in self.columns]
        self._get = attrgetter(*getters)

    def bind(self, value: V) -> dict[str, Any]:
        """Return the parameters that insert ``value``."""
        params = dict(zip(self._names, self._get(value), strict=True))
        for name, convert in self._to_sql:
            params[name] = convert(params[name])
        return params

    def load(self, record: tuple[Any, ...]) -> V:
        """Return the value of a row selected as :attr:`columns`."""
        values = list(record)
        for at, kind in self._grouped:
            values[at : at + len(_DIMENSIONS)] = [kind(*values[at : at + len(_DIMENSIONS)])]
        for at, convert in self._from_sql:
            values[at] = convert(values[at])
        return self._kind(*values)

    def load_first(self, record: tuple[Any, ...] | None) -> V | None:
        """Return the value of a row, None when there is no row."""
        return None if record is None else self.load(record)


def _converters(hint: Any, unsigned: bool) -> tuple[Convert | None, Convert | None]:
    if isinstance(hint, NewType):
        hint = hint.__supertype__
    if unsigned:
        return codec.to_signed, codec.to_unsigned
    if hint is bool:
        return None, bool
    if hint is float:
        # SQLite keeps a NaN as NULL.
        return None, lambda item: math.nan if item is None else item
    if hint in _PLAIN:
        return None, None
    if hint is datetime:
        return codec.to_micros, codec.from_micros
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return str, hint
    if get_origin(hint) in (Union, UnionType):
        return _optional(hint)
    if is_dataclass(hint) or get_origin(hint) in (tuple, Mapping):
        return partial(codec.dumps, hint), partial(codec.loads, hint)
    raise TypeError(f"no way to store a {hint!r}")


def _optional(hint: Any) -> tuple[Convert | None, Convert | None]:
    [inner] = [member for member in get_args(hint) if member is not NoneType]
    to_sql, from_sql = (None, None) if inner is float else _converters(inner, unsigned=False)
    return _or_none(to_sql), _or_none(from_sql)


def _or_none(convert: Convert | None) -> Convert | None:
    return convert and (lambda item: None if item is None else convert(item))
