"""The command itself: leases for the terminal, or the answers of a file."""

from typing import TYPE_CHECKING, Annotated

import typer

from nextlabel.client.cli.commands.label.terminal import label_in_terminal
from nextlabel.client.cli.files.answers import FileAnswers, read_answers
from nextlabel.client.cli.files.reading import IdOption, LabelOption, Reading, TextOption, chosen_columns, reads_files
from nextlabel.client.cli.options import ProjectArgument
from nextlabel.client.cli.output.forms import Output, OutputOption, emit_one
from nextlabel.client.cli.problems import FAILED, list_problems
from nextlabel.client.cli.session import session

if TYPE_CHECKING:
    from nextlabel.client import Client

EPILOG = "Examples: nextlabel label news --annotator ann;  nextlabel label news --annotator ann --from answers.csv"


@reads_files
def label(
    ctx: typer.Context,
    project: ProjectArgument,
    annotator: Annotated[str, typer.Option(help="Your name, or that of whoever gave the answers.")],
    answers_from: Annotated[
        str | None, typer.Option("--from", metavar="FILE", help="Answers by item id instead; - for stdin.")
    ] = None,
    count: Annotated[int, typer.Option(min=1, max=1000, help="Items to lease at a time.")] = 10,
    review: Annotated[
        bool, typer.Option("--review", help="Look once more at answered items that may be wrong.")
    ] = False,
    show_answers: Annotated[
        bool, typer.Option("--show-answers", help="With --review: tell what label an item has, and who answered what.")
    ] = False,
    unlabeled: Annotated[
        int, typer.Option(min=0, help="With --review: up to so many new items compete with the labels.")
    ] = 0,
    audit: Annotated[
        bool, typer.Option("--audit", help="Label random draws that no person has labeled, for figures to rest on.")
    ] = False,
    text: TextOption = None,
    id_column: IdOption = None,
    label: LabelOption = None,
    output: OutputOption = Output.TABLE,
    *,
    reading: Reading,
) -> None:
    """Label items in the terminal, the most useful ones first; or submit a file of answers.

    In the terminal every answer is stored at once; s passes an item on to others, u takes up the one before, q ends and
    gives the rest back. With --review they are items that others have answered and there is reason to doubt.
    With --audit they are drawn at random, whatever others have answered: nextlabel quality accuracy rests on them.
    """
    if audit and review:
        raise typer.BadParameter("items are random draws or labels to review; leave --review out", param_hint="--audit")
    if show_answers and not review:
        raise typer.BadParameter("answers of others are shown with --review only", param_hint="--show-answers")
    if unlabeled and not review:
        raise typer.BadParameter("new items are what is leased without --review anyway", param_hint="--unlabeled")
    if answers_from is None:
        with session(ctx).connect() as client:
            label_in_terminal(
                client,
                project,
                annotator=annotator,
                count=count,
                review=review,
                show_answers=show_answers,
                unlabeled=unlabeled,
                audit=audit,
            )
        return
    columns = chosen_columns(text=text, id_column=id_column, label=label, labeled=True)
    items = reading.open(answers_from, columns)
    with session(ctx).connect() as client:
        read = read_answers(client, project, items)
        counts, refused = _submit(client, project, annotator, read, items.unit)
    list_problems(refused, counts.get("refused", 0), "answers refused")
    passed_over = items.problem_count + len(read.problems)
    emit_one({"project": project, **counts, "passed_over": passed_over}, output)
    raise typer.Exit(FAILED if passed_over or refused else 0)


def _submit(
    client: "Client", project: str, annotator: str, read: FileAnswers, unit: str
) -> tuple[dict[str, int], list[str]]:
    """How many answers had which status, and why the refused ones were refused."""
    from nextlabel.client.messages.enums import enum_name

    counts: dict[str, int] = {}
    refused: list[str] = []
    for result in client.labeling.submit(project, read.answers, annotator=annotator):
        status = enum_name(result, "status")
        counts[status] = counts.get(status, 0) + 1
        if status == "refused":
            refused.append(f"{unit} {read.rows[result.item_id]}, item {result.item_id}: {result.message}")
    return counts, refused
