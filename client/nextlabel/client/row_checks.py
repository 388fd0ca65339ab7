"""What a row has to hold: the one rule for texts, ids and missing values, whatever reads them."""

from typing import Any

from nextlabel.client.items import content_id


class RowError(ValueError):
    """A row that cannot be used: why for programs, and why for people."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def is_missing(value: Any) -> bool:
    """Whether a cell is empty.

    >>> [is_missing(value) for value in (None, "", 0, " ")]
    [True, True, False, False]
    """
    return value is None or (isinstance(value, str) and not value)


def checked_text(text: Any) -> str:
    """The text of a row. Raises RowError TEXT_MISSING when it is missing or none."""
    if is_missing(text):
        raise RowError("TEXT_MISSING", "text: it is missing")
    if not isinstance(text, str):
        raise RowError("TEXT_MISSING", f"text: expected a text, got {type(text).__name__}")
    if not is_unicode(text):
        raise RowError("TEXT_MISSING", "text: it is not valid Unicode; check the encoding of the source")
    return text


def checked_pair(pair: tuple[Any, Any]) -> tuple[str, str]:
    """The two texts of a row. Raises RowError PAIR_INVALID when one is missing or none."""
    for name, text in zip("ab", pair, strict=True):
        if is_missing(text) or not isinstance(text, str) or not is_unicode(text):
            wrong = "is missing" if is_missing(text) else f"is no text: {text!r}"
            raise RowError("PAIR_INVALID", f"pair.{name}: it {wrong}")
    return pair


def checked_id(item_id: Any, text: Any, pair: tuple[str, str] | None = None) -> str:
    """The id of a row: its own, or that of its text, or of its text and pair, when it has none.

    >>> checked_id(7, "a text"), checked_id(None, "a text") == content_id("a text")
    ('7', True)

    Raises RowError ID_INVALID, or TEXT_MISSING when there is no id and no text either.
    """
    if is_missing(item_id):
        return content_id(checked_text(text)) if pair is None else content_id(text or "", pair)
    if isinstance(item_id, bool | float | list | dict):
        raise RowError("ID_INVALID", f"id: expected a text or a whole number, got {item_id!r}")
    given = str(item_id)
    if not is_unicode(given):
        raise RowError("ID_INVALID", "id: it is not valid Unicode")
    return given


def is_unicode(text: str) -> bool:
    r"""Whether a text can be sent: lone surrogates stand for bytes that were no text.

    >>> is_unicode("café"), is_unicode("caf\udce9")
    (True, False)
    """
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
