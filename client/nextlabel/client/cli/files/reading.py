"""Options of commands that read item files."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated

import typer

from nextlabel.client.cli.option_groups import with_options
from nextlabel.client.cli.options import listed_names
from nextlabel.client.cli.problems import say
from nextlabel.client.items import Columns
from nextlabel.client.readers.errors import LineProblem
from nextlabel.client.readers.file import ItemFile
from nextlabel.client.tables import UnknownColumnError


class FileFormat(StrEnum):
    """Formats of item files."""

    JSONL = "jsonl"
    CSV = "csv"
    TSV = "tsv"
    PARQUET = "parquet"
    XLSX = "xlsx"


FileArgument = Annotated[
    str,
    typer.Argument(
        metavar="FILE",
        help="JSON, CSV, TSV, Parquet, Arrow or Excel; a folder of datasets, or hf:NAME@SPLIT; - for stdin.",
    ),
]
TextOption = Annotated[str | None, typer.Option("--text", help="Column of the texts. (default: text)")]
IdOption = Annotated[
    str | None,
    typer.Option("--id", help="Column of the ids. (default: id if there is one, else a hash of the text)"),
]
LabelOption = Annotated[str | None, typer.Option("--label", help="Column of the labels. (default: label)")]
MetadataOption = Annotated[
    str, typer.Option("--metadata", metavar="A,B", help='Columns that become metadata; "a, b" in quotes is one.')
]
PairOption = Annotated[
    str,
    typer.Option("--pair", metavar="A,B", help="Columns of the two texts to compare; the text is what both answer."),
]

_PANEL = "How the file is read"


@dataclass(frozen=True, slots=True)
class Reading:
    """How a file is read; what is not given is found out."""

    file_format: Annotated[
        FileFormat | None,
        typer.Option("--format", help="Format. (default: by content and name)", rich_help_panel=_PANEL),
    ] = None
    encoding: Annotated[
        str | None,
        typer.Option(
            "--encoding", help="Encoding of a text file, such as utf-8. (default: sniffed)", rich_help_panel=_PANEL
        ),
    ] = None
    separator: Annotated[
        str | None,
        typer.Option(
            "--separator",
            help="A character, or comma, semicolon, tab or pipe. (default: sniffed)",
            rich_help_panel=_PANEL,
        ),
    ] = None
    header: Annotated[
        bool,
        typer.Option(
            "--header/--no-header",
            help="Whether the first line names the columns; else they are called 1, 2, 3.",
            rich_help_panel=_PANEL,
        ),
    ] = True
    sheet: Annotated[
        str | None, typer.Option("--sheet", help="Sheet of a workbook. (default: the first)", rich_help_panel=_PANEL)
    ] = None
    database: Annotated[
        str | None,
        typer.Option(
            "--db", metavar="URL", help="FILE is a SELECT for this database: sqlite:///x.db", rich_help_panel=_PANEL
        ),
    ] = None

    def open(
        self,
        path: str,
        columns: Columns,
        *,
        quiet: bool = False,
        options: Mapping[str, str] = MappingProxyType({}),
        on_problem: Callable[[LineProblem], None] = lambda _: None,
    ) -> ItemFile:
        """The item file, its beginning read, so that nothing begins with a file that cannot be used.

        Unless `quiet`, says on stderr what was sniffed that is not the usual; `on_problem` is told of malformed lines.
        Raises FileError, OSError, or ValueError for a column that is not there, which names the option of its role, or
        that of `options`.
        """
        items = ItemFile(
            path,
            columns=columns,
            file_format=self.file_format and self.file_format.value,
            encoding=self.encoding,
            separator=self.separator,
            header=self.header,
            sheet=self.sheet,
            database=self.database,
            on_problem=on_problem,
        )
        try:
            items.prepare()
        except UnknownColumnError as error:
            option = options.get(error.role, f"--{error.role}")
            raise ValueError(f"{error}; name another one with {option}") from None
        if items.notes and not quiet:
            say(f"reading {path}: {', '.join(items.notes)}")
        return items


reads_files = with_options("reading", Reading)
"""Gives a command the options of `Reading` in the place of its parameter `reading`."""


def chosen_columns(
    *,
    text: str | None = None,
    id_column: str | None = None,
    label: str | None = None,
    metadata: str = "",
    pair: str = "",
    labeled: bool = False,
) -> Columns:
    """The columns that were named, which have to be there, and the defaults of the others."""
    required = {role for role, name in (("text", text), ("id", id_column), ("label", label)) if name}
    both = listed_names(pair)
    if pair and len(both) != 2:
        raise typer.BadParameter(f"two columns, such as a,b; got {pair!r}", param_hint="--pair")
    required |= {"label"} if labeled else (set() if pair else {"text"})
    return Columns(
        text=text or "text",
        id=id_column or "id",
        label=label or "label",
        metadata=tuple(listed_names(metadata)),
        required=frozenset(required),
        pair=(both[0], both[1]) if pair else None,
    )
