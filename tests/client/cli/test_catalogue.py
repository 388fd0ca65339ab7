"""The commands that the help page lists are those that there are."""

import shlex
import subprocess
import sys
from importlib import import_module
from importlib.metadata import version
from pkgutil import iter_modules
from typing import Any

import pytest

from nextlabel.client.cli import commands
from nextlabel.client.cli.catalogue import OWN, SERVER
from tests.client.conftest import Cli


def summary(name: str) -> str:
    module: Any = import_module(f"nextlabel.client.cli.commands.{name}")
    if hasattr(module, "app"):
        return str(module.app.info.help)
    return str(getattr(module, name).__doc__).partition("\n")[0]


def test_every_command_of_the_client_is_listed_with_its_own_words() -> None:
    assert {module.name: summary(module.name) for module in iter_modules(commands.__path__)} == OWN


def test_every_command_of_the_server_is_listed() -> None:
    from nextlabel.server.cli import commands as server_commands

    assert {name for name, _, _ in server_commands()} == set(SERVER)


@pytest.mark.parametrize("option", ["-h", "--help"])
def test_every_command_explains_itself(cli: Cli, option: str) -> None:
    for name in ("", *OWN):
        done = cli(*name.split(), option)
        assert (done.code, done.out.split()[:2]) == (0, ["Usage:", "nextlabel"]), name


def test_a_command_that_does_not_exist_is_likened_to_one_that_does(cli: Cli) -> None:
    done = cli("projct")
    assert (done.code, "Did you mean 'project'" in done.err) == (2, True)


def test_the_version_is_shown(cli: Cli) -> None:
    assert cli("--version").out == f"nextlabel {version('nextlabel')}\n"


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-"])
def test_a_program_started_without_a_stream_works(closed: str) -> None:
    command = f"{shlex.quote(sys.executable)} -m nextlabel --version {closed}"
    assert subprocess.run(command, shell=True, check=True, stderr=subprocess.PIPE).stderr in (None, b"")


def test_the_package_is_a_program() -> None:
    done = subprocess.run([sys.executable, "-m", "nextlabel", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"nextlabel {version('nextlabel')}\n"


@pytest.mark.parametrize("spelling", ["multi_label", "multi-label", "Multi_Label"])
def test_names_of_choices_and_options_have_several_spellings(cli: Cli, spelling: str) -> None:
    done = cli("project", "create", "news", "--type", spelling, "--score_range", "wide")
    assert done.code == 2
    assert "MIN,MAX" in done.err
    assert "--type" not in done.err
