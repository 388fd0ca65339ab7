"""Columns inside the objects of JSON records, named by their path: "ticket.body" is the body of a ticket."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

_DEEPEST = 8


def nested_names(records: Iterable[Mapping[str, Any]]) -> list[str]:
    """The paths of all values inside objects of the records, each once, in the order they are met.

    >>> nested_names([{"id": 1, "ticket": {"body": "lost", "from": {"name": "Ann"}}}])
    ['ticket.body', 'ticket.from.name']
    """
    return list(dict.fromkeys(path for record in records for path in _paths(record, "", 0)))


def with_nested(record: Mapping[str, Any], wanted: Collection[str]) -> Mapping[str, Any]:
    """The record with the wanted values inside its objects as columns of their own; a key of that name comes first.

    >>> with_nested({"ticket": {"body": "lost"}}, ["ticket.body"])["ticket.body"]
    'lost'
    """
    inner = {name: name.split(".") for name in wanted if "." in name and name not in record}
    found = {name: value for name, path in inner.items() if (value := _value(record, path)) is not None}
    return {**record, **found} if found else record


def _paths(record: Mapping[str, Any], before: str, depth: int) -> Iterator[str]:
    for key, value in record.items():
        if isinstance(value, Mapping) and depth < _DEEPEST:
            yield from _paths(value, f"{before}{key}.", depth + 1)
        elif before:
            yield before + key


def _value(record: Mapping[str, Any], path: Iterable[str]) -> Any:
    value: Any = record
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value
