"""A progress bar."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn


@contextmanager
def progress_bar(what: str) -> Iterator[Callable[[str, float | None], None]]:
    """A progress bar on stderr, shown on a terminal only; takes a text and a fraction in [0, 1]."""
    console = Console(stderr=True)
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[detail]}", markup=False),
        TimeElapsedColumn(),
        console=console,
        disable=not console.is_terminal,
        transient=True,
    )
    with bar:
        task = bar.add_task(what, total=None, detail="")

        def advance(detail: str, fraction: float | None) -> None:
            bar.update(task, detail=detail, completed=fraction or 0.0, total=None if fraction is None else 1.0)

        yield advance
