"""What commands print on standard output."""

from __future__ import annotations

from enum import StrEnum


class ReportForm(StrEnum):
    """A table for people, or JSON for programs."""

    TABLE = "table"
    JSON = "json"
