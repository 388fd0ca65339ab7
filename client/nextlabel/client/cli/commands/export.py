"""`nextlabel export`: items or annotations as a table, as JSON Lines, or for other tools."""

import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from nextlabel.client.cli.options import ProjectArgument
from nextlabel.client.cli.problems import say
from nextlabel.client.cli.session import session
from nextlabel.client.export.tables import exported_rows, write_rows
from nextlabel.client.export.terms import Terms
from nextlabel.client.writers.replacing import replacing
from nextlabel.client.writers.table import check_ending

if TYPE_CHECKING:
    from nextlabel.client import ProjectHandle
    from nextlabel.client.labeled_items import LabeledItem
    from nextlabel.client.literals import FilteredName
    from nextlabel.client.transport.modes import Blocking

EPILOG = (
    "Examples: nextlabel export news --per item --to labeled.xlsx;  nextlabel export news --per item --to dataset;  "
    "nextlabel export news --form label-studio --to tasks.json;  nextlabel export news --form dpo --to pairs.parquet"
)

_NO_PAIRS = ": pairs need an LLM's answer that a person's contradicts, a preference or a refined text (docs/client.md)"
_WHY_NONE: Mapping[str, str] = {
    "records": "",
    "sft": ": no item of the pool has one answer, or of a pair with a prompt a better text (docs/client.md)",
    "dpo": _NO_PAIRS,
    "reward": _NO_PAIRS,
    "rationale": ": no answer has a reason; give one with yours, or start a run with --rationale",
    "advice": ": no run has asked for advice; start one with --advice",
}

_OF_BEST = ("sft", "dpo", "reward")
_OF_ITEMS = ("label-studio", "argilla", "datasheet", "hand-over")
_SLICED = ("datasheet", "hand-over")

_PANEL = "With --per item"


def export(
    ctx: typer.Context,
    project: ProjectArgument,
    per: Annotated[
        Literal["annotation", "item"],
        typer.Option(help="What a row is: an annotation with its provenance, or an item with its label."),
    ] = "annotation",
    form: Annotated[
        Literal[
            "records",
            "sft",
            "dpo",
            "reward",
            "rationale",
            "advice",
            "label-studio",
            "argilla",
            "datasheet",
            "hand-over",
        ],
        typer.Option(
            "--form",
            help="What rows hold: annotations, advice, data to tune LLMs on, or items for another labeling tool. A "
            "datasheet says where the labels come from: as .md, .json, or in a folder with them. A hand-over is a "
            "folder that a reviewer can check: with costs, provenance, and a script that computes each number from "
            "the rows.",
        ),
    ] = "records",
    run: Annotated[str, typer.Option(help="Only annotations of this run.")] = "",
    judged_by: Annotated[
        str,
        typer.Option(
            metavar="PROJECT", help="With --form sft, dpo or reward: the best texts, by what is judged in this project."
        ),
    ] = "",
    trusted_only: Annotated[bool, typer.Option("--trusted-only", help="Only what counts as truth.")] = False,
    learner: Annotated[
        bool,
        typer.Option(
            "--learner",
            help="The newest model labels what nobody has, and what it contradicts is to be looked at again.",
            rich_help_panel=_PANEL,
        ),
    ] = False,
    soft: Annotated[
        Literal["votes", "learner"] | None,
        typer.Option(help="A number for each class: shares of the votes, or probabilities.", rich_help_panel=_PANEL),
    ] = None,
    review_below: Annotated[
        float,
        typer.Option(
            min=0, max=1, help="Labels less sure than this are to be looked at again.", rich_help_panel=_PANEL
        ),
    ] = 0.7,
    filtered: Annotated[
        Literal["drop", "mark", "keep"],
        typer.Option(
            help="What filters leave out: no rows, a column filtered_by that names the filters, or rows like any other."
        ),
    ] = "drop",
    by: Annotated[
        str,
        typer.Option(
            metavar="FIELD",
            help="With --form datasheet or hand-over: accuracy and classes of each part of the data.",
        ),
    ] = "",
    license_name: Annotated[
        str,
        typer.Option(
            "--license",
            metavar="NAME",
            help="With --form datasheet or hand-over: on which terms others may use it: an address, or a name such as "
            "CC-BY-4.0.",
        ),
    ] = "",
    cite_as: Annotated[
        str, typer.Option(metavar="TEXT", help="With --form datasheet or hand-over: how to cite it.")
    ] = "",
    to: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="File: .csv, .tsv, .xlsx, .parquet, .arrow, .jsonl; without an ending a folder of Hugging Face "
            "datasets. (default: stdout, JSON Lines)",
        ),
    ] = None,
) -> None:
    """Export items or annotations, to a file in the form that its ending names, or to stdout as JSON Lines."""
    _check(per, form, run, to, asks_learner=learner, soft=soft)
    if judged_by and form not in _OF_BEST:
        raise typer.BadParameter(f"it goes with --form {', '.join(_OF_BEST)}", param_hint="--judged-by")
    terms = Terms(license_name, cite_as)
    for option, given in (("--by", by), ("--license", license_name), ("--cite-as", cite_as)):
        if given and form not in _SLICED:
            raise typer.BadParameter("it goes with --form datasheet or hand-over", param_hint=option)
    with session(ctx).connect() as client:
        chosen = client.project(project)
        found = chosen.labels(ask_learner=learner, soft=soft, review_below=review_below, filtered=filtered)
        items = (item for item in found if item.trusted or not trusted_only)
        match form:
            case "hand-over":
                _handover_out(chosen, items, to, filtered, by, terms)
            case "datasheet":
                _datasheet_out(chosen, items, to, filtered, by, terms)
            case "label-studio" | "argilla":
                _to_tool(chosen, items, form, to)
            case _ if per == "item":
                _items_out(items, to)
            case _:
                lines = chosen.labeling.export(
                    form=form, run=run, trusted_only=trusted_only, filtered=filtered, judged_by=judged_by
                )
                why_none = f": no text was judged in {judged_by}" if judged_by else _WHY_NONE[form]
                _lines_out(lines, to, why_none)
        if filtered == "drop":
            _say_dropped(chosen)


