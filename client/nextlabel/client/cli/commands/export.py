"""`nextlabel export`: annotations as JSON Lines."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from nextlabel.client.cli.options import ProjectArgument
from nextlabel.client.cli.problems import say
from nextlabel.client.cli.session import session
from nextlabel.client.literals import ExportFormName

EPILOG = "Example: nextlabel export news --trusted-only > labels.jsonl"


def export(
    ctx: typer.Context,
    project: ProjectArgument,
    form: Annotated[
        ExportFormName,
        typer.Option("--format", help="records: annotations with provenance; sft, dpo: training data for LLMs."),
    ] = "records",
    run: Annotated[str, typer.Option(help="Only annotations of this run.")] = "",
    trusted_only: Annotated[bool, typer.Option("--trusted-only", help="Only annotations that count as truth.")] = False,
    to: Annotated[Path | None, typer.Option(metavar="FILE", help="Write to a file instead of stdout.")] = None,
) -> None:
    """Export the annotations as JSON Lines."""
    with session(ctx).connect() as client:
        parts = client.labeling.export(project, form=form, run=run, trusted_only=trusted_only)
        if to is None:
            for part in parts:
                sys.stdout.buffer.write(part)
            sys.stdout.flush()
            return
        lines = 0
        with to.open("wb") as file:
            for part in parts:
                file.write(part)
                lines += part.count(b"\n")
    say(f"wrote {lines:,} lines to {to}")
