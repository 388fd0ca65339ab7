"""Names as people write them, in the one form that is compared and stored."""

import unicodedata
from collections.abc import Iterable
from typing import TypeVar

T = TypeVar("T")


def class_name(name: str) -> str:
    r"""The name of a class in its one form: composed (NFC), without the white space around it.

    >>> class_name("cafe\u0301 ") == "café"
    True
    """
    return unicodedata.normalize("NFC", name).strip()


def several(values: Iterable[T], field: str) -> Iterable[T]:
    """The values, which must not be one text: its letters would be taken for them.

    >>> several("a,b", "labels")
    Traceback (most recent call last):
    TypeError: labels: expected several, got the one text 'a,b'; put a single one into a list

    Raises TypeError.
    """
    if isinstance(values, str | bytes):
        raise TypeError(f"{field}: expected several, got the one text {values!r}; put a single one into a list")
    return values
