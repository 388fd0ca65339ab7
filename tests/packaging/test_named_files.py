"""The files that the documentation names are where it says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
NAMED = re.compile(r"(?<![\w./-])(?:[a-z_]+/)+[a-z_0-9]+\.(?:py|toml|proto)\b")
FOLDERS = ("server", "client", "strategies", "proto", "tests", "benchmarks", "examples", "docs")
FILES = {
    path.relative_to(ROOT).as_posix()
    for folder in FOLDERS
    for path in (ROOT / folder).rglob("*.*")
    if "__pycache__" not in path.parts
}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_that_a_page_names_is_there(page: Path) -> None:
    named = set(NAMED.findall(page.read_text(encoding="utf-8")))
    lost = [name for name in named if not any(f"/{path}".endswith(f"/{name}") for path in FILES)]
    assert sorted(lost) == []
