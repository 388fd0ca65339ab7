"""A simulation on a terminal: progress while it runs, then a table and plain words."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from nextlabel.server.simulation.comparison import Standing, Summary
from nextlabel.server.simulation.data.dataset import Dataset
from nextlabel.server.simulation.reporting.report import format_interval, sentences
from nextlabel.server.simulation.settings import Protocol
from nextlabel.server.simulation.simulation import Result

COLUMNS = ("strategy", "accuracy", "macro-F1", "accuracy vs random", "labels to 95 %", "labels saved")


@contextmanager
def progress_bar(console: Console, what: str, total: int) -> Iterator[Callable[[int], object]]:
    """Yield a function that sets how much is done; there is a bar on a terminal only."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as progress:
        task = progress.add_task(what, total=total)
        yield lambda done: progress.update(task, completed=done)


def print_result(console: Console, result: Result, dataset: Dataset, protocol: Protocol) -> None:
    """Print the comparison and what it means."""
    seeds = result.summaries[0].seeds
    table = Table(
        *COLUMNS,
        title=f"{len(dataset):,} items, {len(dataset.classes)} classes, {protocol.budget_labels} labels in batches of "
        f"{protocol.batch_size}, learner {protocol.learner.estimator}, {seeds} seeds",
        caption="Accuracy and macro-F1: means over the curve. In brackets: 95 % intervals over seeds and test texts.",
    )
    for summary in result.summaries:
        table.add_row(*_row(summary))
    console.print(table)
    console.print(f"All {len(dataset):,} labels: accuracy {result.full_data.accuracy:.3f}")
    for sentence in sentences(result):
        console.print(sentence, highlight=False, soft_wrap=True)


def _row(summary: Summary) -> tuple[str, ...]:
    to_95 = summary.labels_to_95pct
    shown = (
        summary.strategy,
        f"{summary.aulc_accuracy.mean:.3f}",
        f"{summary.aulc_macro_f1.mean:.3f}",
    )
    reached = "not reached" if to_95 is None else f"{to_95:.0f}"
    if summary.verdict is Standing.BASELINE:
        return (*shown, "", reached, "")
    difference = format_interval(summary.aulc_accuracy_vs_random, signed=True)
    return (*shown, difference, reached, format_interval(summary.labels_saved_vs_random, digits=0, signed=True))