def _say_dropped(project: "ProjectHandle[Blocking]") -> None:
    counts = [f"{one.filter} {one.labels:,}" for one in project.quality.filter_counts() if one.labels]
    if counts:
        say(f"left out, as filters name them: {', '.join(counts)}; --filtered mark writes them with the filters' names")


def _check(per: str, form: str, run: str, to: Path | None, *, asks_learner: bool, soft: str | None) -> None:
    """Refuse options that do not fit each other, and files that cannot be written, before anything is asked."""
    of_items = per == "item" or form in _OF_ITEMS
    if of_items and (run or form not in ("records", *_OF_ITEMS)):
        raise typer.BadParameter("--run and --form for tuning go with --per annotation", param_hint="--per")
    if not of_items and (asks_learner or soft):
        raise typer.BadParameter("it goes with --per item", param_hint="--learner" if asks_learner else "--soft")
    if form == "datasheet":
        from nextlabel.client.export.release import check_release

        check_release(to)
    elif form == "hand-over":
        if to is None or to.suffix:
            raise typer.BadParameter("a hand-over is a folder: give its name, without an ending", param_hint="--to")
    elif to is not None and form not in _OF_ITEMS:
        check_ending(to)


def _items_out(items: Iterable["LabeledItem"], to: Path | None) -> None:
    rows = (item.columns() for item in items)
    if to is None:
        for row in rows:
            sys.stdout.write(json.dumps(row, ensure_ascii=False) + "\n")
    else:
        say(f"wrote {write_rows(to, rows):,} items to {to}")


def _lines_out(lines: Iterable[bytes], to: Path | None, why_none: str) -> None:
    if to is None:
        for part in lines:
            sys.stdout.buffer.write(part)
        sys.stdout.flush()
    else:
        written = write_rows(to, exported_rows(lines))
        say(f"wrote {written:,} rows to {to}{'' if written else why_none}")


def _datasheet_out(
    project: "ProjectHandle[Blocking]",
    items: Iterable["LabeledItem"],
    to: Path | None,
    filtered: "FilteredName",
    by: str,
    terms: "Terms",
) -> None:
    from nextlabel.client.export.markdown import markdown
    from nextlabel.client.export.release import datasheet, write_release

    if to is None:
        typer.echo(markdown(datasheet(project, items, filtered, by=by, terms=terms)))
    else:
        say(f"wrote {write_release(project, items, to, filtered, by=by, terms=terms)}")


def _handover_out(
    project: "ProjectHandle[Blocking]",
    items: Iterable["LabeledItem"],
    to: Path | None,
    filtered: "FilteredName",
    by: str,
    terms: "Terms",
) -> None:
    from nextlabel.client.export.handover.folder import write_handover

    if to is not None:
        written, went_on = write_handover(project, items, to, filtered, by=by, terms=terms)
        if went_on:
            say("went on with the files of a command that was cut off")
        say(f"wrote {written:,} items to {to}; python {to / 'recompute.py'} computes its numbers from the rows")
        if not terms.license:
            say("its datasheet says that no license is known; give one with --license, and --cite-as")


def _to_tool(
    project: "ProjectHandle[Blocking]",
    items: Iterable["LabeledItem"],
    tool: Literal["label-studio", "argilla"],
    to: Path | None,
) -> None:
    from nextlabel.client.export.tools import TOOLS, check_tool, label_studio_interface, write_array

    settings = project.get()
    check_tool(tool, to, settings)
    records = (TOOLS[tool](item, settings) for item in items)
    if to is None:
        write_array(records, sys.stdout)
    else:
        with replacing(to) as beside, beside.open("w", encoding="utf-8") as file:
            written = write_array(records, file)
        say(f"wrote {written:,} items to {to}")
    if tool == "argilla":
        say("labels are suggestions there, people's too: read back, only those count that somebody has submitted")
    if tool == "label-studio":
        say(f"the labeling interface that they fit: {label_studio_interface(settings)}")
