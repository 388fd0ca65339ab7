"""The help page of `nextlabel` itself, which is the first thing that anybody sees and has to be there at once.

It looks like the pages that typer prints, whose module takes longer to import than everything else together: it brings
Markdown and tracebacks, which this page has not.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Console, Group
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

_BORDER = "dim"
_NAMES = "bold cyan"


def print_front_page(
    usage: str,
    summary: str,
    options: Iterable[tuple[str, str]],
    commands: Mapping[str, Iterable[tuple[str, str]]],
    notes: str,
) -> None:
    """Print the page: options and commands are names with what they do, the latter in panels by their titles."""
    console = Console(highlight=False)
    console.print(Padding(Text(usage, style="bold"), 1))
    console.print(Padding(Text(summary), (0, 1, 1, 1)))
    panels = {title: list(rows) for title, rows in commands.items()} | {"Options": list(options)}
    widest = max(len(name) for rows in panels.values() for name, _ in rows)
    console.print(Group(*(_panel(title, rows, widest) for title, rows in panels.items())))
    console.print(Padding(Text(notes.strip()), 1))


def _panel(title: str, rows: Iterable[tuple[str, str]], widest: int) -> Panel:
    table: Any = Table.grid(padding=(0, 1), expand=True)
    table.add_column(style=_NAMES, no_wrap=True, width=widest)
    table.add_column(ratio=1)
    for name, does in rows:
        table.add_row(Text(name), Text(does))
    return Panel(table, title=title, title_align="left", border_style=_BORDER)
