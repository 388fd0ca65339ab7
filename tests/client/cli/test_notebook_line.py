"""What takes longer says how it gets on in a notebook too."""

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import rich.console

from nextlabel.client.cli.output.progress import NOTEBOOK_LINE_S, notebook_line, progress_bar


@pytest.fixture
def cell(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What a cell of a notebook shows, one after the other in the same place."""
    shown: list[str] = []

    def display(data: Any, *, raw: bool, display_id: bool) -> SimpleNamespace:
        assert raw
        assert display_id
        shown.append(data["text/plain"])
        return SimpleNamespace(update=lambda data, raw: shown.append(data["text/plain"]))

    module = ModuleType("IPython.display")
    module.display = display  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", ModuleType("IPython"))
    monkeypatch.setitem(sys.modules, "IPython.display", module)
    return shown


def test_a_notebook_shows_one_line_that_changes_and_goes(cell: list[str]) -> None:
    now = 0.0
    with notebook_line("labeling", lambda: now) as advance:
        for step in range(5):
            now = step * NOTEBOOK_LINE_S / 2
            advance(f"{step} of 4", step / 4)
    assert cell == ["labeling …", "labeling: 2 of 4 (50%)", "labeling: 4 of 4 (100%)", ""]


def test_notebooks_are_recognised(
    cell: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(rich.console, "_is_jupyter", lambda: True)
    with progress_bar("embedding"):
        pass
    assert cell == ["embedding …", ""]
    assert capsys.readouterr() == ("", "")
