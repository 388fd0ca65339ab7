"""Commands that other parts of the distribution bring along."""

from importlib.metadata import EntryPoint
from typing import Annotated

import pytest
import typer

from nextlabel.client.cli import extras
from tests.client.conftest import Cli


def greet(name: Annotated[str, typer.Option(help="Whom.")] = "you") -> None:
    """Greet somebody."""
    print(f"hello {name}")


def commands() -> list[tuple[str, str, object]]:
    group = typer.Typer()
    group.command("greet")(greet)
    group.command("other")(greet)
    return [("serve", "Greet somebody.", greet), ("demo", "A group.", group)]


@pytest.fixture
def offer(monkeypatch: pytest.MonkeyPatch) -> object:
    def install(value: str) -> None:
        entry_point = EntryPoint("part", value, extras.ENTRY_POINTS)
        monkeypatch.setattr("importlib.metadata.entry_points", lambda group: [entry_point])

    return install


def test_installed_commands_are_mounted(cli: Cli, offer: object) -> None:
    offer("tests.client.cli.test_extras:commands")  # type: ignore[operator]
    assert cli("serve", "--name", "Ann").out == "hello Ann\n"
    assert cli("demo", "greet").out == "hello you\n"


def test_commands_of_a_missing_extra_are_listed_and_say_how_to_install_it(cli: Cli, offer: object) -> None:
    offer("nextlabel_not_installed.cli:commands")  # type: ignore[operator]
    assert "serve" in cli("--help").out
    done = cli("serve", "--data-dir", "x", "--help")
    assert (done.code, done.out) == (1, "")
    assert done.err == (
        "error: `nextlabel serve` needs the server (No module named 'nextlabel_not_installed'); "
        "install it with: pip install 'nextlabel[server]'\n"
    )


def test_a_module_that_is_missing_when_a_command_runs_is_named(cli: Cli, offer: object) -> None:
    offer("tests.client.cli.test_extras:broken_commands")  # type: ignore[operator]
    done = cli("serve")
    assert (done.code, done.err) == (
        1, "error: torch is not installed; install it with: pip install 'nextlabel[server]'\n"
    )  # fmt: skip


def broken() -> None:
    """Need a module that is not there."""
    raise ModuleNotFoundError("No module named 'torch'", name="torch")


def broken_commands() -> list[tuple[str, str, object]]:
    return [("serve", "Need a module.", broken)]
