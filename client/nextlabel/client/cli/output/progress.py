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

NOTEBOOK_LINE_S = 0.2
"""Seconds between the changes of a line in a notebook."""


@contextmanager
def progress_bar(what: str) -> Iterator[Advance]:
    """A progress bar on stderr, with the time that is left; takes a text and a fraction in [0, 1].

    Notebooks show a line under the cell. Where stderr is no terminal, what takes longer says from time to time how it
    gets on.
    """
    console = Console(stderr=True)
    if console.is_jupyter:
        with notebook_line(what) as advance:
            yield advance
        return
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


@contextmanager
def notebook_line(what: str, clock: Callable[[], float] = time.monotonic) -> Iterator[Advance]:
    """A line under the cell of a notebook, which changes in place, at most once in `NOTEBOOK_LINE_S` of `clock`.

    A bar of rich would need widgets there.
    """
    from IPython.display import display

    def line(text: str) -> dict[str, str]:
        return {"text/plain": text}

    shown = display(line(f"{what} …"), raw=True, display_id=True)
    due = clock() + NOTEBOOK_LINE_S

    def advance(detail: str, fraction: float | None) -> None:
        nonlocal due
        if clock() >= due:
            share = "" if fraction is None else f" ({fraction:.0%})"
            shown.update(line(f"{what}: {detail}{share}"), raw=True)
            due = clock() + NOTEBOOK_LINE_S

    try:
        yield advance
    finally:
        shown.update(line(""), raw=True)
