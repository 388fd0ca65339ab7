"""Folders that options of the server's commands name."""

import pytest
from typer.testing import CliRunner

from nextlabel.client.cli.main import build_app


@pytest.mark.parametrize(
    "command",
    [
        ["serve"],
        ["doctor"],
        ["demo"],
        ["backup", "to"],
        ["restore", "from"],
        ["auto", "file.csv", "--labels", "a,b", "--out", "out.csv"],
    ],
    ids=lambda command: command[0],
)
def test_an_empty_name_is_not_taken_for_the_current_folder(command: list[str]) -> None:
    done = CliRunner().invoke(build_app(), [*command, "--data-dir", ""])
    assert done.exit_code == 2
    assert "name a folder; the current one is '.'" in done.output
