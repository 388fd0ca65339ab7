"""What commands print on standard output."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path


class ReportForm(StrEnum):
    """A table for people, or JSON for programs."""

    TABLE = "table"
    JSON = "json"


def ready_lines(data_dir: Path, address: str, pages: str, workers: int = 1) -> str:
    """Return what `nextlabel serve` says once it serves; ``pages`` is their URL, '' without them."""
    by = f"with {workers} workers " if workers > 1 else ""
    lines = [f"nextlabel serves {data_dir} {by}on {address}"]
    if pages:
        lines.append(f"dashboard and labeling page: {pages}")
    return "\n".join(lines)
