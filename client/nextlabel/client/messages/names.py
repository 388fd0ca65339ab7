"""Names as people write them, in the one form that is compared and stored."""

import operator
import unicodedata
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from nextlabel.client.row_checks import is_unicode

T = TypeVar("T")


def class_name(name: str) -> str:
    r"""The name of a class in its one form: composed (NFC), without the white space around it.

    >>> class_name("cafe\u0301 ") == "café"
    True
    """
    return unicodedata.normalize("NFC", name).strip()


def named_as(classes: Iterable[str]) -> Callable[[str], str]:
    """A function that reads the names of classes as people type them into files: their case and spaces do not matter.

    A name that is none of the classes so, or several of them, stays what it is.

    >>> named = named_as(["Credit cards", "other"])
    >>> named(" credit  CARDS"), named("others")
    ('Credit cards', 'others')
    """
    names = {class_name(name) for name in classes}
    by_letters: dict[str, set[str]] = {}
    for name in names:
        by_letters.setdefault(_letters(name), set()).add(name)

    def named(label: str) -> str:
        name = class_name(label)
        meant = by_letters.get(_letters(name), set())
        return next(iter(meant)) if name not in names and len(meant) == 1 else name

    return named


def _letters(name: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())


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


def several_texts(values: Iterable[Any], field: str) -> list[str]:
    """Several texts, each as `text_of` reads it. Raises TypeError or ValueError."""
    return [text_of(value, field) for value in several(values, field)]


def text_of(value: Any, field: str) -> str:
    """A text that can be sent; a whole number stands for its digits, as in ids of a table.

    >>> text_of("a", "item_id"), text_of(7, "item_id")
    ('a', '7')

    Raises TypeError for what is neither, ValueError for a text that is no Unicode; both name the field.
    """
    if isinstance(value, str):
        if not is_unicode(value):
            raise ValueError(f"{field}: it is not valid Unicode")
        return value
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise TypeError(f"{field}: expected a text, got {shown(value)}")
    return str(operator.index(value))


def shown(value: Any) -> str:
    """A wrong value as messages show it."""
    text = repr(value)
    return text if len(text) <= 80 else f"{type(value).__name__} {text[:80]}…"
