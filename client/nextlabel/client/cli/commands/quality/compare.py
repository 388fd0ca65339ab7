"""`nextlabel quality compare`: two annotators on the same gold items."""

from typing import Annotated

import typer

from nextlabel.client.cli.options import ProjectArgument
from nextlabel.client.cli.output.forms import Output, OutputOption, Record, TableColumns, emit_many, emit_one
from nextlabel.client.cli.problems import say
from nextlabel.client.cli.session import session
from nextlabel.client.messages.amounts import points_within, share_within

EPILOG = "Example: nextlabel quality compare news --annotator anthropic:old --with anthropic:new"

_COLUMNS: TableColumns = {
    "ANNOTATOR": lambda a: a["annotator"],
    "RIGHT ON GOLD": lambda a: share_within(a["accuracy"]),
    "ONLY THIS ONE RIGHT": lambda a: f"{a['only']:,}",
    "BOTH RIGHT": lambda a: f"{a['both']:,}",
    "GOLD ITEMS": lambda a: f"{a['items']:,}",
}


def compare(
    ctx: typer.Context,
    project: ProjectArgument,
    annotator: Annotated[str, typer.Option(help="Annotator that is in use.")],
    successor: Annotated[str, typer.Option("--with", help="Annotator that might take its place.")],
    output: OutputOption = Output.TABLE,
) -> None:
    """Compare two annotators by their newest answers about the same gold items, before one replaces the other.

    Nobody is asked and nothing is paid: a run asks its annotator about gold when it starts, one with --budget-labels 1
    about little else.
    """
    with session(ctx).connect() as client:
        from nextlabel.client.messages.plain import plain

        found = plain(client.quality.compare(project, annotator=annotator, successor=successor))
    if output is Output.JSON:
        emit_one(found, output)
        return
    emit_many([_row(found, "annotator", annotator), _row(found, "successor", successor)], _COLUMNS, output)
    say(_verdict(found, annotator, successor))
    if found["unanswered"]:
        say(f"{successor} has not answered {found['unanswered']:,} gold items that {annotator} has answered")


def _row(found: Record, role: str, name: str) -> Record:
    return {
        "annotator": name,
        "accuracy": found[f"{role}_accuracy"],
        "only": found[f"only_{role}_right"],
        "both": found["both_right"],
        "items": found["items"],
    }


def _verdict(found: Record, annotator: str, successor: str) -> str:
    change = f"{successor} against {annotator}: {points_within(found['difference'])} (p = {found['p_value']:.2g})"
    if found["told_apart"]:
        return f"{change}; it is right {'more' if found['difference']['value'] > 0 else 'less'} often"
    if found["items"] < found["gold_needed"]:
        return (
            f"{change}; {found['items']:,} gold items cannot tell them apart: a difference of 5 points takes about "
            f"{found['gold_needed']:,}"
        )
    return f"{change}; nothing shows that one is right more often"
