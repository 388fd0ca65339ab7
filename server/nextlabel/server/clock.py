"""The wall clock."""

from __future__ import annotations

from datetime import UTC, datetime


class SystemClock:
    """Implements the domain's `Clock`."""

    def now(self) -> datetime:
        """Return the current aware UTC time."""
        return datetime.now(UTC)
