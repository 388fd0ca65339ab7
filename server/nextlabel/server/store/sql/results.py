"""What the number of changed rows says."""

from __future__ import annotations

from nextlabel.server.values.errors import Aborted


def changed(rows: int, what: str) -> None:
    """Raise Aborted when a statement that must change one row found none."""
    if rows != 1:
        raise Aborted(f"{what} was removed or replaced by a concurrent call; read it again and repeat")
