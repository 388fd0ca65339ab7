"""Values as texts for forms that know no other."""

import json
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

# Programs for spreadsheets take a cell that begins so for a formula (OWASP, "CSV injection").
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def cell(value: Any) -> Any:
    """The value as a cell of a spreadsheet: a number, a date or text that no program takes for a formula.

    >>> cell("=1+1"), cell(7), cell(["a", "b"]), cell(date(2025, 3, 1))
    ("'=1+1", 7, '["a", "b"]', datetime.date(2025, 3, 1))
    """
    # Spreadsheets know no time zones; a time with one is a text.
    if value is None or (isinstance(value, int | float | Decimal | date) and getattr(value, "tzinfo", None) is None):
        return value
    text = text_of(value)
    return f"'{text}" if text.startswith(_FORMULA) else text


def text_of(value: Any) -> str:
    """The value as a text: a date in ISO 8601, and JSON of what is neither a text nor a date."""
    if isinstance(value, str | datetime | date | time):
        return value if isinstance(value, str) else value.isoformat()
    return json_of(value)


def json_of(value: Any) -> str:
    """The value as JSON, with texts for what it does not know.

    >>> json_of({"at": datetime(2025, 3, 1), "fee": Decimal("1.25")})
    '{"at": "2025-03-01T00:00:00", "fee": "1.25"}'
    """
    return json.dumps(value, ensure_ascii=False, default=_text)


def _text(value: Any) -> str:
    return value.isoformat() if isinstance(value, date | time) else str(value)
