"""Values as texts for forms that know no other."""

import json
from typing import Any

# Programs for spreadsheets take a cell that begins so for a formula (OWASP, "CSV injection").
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def cell(value: Any) -> Any:
    """The value as a cell of a spreadsheet: a number or text that no program takes for a formula.

    >>> cell("=1+1"), cell(7), cell(["a", "b"])
    ("'=1+1", 7, '["a", "b"]')
    """
    if value is None or isinstance(value, int | float):
        return value
    text = text_of(value)
    return f"'{text}" if text.startswith(_FORMULA) else text


def text_of(value: Any) -> str:
    """The value as a text: JSON unless it is one."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
