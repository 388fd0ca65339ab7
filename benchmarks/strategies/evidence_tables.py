"""Tables of figures in the pages of docs/evidence."""

from __future__ import annotations

from pathlib import Path

BEGIN, END = "<!-- table: begin -->", "<!-- table: end -->"


def write_table(document: Path, text: str) -> None:
    """Put a text between the table markers of a page, in the place of what stands there."""
    before, _, rest = document.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    document.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}", encoding="utf-8")
