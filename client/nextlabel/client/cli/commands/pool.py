"""`nextlabel pool`: add items, look at them and see how the pool stands."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nextlabel.client.cli.files.adding import add_file, add_labeled_file, report_untaken, wait_until_embedded
from nextlabel.client.cli.files.reading import (
    FileArgument,
    IdOption,
    LabelOption,
    MetadataOption,
    PairOption,
    Reading,
    TextOption,
    chosen_columns,
    reads_files,
)
from nextlabel.client.cli.limits import first_of
from nextlabel.client.cli.options import ProjectArgument, share
from nextlabel.client.cli.output.forms import Output, OutputOption, Record, TableColumns, emit_many, emit_one
from nextlabel.client.cli.problems import FAILED, list_problems, say
from nextlabel.client.cli.session import session
from nextlabel.client.export.tables import write_rows
from nextlabel.client.literals import MapColorName, PlotFormName, SplitName, StateName
from nextlabel.client.readers.errors import FileError
from nextlabel.client.writers.replacing import replacing
from nextlabel.client.writers.table import check_ending

if TYPE_CHECKING:
    from numpy import ndarray

app = typer.Typer(help="Add items, look at them and see how the pool stands.", no_args_is_help=True)


_ITEMS: TableColumns = {
    "ITEM": lambda i: i["item"]["id"],
    "STATE": lambda i: i["state"],
    "WHY": lambda i: i["need"] and i["need"]["reason"],
    "LABEL": lambda i: i["consensus"] and i["consensus"]["answer"],
    "TEXT": lambda i: i["item"]["text"],
}


_POINTS: TableColumns = {
    "ITEM": lambda p: p["item_id"],
    "X": lambda p: f"{p['x']:.3f}",
    "Y": lambda p: f"{p['y']:.3f}",
    "LABEL": lambda p: p["label"],
    "FROM": lambda p: None if p["label"] is None else "labels" if p["labeled"] else "learner",
    "CONFIDENCE": lambda p: None if p["confidence"] is None else f"{p['confidence']:.2f}",
    "PICKED": lambda p: (p["pick_reason"] or "yes") if p["picked"] else None,
    "TEXT": lambda p: p["text"],
}
_PICTURES: Mapping[str, PlotFormName] = {".svg": "svg", ".png": "png", ".json": "vega_lite"}


@app.command(
    epilog="Examples: nextlabel pool add news texts.csv --text body --id uuid --metadata source,year;  "
    "zcat big.jsonl.gz | nextlabel pool add news -"
)
@reads_files
def add(
    ctx: typer.Context,
    project: ProjectArgument,
    file: FileArgument,
    text: TextOption = None,
    id_column: IdOption = None,
    label: LabelOption = None,
    metadata: MetadataOption = "",
    pair: PairOption = "",
    split: Annotated[
        SplitName, typer.Option(help="holdout only evaluates, gold checks annotators; both need labels.")
    ] = "pool",
    split_known: Annotated[
        float,
        typer.Option(
            metavar="20%", parser=share, help="Share of the items with a label that only evaluates (holdout)."
        ),
    ] = 0.0,
    embeddings: Annotated[
        Path | None, typer.Option(metavar="FILE.npy", help="Embeddings: a matrix with a row for each item.")
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until every item has its embedding.")] = False,
    upload_id: Annotated[
        str | None, typer.Option(metavar="UUID", help="Continue the upload of this id with the same file.")
    ] = None,
    output: OutputOption = Output.TABLE,
    *,
    reading: Reading,
) -> None:
    """Stream a file into the pool. What is reported as added is durable.

    Adding a file again adds nothing twice. With --label the labels that some items have already are kept: as
    annotations, or, for the share of --split-known, to evaluate on. Malformed lines and items that are not taken are
    reported on stderr, the others go in; the exit code is then 1.
    """
    if split_known and split != "pool":
        raise typer.BadParameter("it needs items of the pool", param_hint="--split-known")
    columns = chosen_columns(
        text=text, id_column=id_column, label=label, metadata=metadata, pair=pair, labeled=split != "pool"
    )
    items = reading.open(file, columns)
    if split_known and label is None and not items.tool:
        raise typer.BadParameter("it needs --label, and items of the pool", param_hint="--split-known")
    matrix = None if embeddings is None else _load_matrix(embeddings)
    with session(ctx).connect() as client:
        labels: dict[str, int] = {}
        if (label is not None or items.tool) and split == "pool":
            found = add_labeled_file(client, project, items, holdout=split_known, embeddings=matrix)
            results, refused = [found.pool, found.holdout], found.refused
            labels = {"labels": found.labels, "refused_labels": len(refused)}
            list_problems(found.refusals(items.unit), len(refused), "labels not kept")
        else:
            results = [add_file(client, project, items, split=split, embeddings=matrix, upload_id=upload_id)]
        if wait:
            wait_until_embedded(client, project)
    code = report_untaken(items, results)
    if labels.get("refused_labels"):
        code = FAILED
    counts = {
        "accepted": sum(result.accepted for result in results),
        "duplicates": sum(result.duplicates for result in results),
        "rejected": sum(result.rejected for result in results),
        "resumed": sum(result.resumed for result in results),
        "malformed_lines": items.problem_count,
    }
    emit_one({"project": project, "upload_id": results[0].upload_id, **counts, **labels}, output)
    raise typer.Exit(code)


@app.command(epilog="Example: nextlabel pool status news --output json")
def status(ctx: typer.Context, project: ProjectArgument, output: OutputOption = Output.TABLE) -> None:
    """Show how many items there are of each sort."""
    with session(ctx).connect() as client:
        from nextlabel.client.messages.plain import plain

        record = plain(client.pool.status(project))
    counts = record.pop("counts") or {}
    emit_one({"project": project, **counts, **record}, output)


@app.command("list", epilog="Example: nextlabel pool list news --state labeled --limit 1000 --output jsonl")
def list_items(
    ctx: typer.Context,
    project: ProjectArgument,
    split: Annotated[SplitName | None, typer.Option(help="Only these.")] = None,
    state: Annotated[StateName | None, typer.Option(help="Only those that stand so.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Most items to show.")] = 100,
    output: OutputOption = Output.TABLE,
) -> None:
    """Show items with their state and label, in the order in which they were added."""
    with session(ctx).connect() as client:
        from nextlabel.client.messages.plain import plain

        found = client.pool.list(project, split=split, state=state, page_size=min(limit, 1_000))
        emit_many(first_of(map(plain, found), limit), _ITEMS, output, none="there are no such items")


@app.command(
    "map",
    epilog="Examples: nextlabel pool map news --to map.svg --color confidence;  nextlabel pool map news --to map.csv",
)
def draw_map(
    ctx: typer.Context,
    project: ProjectArgument,
    to: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Picture: .svg, .png, or .json for Vega-Lite; or table: .csv, .tsv, .xlsx, .parquet, .jsonl.",
        ),
    ] = None,
    color: Annotated[MapColorName, typer.Option(help="What the points of the picture are coloured by.")] = "label",
    dark: Annotated[bool, typer.Option("--dark", help="Draw the picture light on dark.")] = False,
    points: Annotated[int, typer.Option(min=1, max=5_000, help="Most items to show.")] = 2_000,
    output: OutputOption = Output.TABLE,
) -> None:
    """Show the pool in two dimensions: neighbours have texts that are alike.

    The newest picks, labeled items and a uniform sample of the pool, the same ones at every look.
    """
    form = _PICTURES.get(to.suffix.lower()) if to is not None else None
    if to is not None and form is None:
        _check_table(to)
    with session(ctx).connect() as client:
        if to is not None and form is not None:
            with replacing(to) as written:
                drawn = client.reports.plot_pool_map(project, points=points, form=form, color=color, dark=dark)
                written.write_bytes(drawn)
            say(f"wrote {to}")
            return
        from nextlabel.client.messages.map_points import map_row

        found = client.reports.pool_map(project, points=points)
    rows = list(map(map_row, found.points))
    if not rows:
        waiting = found.awaiting_embedding
        say(
            f"{waiting:,} items wait for their embedding; nextlabel pool status {project} shows how far it is"
            if waiting
            else f"no items here; add some with nextlabel pool add {project} FILE"
        )
    if to is None:
        emit_many(rows, _POINTS, output)
    else:
        say(f"wrote {write_rows(to, rows):,} points to {to}")


@app.command(epilog="Example: nextlabel pool show news i17")
def show(ctx: typer.Context, project: ProjectArgument, item_id: str, output: OutputOption = Output.TABLE) -> None:
    """Show one item and what is known about it."""
    with session(ctx).connect() as client:
        from nextlabel.client.messages.plain import plain

        detail = plain(client.pool.get(project, item_id))
    emit_one(detail, output, shown=_shown(detail))


@app.command(epilog="Example: nextlabel pool delete news i17 i18 --yes")
def delete(
    ctx: typer.Context,
    project: ProjectArgument,
    item_ids: Annotated[list[str], typer.Argument(metavar="ITEM…", help="Ids of up to 1,000 items.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Delete items with their annotations. Ids that no item has are reported, and the exit code is then 1."""
    if not yes:
        typer.confirm(f"Delete {len(item_ids):,} items of {project} with their annotations?", abort=True, err=True)
    with session(ctx).connect() as client:
        done = client.pool.delete(project, item_ids)
    say(f"deleted {done.deleted:,} items")
    for item_id in done.unknown_item_ids:
        say(f"no item has the id {item_id!r}")
    raise typer.Exit(1 if done.unknown_item_ids else 0)


def _check_table(path: Path) -> None:
    try:
        check_ending(path)
    except FileError as error:
        raise FileError(f"{error}; a picture is {', '.join(_PICTURES)}") from None


def _shown(detail: Record) -> Record:
    consensus, need = detail["consensus"] or {}, detail["need"] or {}
    return {
        **detail["item"],
        "state": detail["state"],
        "why": need.get("reason"),
        "answers": need.get("attempts"),
        "newest_by": need.get("annotator") or None,
        "newest_says": need.get("detail") or None,
        "embedded": detail["embedded"],
        "label": consensus.get("answer"),
        "confidence": consensus.get("confidence"),
        "vote_share": consensus.get("probability"),
        "annotations": consensus.get("annotation_count"),
    }


def _load_matrix(path: Path) -> "ndarray[Any, Any]":
    try:
        import numpy as np
    except ImportError:
        raise ValueError("--embeddings needs numpy: pip install 'nextlabel[server]'") from None
    try:
        # Mapped, not read: rows are touched once, as they are sent.
        matrix: np.ndarray[Any, Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except ValueError as error:
        raise ValueError(f"{path} is no .npy file of numbers ({error})") from None
    return matrix
