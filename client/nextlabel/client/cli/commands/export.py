"""`nextlabel export`: items or annotations as a table, or as JSON Lines."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import typer

from nextlabel.client.cli.options import ProjectArgument
from nextlabel.client.cli.output.tables import exported_rows, item_rows, write_rows
from nextlabel.client.cli.problems import say
from nextlabel.client.cli.session import session
from nextlabel.client.literals import ExportFormName
from nextlabel.client.writers.table import check_ending

EPILOG = (
    "Examples: nextlabel export news --per item --to labeled.xlsx;  "
    "nextlabel export news --trusted-only > labels.jsonl;  nextlabel export news --form dpo --to pairs.parquet"
)

_NO_PAIRS = ": pairs need an LLM's answer that a person's contradicts, or a preference (docs/client.md)"
_WHY_NONE: Mapping[str, str] = {
    "records": "",
    "sft": ": no item of the pool is answered",
    "dpo": _NO_PAIRS,
    "reward": _NO_PAIRS,
    "rationale": ": no answer has a reason; give one with yours, or start a run with --rationale",
}


def export(
    ctx: typer.Context,
    project: ProjectArgument,
    per: Annotated[
        Literal["annotation", "item"],
        typer.Option(help="What a row is: an annotation with its provenance, or an item with its label."),
    ] = "annotation",
    form: Annotated[
        ExportFormName,
        typer.Option("--form", help="What rows hold: annotations, or data to tune LLMs on (see docs/client.md)."),
    ] = "records",
    run: Annotated[str, typer.Option(help="Only annotations of this run.")] = "",
    trusted_only: Annotated[bool, typer.Option("--trusted-only", help="Only what counts as truth.")] = False,
    to: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="File: .csv, .tsv, .xlsx, .parquet or .jsonl. (default: stdout, JSON Lines)"),
    ] = None,
) -> None:
    """Export items or annotations, to a file in the form that its ending names, or to stdout as JSON Lines."""
    if per == "item" and (run or form != "records"):
        raise typer.BadParameter("--run and --form go with --per annotation", param_hint="--per")
    if to is not None:
        check_ending(to)
    with session(ctx).connect() as client:
        chosen = client.project(project)
        if per == "item" and to is None:
            for row in item_rows(chosen, trusted_only=trusted_only):
                sys.stdout.write(json.dumps(row, ensure_ascii=False) + "\n")
        elif per == "item" and to is not None:
            written = write_rows(to, lambda: item_rows(chosen, trusted_only=trusted_only))
            say(f"wrote {written:,} items to {to}")
        elif to is None:
            for part in chosen.labeling.export(form=form, run=run, trusted_only=trusted_only):
                sys.stdout.buffer.write(part)
            sys.stdout.flush()
        else:
            written = write_rows(
                to, lambda: exported_rows(chosen.labeling.export(form=form, run=run, trusted_only=trusted_only))
            )
            say(f"wrote {written:,} rows to {to}{'' if written else _WHY_NONE[form]}")
