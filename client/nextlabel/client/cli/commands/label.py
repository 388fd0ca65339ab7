"""`nextlabel label`: answer items in the terminal, or submit answers from a file."""

from itertools import islice
from typing import TYPE_CHECKING, Annotated

import typer

from nextlabel.client.cli.item_files import (
    EncodingOption,
    FormatOption,
    IdOption,
    LabelOption,
    TextOption,
    chosen_columns,
    open_items,
)
from nextlabel.client.cli.known_labels import labeled_ids
from nextlabel.client.cli.labeling.terminal import label_in_terminal
from nextlabel.client.cli.options import ProjectArgument
from nextlabel.client.cli.output.forms import Output, OutputOption, emit_one
from nextlabel.client.cli.problems import FAILED, list_problems
from nextlabel.client.cli.session import session
from nextlabel.client.readers.file import ItemFile

if TYPE_CHECKING:
    from nextlabel.client import Client

EPILOG = "Examples: nextlabel label news --annotator ann;  nextlabel label news --annotator ann --from answers.csv"


_SUBMIT_BATCH = 1_000


def label(
    ctx: typer.Context,
    project: ProjectArgument,
    annotator: Annotated[str, typer.Option(help="Your name, or that of whoever gave the answers.")],
    answers_from: Annotated[
        str | None, typer.Option("--from", metavar="FILE", help="Answers by item id instead; - for stdin.")
    ] = None,
    count: Annotated[int, typer.Option(min=1, max=1000, help="Items to lease at a time.")] = 10,
    text: TextOption = None,
    id_column: IdOption = None,
    label: LabelOption = None,
    file_format: FormatOption = None,
    encoding: EncodingOption = "utf-8",
    output: OutputOption = Output.TABLE,
) -> None:
    """Label items in the terminal, the most useful ones first; or submit a file of answers.

    In the terminal every answer is stored at once; s skips an item, q ends and gives the rest back.
    """
    if answers_from is None:
        with session(ctx).connect() as client:
            label_in_terminal(client, project, annotator=annotator, count=count)
        return
    columns = chosen_columns(text=text, id_column=id_column, label=label, labeled=True)
    answers = open_items(answers_from, columns, file_format, encoding)
    with session(ctx).connect() as client:
        counts, refused = _submit_file(client, project, annotator, answers)
    list_problems((f"line {p.line}: {p.message}" for p in answers.problems), answers.problem_count, "malformed lines")
    list_problems(refused, counts.get("refused", 0), "answers refused")
    emit_one({"project": project, **counts, "malformed_lines": answers.problem_count}, output)
    raise typer.Exit(FAILED if answers.problem_count or counts.get("refused") else 0)


def _submit_file(client: "Client", project: str, annotator: str, answers: ItemFile) -> tuple[dict[str, int], list[str]]:
    """How many answers had which status, and why the refused ones were refused."""
    from nextlabel.client.messages.enums import enum_name

    counts: dict[str, int] = {}
    refused: list[str] = []
    pairs = labeled_ids(answers)
    while batch := dict(islice(pairs, _SUBMIT_BATCH)):
        for result in client.labeling.submit(project, batch, annotator=annotator):
            status = enum_name(result, "status")
            counts[status] = counts.get(status, 0) + 1
            if status == "refused":
                refused.append(f"item {result.item_id}: {result.message}")
    return counts, refused
