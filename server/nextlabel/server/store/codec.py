"""Canonical JSON for frozen values, and integers for times and unsigned hashes.

A dataclass becomes an object without the fields that equal their default, so changing a stored type's default needs
a migration. A union of dataclasses becomes an object of one key that names the member. Decoding is strict: an
unknown field, a missing one or a value of another type is :class:`DataLoss`, never a guess.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import cache
from operator import attrgetter
from types import NoneType, UnionType
from typing import Any, NewType, TypeVar, Union, get_args, get_origin, get_type_hints

from nextlabel.server.values.errors import DataLoss

T = TypeVar("T")
Convert = Callable[[Any], Any]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_UINT64 = 1 << 64
_INT64_MAX = (1 << 63) - 1


def to_micros(at: datetime) -> int:
    """Return microseconds since 1970-01-01 UTC; raise ValueError for a time without a zone.

    >>> to_micros(datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC))
    1000000
    """
    if at.tzinfo is None:
        raise ValueError(f"a stored time needs a time zone, got {at.isoformat()}")
    return (at - _EPOCH) // _MICROSECOND


def from_micros(micros: int) -> datetime:
    """Return the aware UTC time of :func:`to_micros`."""
    return _EPOCH + micros * _MICROSECOND


def to_signed(unsigned: int) -> int:
    """Return the signed 64-bit integer with the bits of an unsigned one: SQL has no unsigned type."""
    if not 0 <= unsigned < _UINT64:
        raise ValueError(f"expected an unsigned 64-bit integer, got {unsigned}")
    return unsigned if unsigned <= _INT64_MAX else unsigned - _UINT64


def to_unsigned(signed: int) -> int:
    """Reverse :func:`to_signed`.

    >>> to_unsigned(to_signed(2**64 - 1)) == 2**64 - 1
    True
    """
    return signed % _UINT64


def dumps(kind: Any, value: Any) -> str:
    """Return ``value``, of the type ``kind``, as canonical JSON.

    Raises:
        ValueError: not representable, for example a NaN.
    """
    return _CANONICAL.encode(to_plain(kind, value))


def to_plain(kind: Any, value: Any) -> Any:
    """Return ``value``, of the type ``kind``, as data that JSON knows."""
    encode = encoder(kind)
    return encode(value) if encode else value


def loads(kind: Any, text: str) -> Any:
    """Return the value of the type ``kind`` that :func:`dumps` wrote.

    Raises:
        DataLoss: the text is not what ``dumps`` writes for this type.
    """
    try:
        data = json.loads(text)
    except ValueError as error:
        raise _damaged(kind, error) from error
    return from_plain(kind, data)


def from_plain(kind: Any, data: Any) -> Any:
    """Return the value of the type ``kind`` that :func:`to_plain` made ``data`` of.

    Raises:
        DataLoss: the data is not what ``to_plain`` makes of this type.
    """
    try:
        return decoder(kind)(data)
    except (ValueError, TypeError) as error:
        raise _damaged(kind, error) from error


def _damaged(kind: Any, error: Exception) -> DataLoss:
    return DataLoss(f"a stored {_name(kind)} cannot be read: {error}", reason="STORED_VALUE_DAMAGED")


_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


@cache
def encoder(kind: Any) -> Convert | None:
    """Return the function from a value of this type to plain JSON data; None when it is plain already."""
    kind = _unalias(kind)
    if kind is datetime:
        return to_micros
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return str
    if is_dataclass(kind):
        return _dataclass_encoder(kind)
    origin = get_origin(kind)
    if origin in (Union, UnionType):
        return _union_encoder(kind)
    if origin is tuple:
        inner = encoder(get_args(kind)[0])
        return (lambda value: [inner(v) for v in value]) if inner else list
    if origin is frozenset:
        return sorted
    if origin is Mapping:
        return _mapping_encoder(kind)
    return None


def _mapping_encoder(kind: Any) -> Convert:
    inner = encoder(get_args(kind)[1])
    return (lambda value: {k: inner(v) for k, v in value.items()}) if inner else _plain


def _unchanged(value: Any) -> Any:
    return value


def _plain(value: Any) -> Any:
    """Return JSON data with read-only mappings and tuples made ordinary."""
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return value


def _dataclass_encoder(kind: Any) -> Convert:
    hints = get_type_hints(kind)
    plan = [(f.name, encoder(hints[f.name]), _default(f)) for f in fields(kind)]
    names = [name for name, _, _ in plan]
    # attrgetter gives a tuple for two names and more, but the bare value for one, and takes no fewer.
    get: Convert = attrgetter(*names) if len(names) > 1 else lambda value: [getattr(value, name) for name in names]

    def encode(value: Any) -> dict[str, Any]:
        return {
            name: inner(item) if inner else item
            for (name, inner, default), item in zip(plan, get(value), strict=True)
            if not (item is default or item == default)
        }

    return encode


def _default(f: Field[Any]) -> Any:
    if f.default_factory is not MISSING:
        return f.default_factory()
    return f.default


def _union_encoder(kind: Any) -> Convert:
    members = [m for m in get_args(kind) if m is not NoneType]
    if len(members) == 1:
        inner = encoder(members[0]) or _unchanged
        return lambda value: None if value is None else inner(value)
    tagged = {m: (tag(m), _dataclass_encoder(m)) for m in members}

    def encode(value: Any) -> Any:
        if value is None:
            return None
        name, inner = tagged[type(value)]
        return {name: inner(value)}

    return encode


@cache
def decoder(kind: Any) -> Convert:
    """Return the strict function from plain JSON data to a value of this type."""
    kind = _unalias(kind)
    if kind is Any:
        return lambda data: data
    if kind is datetime:
        return lambda data: from_micros(_exactly(int, data))
    if is_dataclass(kind):
        return _dataclass_decoder(kind)
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return kind
    if kind is float:
        return _float
    origin = get_origin(kind)
    if origin is not None:
        return _generic_decoder(kind, origin)
    return lambda data: _exactly(kind, data)


def _generic_decoder(kind: Any, origin: Any) -> Convert:
    if origin in (Union, UnionType):
        return _union_decoder(kind)
    if origin is Mapping:
        name, inner = (decoder(part) for part in get_args(kind))
        return lambda data: {name(k): inner(v) for k, v in _exactly(dict, data).items()}
    inner = decoder(get_args(kind)[0])
    return lambda data: origin(inner(v) for v in _exactly(list, data))


def _dataclass_decoder(kind: Any) -> Convert:
    hints = get_type_hints(kind)
    plan = {f.name: decoder(hints[f.name]) for f in fields(kind)}

    def decode(data: Any) -> Any:
        given = _exactly(dict, data)
        if unknown := given.keys() - plan.keys():
            raise ValueError(f"{kind.__name__} has no field {min(unknown)!r}")
        return kind(**{name: plan[name](item) for name, item in given.items()})

    return decode


def _union_decoder(kind: Any) -> Convert:
    members = [m for m in get_args(kind) if m is not NoneType]
    if len(members) == 1:
        inner = decoder(members[0])
        return lambda data: None if data is None else inner(data)
    tagged = {tag(m): decoder(m) for m in members}

    def decode(data: Any) -> Any:
        if data is None:
            return None
        [(name, body)] = _exactly(dict, data).items()
        if name not in tagged:
            raise ValueError(f"expected one of {sorted(tagged)}, got {name!r}")
        return tagged[name](body)

    return decode


def _exactly(kind: type[T], data: Any) -> T:
    if type(data) is not kind:
        raise TypeError(f"expected {kind.__name__}, got {data!r:.80}")
    return data


def _float(data: Any) -> float:
    return float(_exactly(int, data) if isinstance(data, int) else _exactly(float, data))


def _unalias(kind: Any) -> Any:
    return kind.__supertype__ if isinstance(kind, NewType) else kind


def tag(kind: Any) -> str:
    """Return the name of a member of a union in stored data."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", kind.__name__).lower()


def _name(kind: Any) -> str:
    return str(getattr(kind, "__name__", kind))
