"""Frozen values to table rows and back, from the fields of the value.

Times, enums and structured fields are stored as ``codec`` says; a :class:`Cost` or :class:`Limit` takes one column
per dimension (``spent`` -> ``spent_labels``, ``spent_tokens``, ``spent_micro_usd``).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from enum import Enum
from functools import partial
from types import NoneType, UnionType
from typing import Any, Generic, NewType, TypeVar, Union, get_args, get_origin, get_type_hints

import sqlalchemy as sa

from nextlabel.server.domain.annotation import Cost
from nextlabel.server.domain.state import Limit
from nextlabel.server.store import codec

V = TypeVar("V")
Convert = Callable[[Any], Any]

_DIMENSIONS = ("labels", "tokens", "micro_usd")
_PLAIN = (str, int, float, bytes)


class Row(Generic[V]):
    """How values of one dataclass are kept in one table.

    ``unsigned`` names the fields that hold unsigned 64-bit integers.
    """

    def __init__(self, kind: type[V], table: sa.Table, unsigned: Collection[str] = ()) -> None:
        hints = get_type_hints(kind)
        self._kind = kind
        self._plan: list[tuple[str, Convert | None, Convert | None, bool]] = []
        self.columns: list[sa.Column[Any]] = []
        for field in fields(kind):  # type: ignore[arg-type]  # V is always a dataclass
            hint = hints[field.name]
            flat = hint in (Cost, Limit)
            names = [f"{field.name}_{d}" for d in _DIMENSIONS] if flat else [field.name]
            self.columns += [table.c[name] for name in names]
            to_sql, from_sql = (None, hint) if flat else _converters(hint, field.name in unsigned)
            self._plan.append((field.name, to_sql, from_sql, flat))

    def bind(self, value: V) -> dict[str, Any]:
        """Return the parameters that insert ``value``."""
        params: dict[str, Any] = {}
        for name, to_sql, _, flat in self._plan:
            item = getattr(value, name)
            if flat:
                params[f"{name}_labels"] = item.labels
                params[f"{name}_tokens"] = item.tokens
                params[f"{name}_micro_usd"] = item.micro_usd
            else:
                params[name] = to_sql(item) if to_sql else item
        return params

    def load(self, record: tuple[Any, ...]) -> V:
        """Return the value of a row selected as :attr:`columns`."""
        values: list[Any] = []
        at = 0
        for _, _, from_sql, flat in self._plan:
            if flat and from_sql:
                values.append(from_sql(*record[at : at + 3]))
                at += 3
                continue
            item = record[at]
            values.append(from_sql(item) if from_sql else item)
            at += 1
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
    if isinstance(hint, type) and issubclass(hint, Enum):
        return (lambda item: item.value), hint
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
