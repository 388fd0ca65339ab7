"""`nextlabel quality deliver`: the whole pool labeled, and what the labels are worth."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nextlabel.client.cli.options import ProjectArgument
from nextlabel.client.cli.output.forms import Output, OutputOption, Record, TableColumns, emit_many, emit_one
from nextlabel.client.cli.output.patience import COMPUTING, patience
from nextlabel.client.cli.problems import say
from nextlabel.client.cli.session import session
from nextlabel.client.messages.amounts import share_within

if TYPE_CHECKING:
    from nextlabel.client.clients import Client
    from nextlabel.client.export.partial_delivery import PartialDelivery
    from nextlabel.v1 import quality_service_pb2 as pb

EPILOG = "Examples: nextlabel quality deliver news;  nextlabel quality deliver news --accuracy 0.9 --to labeled.parquet"

_SOURCES: TableColumns = {
    "LABELED BY": lambda one: one["source"].replace("_", " "),
    "ITEMS": lambda one: one["items"],
}


def deliver(
    ctx: typer.Context,
    project: ProjectArgument,
    accuracy: Annotated[
        float, typer.Option(min=0, max=1, help="Share of the accepted labels that has to be right.")
    ] = 0.95,
    to: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write every item with its label to a file: .csv, .tsv, .xlsx, .parquet, .arrow, .jsonl; without an "
            "ending a folder of Hugging Face datasets. (default: only say what the labels are worth)",
        ),
    ] = None,
    afresh: Annotated[
        bool, typer.Option("--afresh", help="Begin again where a delivery to the same file was cut off.")
    ] = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Label every item of the pool, by people, LLMs and the learner, and say how far the labels can be trusted.

    Labels that gold proves to be accurate enough, with 95 % confidence, stand; the others are marked for a look. A
    delivery that was cut off goes on where it was, under the same certificate: run the same command again.
    """
    if to is not None:
        from nextlabel.client.writers.table import check_ending

        check_ending(to)
    with session(ctx).connect() as client:
        from nextlabel.client.messages.plain import plain

        with patience(COMPUTING):
            found = client.quality.delivery(project, accuracy=accuracy)
        partial = None if to is None else _begun(client, project, accuracy, to, found, afresh=afresh)
        shown = plain(found if partial is None else partial.found)
        if output is Output.JSON:
            emit_one(shown, output)
        else:
            emit_many(shown["items"], _SOURCES, output)
            _say_worth(shown)
        if to is not None and partial is not None:
            _write(client, project, accuracy, to, partial)


def _begun(
    client: "Client", project: str, accuracy: float, to: Path, found: "pb.GetDeliveryResponse", *, afresh: bool
) -> "PartialDelivery":
    """Return what was delivered to the file so far, by this project under this promise."""
    from nextlabel.client.export.partial_delivery import PartialDelivery

    created = client.projects.get(project).create_time.ToJsonString()
    partial = PartialDelivery(to, {"project": project, "created": created, "accuracy": str(accuracy)}, found)
    if partial.goes_on and afresh:
        partial.begin_again(found)
    elif partial.goes_on:
        say(f"going on after {partial.items:,} items that came before; --afresh begins again")
    return partial


def _write(client: "Client", project: str, accuracy: float, to: Path, partial: "PartialDelivery") -> None:
    from nextlabel.client.errors import NextlabelError
    from nextlabel.client.export.partial_delivery import is_forgotten, write_delivery

    try:
        written = write_delivery(client, project, accuracy, to, partial)
    except (NextlabelError, KeyboardInterrupt) as error:
        if isinstance(error, NextlabelError) and is_forgotten(error):
            say(f"labels have changed since: {partial.items:,} items that came before are of no use, beginning again")
            partial.begin_again(client.quality.delivery(project, accuracy=accuracy))
            written = write_delivery(client, project, accuracy, to, partial)
        else:
            if partial.items:
                say(f"{partial.items:,} items are kept in {partial.path}: the same command goes on from there")
            raise
    say(f"wrote {written:,} items to {to}")


def _say_worth(found: Record) -> None:
    total = sum(one["items"] for one in found["items"])
    expected = found["expected_accuracy"]
    if expected is None:
        say("how many of them are right cannot be told: that takes labels beside those of people, and gold items")
    else:
        say(
            f"{expected['value']:.1%} of all labels are expected to be right ({expected['low']:.1%} to "
            f"{expected['high']:.1%}, by {expected['items']:,} gold items)"
        )
    for one in found["measured_accuracy"]:
        if not one["anytime"]:
            say(
                f"{share_within(one['estimate'])} of all labels are right, measured on "
                f"{one['estimate']['items']:,} random items that people labeled ({one['kind'].replace('_', ' ')})"
            )
    for one in found["tested"]:
        say(_of_source(one, found["accuracy"]))
    for one in found["untested"]:
        say(f"{one['annotator']} was not tested: {one['why']}")
    say(f"{found['accepted']:,} of {total:,} labels may stand, {total - found['accepted']:,} need a look")
    say(f"spent so far: ${found['spent']['micro_usd'] / 1e6:,.2f} and {found['spent']['labels']:,} labels")


def _of_source(one: Record, accuracy: float) -> str:
    proof, on_gold = one["certificate"], one["accuracy"]
    if proof is not None:
        return (
            f"{one['annotator']}: {one['labels']:,} labels with a score from {proof['threshold']:.3f} are at least "
            f"{accuracy:.1%} right, with 95 % confidence ({proof['right']:,} of {proof['gold_items']:,} gold right, "
            f"at least {proof['lower_bound']:.1%} by them)"
        )
    more = f"; at least {one['missing_gold']:,} more gold items are needed" if one["missing_gold"] else ""
    return (
        f"{one['annotator']}: {accuracy:.1%} cannot be proven for any of its labels; all of them are "
        f"{on_gold['value']:.1%} right on {on_gold['items']:,} gold items{more}"
    )
