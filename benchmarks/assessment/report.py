"""Tables."""

from __future__ import annotations

from collections.abc import Sequence


def markdown(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return a table with its title."""
    lines = [f"### {title}", "", f"| {' | '.join(columns)} |", f"| {' | '.join('---' for _ in columns)} |"]
    lines += [f"| {' | '.join(map(_cell, row))} |" for row in rows]
    return "\n".join(lines)


def _cell(value: object) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value)
