"""What the documentation tells people to type is there: commands with their options, and names of Python."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from nextlabel.client.cli.main import build_app

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
BLOCK = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`(nextlabel [^`]+)`")


def commands(text: str) -> Iterator[str]:
    """The commands of a page: lines of its blocks, and what stands in code within a sentence."""
    for language, block in BLOCK.findall(text):
        if language in ("", "console", "bash", "sh"):
            for line in block.replace("\\\n", " ").splitlines():
                if found := re.match(r"\s*(?:\$ )?(?:\w+=\S+ )*(nextlabel .*)", line):
                    yield found[1]
    yield from INLINE.findall(BLOCK.sub("", text).replace("\n", " "))


def unknown(line: str) -> str | None:
    """The first command or option of a line that the command line does not know."""
    words = shlex.split(re.split(r"\s(?:#|>|\||&&)\s?", line)[0])[1:]
    command: Any = get_command(build_app())
    context = command.context_class(command, info_name="nextlabel")
    options = known(command, context)
    while hasattr(command, "resolve_command"):
        place = next((n for n, word in enumerate(words) if word in command.list_commands(context)), None)
        if place is None:
            return next((word for word in words if re.fullmatch(r"[a-z]+", word)), None)
        name, command, _ = command.resolve_command(context, [words.pop(place)])
        context = command.context_class(command, info_name=name, parent=context)
        options |= known(command, context)
    return next((word for word in words if word.startswith("--") and word.partition("=")[0] not in options), None)


def known(command: Any, context: Any) -> set[str]:
    return {name for option in command.get_params(context) for name in (*option.opts, *option.secondary_opts)}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_command_and_option_of_a_page_is_there(page: Path) -> None:
    lines = list(commands(page.read_text(encoding="utf-8")))
    wrong = {line: word for line in lines if (word := unknown(line)) is not None}
    assert wrong == {}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_python_of_a_page_can_be_read_and_imports_what_is_there(page: Path) -> None:
    for language, block in BLOCK.findall(page.read_text(encoding="utf-8")):
        if language != "python":
            continue
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("nextlabel"):
                module = import_module(node.module)
                assert [alias.name for alias in node.names if not hasattr(module, alias.name)] == []
