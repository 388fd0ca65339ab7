"""What a visitor chose, by its name in the address or the form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from nextlabel.server.values.errors import InvalidArgument

Choice = TypeVar("Choice")


def one_of(choices: Mapping[str, Choice], name: str, field: str) -> Choice:
    """Return what a name stands for.

    Raises:
        InvalidArgument: it stands for nothing; ``field`` says where it came from.
    """
    if name not in choices:
        raise InvalidArgument.field(field, f"one of {', '.join(choices)}, got {name!r}")
    return choices[name]
