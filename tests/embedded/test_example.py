"""The example runs as it is."""

import runpy
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "label_in_a_program.py"


def test_the_example_labels_a_column(
    encoder: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NEXTLABEL_EMBEDDING__MODEL", encoder)
    runpy.run_path(str(EXAMPLE), run_name="__main__")
    out = capsys.readouterr().out
    assert "labeled by function:ask: 8" in out
    assert "labeled by learner: 32" in out
    assert out.splitlines()[-1].startswith("['")
