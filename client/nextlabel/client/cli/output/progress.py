"""A progress bar; a line from time to time where there is no terminal."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from nextlabel.client.cli.output.terminal import printable

Advance = Callable[[str, float | None], None]

LINE_S = 15.0
"""Seconds between the lines of what is no terminal."""


@contextmanager
def progress_bar(what: str) -> Iterator[Advance]:
    """A progress bar on stderr, with the time that is left; takes a text and a fraction in [0, 1].

    Where stderr is no terminal, what takes longer says from time to time how it gets on.
    """
    console = Console(stderr=True)
    if not console.is_terminal:
        yield progress_lines(what)
        return
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[detail]}", markup=False),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
    )
    with bar:
        task = bar.add_task(what, total=None, detail="")

        def advance(detail: str, fraction: float | None) -> None:
            bar.update(task, detail=detail, completed=fraction or 0.0, total=None if fraction is None else 1.0)

        yield advance


def progress_lines(what: str, clock: Callable[[], float] = time.monotonic) -> Advance:
    """Lines on stderr about what takes longer, at most one in `LINE_S` seconds of `clock`."""
    due = clock() + LINE_S

    def advance(detail: str, fraction: float | None) -> None:
        nonlocal due
        if clock() >= due:
            share = "" if fraction is None else f" ({fraction:.0%})"
            print(printable(f"{what}: {detail}{share}"), file=sys.stderr)  # noqa: T201
            due = clock() + LINE_S

    return advance
