"""Options and progress of commands that read item files."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from nextlabel.client.cli.problems import FAILED, list_problems, say
from nextlabel.client.items import Columns
from nextlabel.client.readers.file import ItemFile

if TYPE_CHECKING:
    from numpy import ndarray

    from nextlabel.client import AddResult, Client


class FileFormat(StrEnum):
    """Formats of item files."""

    JSONL = "jsonl"
    CSV = "csv"
    TSV = "tsv"
    PARQUET = "parquet"


FileArgument = Annotated[
    str, typer.Argument(metavar="FILE", help="JSON Lines, CSV, TSV or Parquet, plain or gzip; - for stdin.")
]
TextOption = Annotated[str | None, typer.Option("--text", help="Column of the texts. (default: text)")]
IdOption = Annotated[
    str | None,
    typer.Option("--id", help="Column of the ids. (default: id if there is one, else a hash of the text)"),
]
LabelOption = Annotated[str | None, typer.Option("--label", help="Column of the labels. (default: label)")]
MetadataOption = Annotated[str, typer.Option("--metadata", metavar="A,B", help="Columns that become metadata.")]
FormatOption = Annotated[
    FileFormat | None, typer.Option("--format", help="Format. (default: by the name; jsonl for stdin)")
]
EncodingOption = Annotated[str, typer.Option("--encoding", help="Encoding of text files.")]


def chosen_columns(
    *,
    text: str | None = None,
    id_column: str | None = None,
    label: str | None = None,
    metadata: str = "",
    labeled: bool = False,
) -> Columns:
    """The columns that were named, which have to be there, and the defaults of the others."""
    required = {role for role, name in (("text", text), ("id", id_column), ("label", label)) if name}
    required |= {"label"} if labeled else {"text"}
    return Columns(
        text=text or "text",
        id=id_column or "id",
        label=label or "label",
        metadata=tuple(name.strip() for name in metadata.split(",") if name.strip()),
        required=frozenset(required),
    )


def open_items(path: str, columns: Columns, file_format: FileFormat | None, encoding: str) -> ItemFile:
    """The item file; raises FileError or OSError when it cannot be opened."""
    return ItemFile(path, columns=columns, file_format=file_format and file_format.value, encoding=encoding)


def add_file(
    client: "Client",
    project: str,
    items: ItemFile,
    *,
    split: str,
    embeddings: "ndarray[Any, Any] | None" = None,
    upload_id: str | None = None,
) -> "AddResult":
    """Upload a file with a progress bar; says how to resume when it is interrupted."""
    with progress_bar(f"adding to {project}") as advance:
        durable = 0

        def on_progress(result: "AddResult") -> None:
            nonlocal durable
            durable = result.accepted + result.duplicates + result.resumed
            advance(f"{durable:,} items", items.fraction_read)

        try:
            return client.pool.add(
                project, items, split=split, embeddings=embeddings, upload_id=upload_id, on_progress=on_progress
            )
        except BaseException:
            if durable:
                say(f"{durable:,} items are in the pool; add the file again for the rest")
            raise


def report_untaken(items: ItemFile, result: "AddResult") -> int:
    """Say on stderr which lines and items were not taken; returns the exit code."""
    list_problems(
        (f"line {problem.line}: {problem.message}" for problem in items.problems),
        items.problem_count,
        "malformed lines passed over",
    )
    where = "row" if items.is_columnar else "line"
    list_problems(
        (f"{where} {e.row}, item {e.item_id or '?'}: {e.message}" for e in result.errors),
        result.rejected,
        "items not taken",
    )
    return FAILED if items.problem_count or result.rejected else 0


def wait_until_embedded(client: "Client", project: str) -> None:
    """Wait, with a progress bar, until every item of the project has its embedding."""
    with progress_bar("embedding") as advance:
        for status in client.pool.watch(project):
            counts = status.counts
            total = counts.embedded + counts.awaiting_embedding
            advance(f"{counts.embedded:,} of {total:,}", counts.embedded / total if total else 1.0)
            if counts.awaiting_embedding == 0:
                return


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


def read_text(path: Path) -> str:
    """A text file in UTF-8. Raises ValueError when it is something else."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not UTF-8") from None
