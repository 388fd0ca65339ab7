"""`nextlabel auto`."""

import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nextlabel.client.cli import label_spaces
from nextlabel.client.cli.files.reading import FileArgument, IdOption, Reading, reads_files
from nextlabel.client.cli.label_spaces import (
    GuidelinesOption,
    LabelsFileOption,
    LabelsOption,
    PathsOption,
    ScoreRangeOption,
    TypeOption,
    codebook,
    named_classes,
)
from nextlabel.server.auto.annotators import Choice
from nextlabel.server.cli.errors import reported
from nextlabel.server.cli.places import named_folder

if TYPE_CHECKING:
    from nextlabel.client import Client
    from nextlabel.server.auto.job import Job
    from nextlabel.server.auto.outcome import Tally
    from nextlabel.server.auto.rows import SourceRow
    from nextlabel.v1.run_service_pb2 import RunSpec


@reported
@reads_files
def auto(
    file: FileArgument,
    out: Annotated[Path, typer.Option(metavar="FILE", help="Labeled file: .csv, .tsv, .jsonl, .xlsx or .parquet.")],
    text: Annotated[str, typer.Option(help="Column of the texts.")] = "text",
    id_column: IdOption = None,
    labels: LabelsOption = "",
    labels_file: LabelsFileOption = None,
    annotation_type: TypeOption = "single_label",
    paths: PathsOption = False,
    score_range: ScoreRangeOption = "",
    known: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="Column of labels that some rows have already (a|b for several): one in five evaluates.",
        ),
    ] = None,
    gold: Annotated[
        float,
        typer.Option(
            min=0,
            max=1,
            help="With --known: share of the other known labels that the LLM is asked about too (100 at most, in "
            "the quote), so that its labels can be certified. They do not train.",
        ),
    ] = 0.0,
    guidelines: GuidelinesOption = None,
    annotator: Annotated[Choice, typer.Option(help="Who labels.")] = Choice.HUMAN,
    model: Annotated[str, typer.Option(help="Model that labels.")] = "",
    base_url: Annotated[str, typer.Option(help="Server of the model, for openai-compatible.")] = "",
    budget_usd: Annotated[
        float | None,
        typer.Option(min=0, help="Most US dollars, over all calls with this file; needed for a paid model."),
    ] = None,
    budget_labels: Annotated[
        int | None, typer.Option(min=1, help="Most labels, over all calls with this file.")
    ] = None,
    review_below: Annotated[
        float, typer.Option(min=0, max=1, help="Mark labels that are less sure than this for another look.")
    ] = 0.8,
    review: Annotated[
        bool, typer.Option("--review", help="Before the file is written, look at doubtful labels on a page.")
    ] = False,
    data_dir: Annotated[
        Path | None,
        typer.Option(
            parser=named_folder,
            metavar="<path>",
            help="Where the work is kept. (default: the labeled file's name with .nextlabel)",
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before money is spent.")] = False,
    *,
    reading: Reading,
) -> None:
    """From a file to a labeled file: every row comes back with label, confidence and source.

    The most useful rows are labeled first, within the budget; a learner labels the rest. What was done is kept beside
    the labeled file: the same command goes on where it was cut off, and `nextlabel serve --data-dir` opens it.

    Example: nextlabel auto tickets.csv --text body --labels billing,delivery,other --annotator anthropic
    --model MODEL --budget-usd 2 --out labeled.csv
    """
    from nextlabel.client import connect, run_spec
    from nextlabel.client.cli.files.adding import wait_until_embedded
    from nextlabel.client.cli.output.patience import patience
    from nextlabel.client.export.tables import with_label_texts
    from nextlabel.client.transport.connection import LONG_CALL_S
    from nextlabel.client.writers.table import check_ending, write_table
    from nextlabel.server.annotators.settings import endpoint_variables
    from nextlabel.server.auto.annotators import chosen
    from nextlabel.server.auto.asked import asked
    from nextlabel.server.auto.job import PROJECT, Job
    from nextlabel.server.auto.outcome import Tally, added_names, outcomes
    from nextlabel.server.auto.source import LabeledSource, readable_again
    from nextlabel.server.operations.own_server import own_server

    check_ending(out)
    guide = codebook(guidelines)
    named, scores = named_classes(labels, labels_file), label_spaces.score_range(score_range)
    folder = data_dir or out.with_suffix(".nextlabel")
    with ExitStack() as stack:
        path = stack.enter_context(readable_again(file))
        source = LabeledSource(path, reading, text, id_column, known, annotation_type, gold_share=gold)
        names = source.names()
        rows = list(source.rows(names, quiet=False))
        wanted = asked(annotation_type, named, scores, (row.known for row in rows), paths=paths)
        rows = [row if row.known is None else replace(row, known=wanted.named(row.known)) for row in rows]
        _say(_what_there_is(rows))
        labeling = chosen(
            stack,
            annotator,
            model=model,
            base_url=base_url,
            budget_usd=budget_usd,
            annotation_type=annotation_type,
            classes=len(wanted.classes),
        )
        spec = run_spec(labeling.spec)
        environment = endpoint_variables(labeling.endpoint)
        with patience("starting the server that does the work …"):
            pages = review or annotator is Choice.HUMAN
            server = stack.enter_context(own_server(folder, environment, pages=pages))
        client = stack.enter_context(connect(server.address, timeout_s=LONG_CALL_S))
        job = Job(client)
        with patience("loading the embedding model …"):
            job.prepare(wanted, guide)
        refused = job.add(rows)
        counts = client.projects.get(PROJECT).counts
        _say(f"{counts.pool - counts.labeled:,} different texts without a label; the work is kept in {folder}")
        job.limit(budget_usd, budget_labels)
        wait_until_embedded(client, "auto")
        spec.batch_size = job.batch_size(counts.pool)
        if annotator is Choice.HUMAN:
            _wait_for_people(client, server.pages)
            failed = False
        else:
            failed = _run(job, spec, yes=yes)
        if review:
            _wait_for_reviewers(client, server.pages)
        tally = Tally()
        added = added_names(names, interval=wanted.has_interval)
        written = outcomes(client, rows, names, review_below, refused, tally, interval=wanted.has_interval)
        write_table(out, [*names, *added.values()], with_label_texts(out, written, added["label"]))
        _summary(client, tally, out)
    if failed:
        raise typer.Exit(1)


def _what_there_is(rows: Sequence["SourceRow"]) -> str:
    parts = [f"{len(rows):,} rows"]
    if known := sum(row.known is not None for row in rows):
        evaluating, checking = sum(row.is_holdout for row in rows), sum(row.is_gold for row in rows)
        checked = f", {checking:,} check who labels" if checking else ""
        parts.append(f"{known:,} with a known label, {evaluating:,} of them only evaluate{checked}")
    if useless := sum(not row.item_id for row in rows):
        parts.append(f"{useless:,} without a text that can be read")
    return "; ".join(parts)


def _run(job: "Job", spec: "RunSpec", *, yes: bool) -> bool:
    """Go on with the run that is under way, or quote one, ask, and start it; return whether it failed in the end."""
    from nextlabel.client.messages.amounts import usd
    from nextlabel.server.auto.following import follow
    from nextlabel.server.auto.job import PROJECT
    from nextlabel.server.values.errors import FailedPrecondition

    under_way = job.taken_up()
    if under_way is None:
        quote = job.quote(spec)
        if quote.upper.micro_usd:
            _say(
                f"labeling up to {quote.upper.labels:,} items would cost about {usd(quote.expected.micro_usd)} "
                f"({usd(quote.low.micro_usd)} to {usd(quote.upper.micro_usd)}, never above the budget)"
            )
            for assumption in quote.assumptions:
                _say(f"  {assumption}")
        elif quote.upper.labels:
            _say(f"labeling up to {quote.upper.labels:,} items, at no cost")
        if not quote.upper.labels:
            _say("nothing is left to ask")
            return False
        if quote.upper.micro_usd and not yes:
            if not sys.stdin.isatty():
                raise FailedPrecondition(
                    "nobody is there to ask; give --yes to spend up to the budget", reason="NOT_CONFIRMED"
                )
            typer.confirm("Go on?", abort=True, err=True)
        under_way = job.client.runs.start(PROJECT, spec).run_id
    else:
        _say(f"going on with run {under_way}")
    ended = follow(job.client, under_way)
    _say(f"labeling ended ({ended.reason}){f': {ended.detail}' if ended.detail else ''}")
    return ended.failed


def _wait_for_people(client: "Client", pages: str) -> None:
    """Wait until a person says that it is enough, then train."""
    from nextlabel.server.auto.job import PROJECT

    _say(f"label at {pages}/projects/{PROJECT}/label")
    _learn_when_enough(client)


def _wait_for_reviewers(client: "Client", pages: str) -> None:
    """Wait until a person has looked at what is doubtful, then train on what they say."""
    from nextlabel.server.auto.job import PROJECT

    doubtful = sum(1 for _ in client.quality.review(PROJECT))
    if doubtful:
        labels = "1 label is" if doubtful == 1 else f"{doubtful:,} labels are"
        _say(f"{labels} worth another look: {pages}/projects/{PROJECT}/review")
        _learn_when_enough(client)
    else:
        _say("no label is in doubt")


def _learn_when_enough(client: "Client") -> None:
    from nextlabel.server.auto.job import PROJECT

    _say("press Enter here when it is enough; the learner labels the rest")
    sys.stdin.readline()
    if client.projects.get(PROJECT).counts.labeled:
        client.learner.train(PROJECT)


def _summary(client: "Client", tally: "Tally", out: Path) -> None:
    from nextlabel.client.messages.amounts import percent, usd
    from nextlabel.server.auto.job import PROJECT
    from nextlabel.server.auto.worth import told_worth

    overview = client.reports.overview(PROJECT)
    typer.echo(f"wrote {out}: {tally.rows:,} rows, {tally.review:,} of them marked for another look")
    for source, rows in tally.sources.most_common():
        typer.echo(f"  {rows:,} labeled by {source}")
    typer.echo(f"  spent {usd(overview.spent.micro_usd)}")
    latest = overview.latest
    if latest.holdout_items:
        within = latest.accuracy_interval
        certain = f" (95 % interval {percent(within.low)} to {percent(within.high)})" if within.high else ""
        typer.echo(
            f"  the learner is right on {percent(latest.accuracy)}{certain} of {latest.holdout_items:,} known labels"
        )
    elif not client.projects.get(PROJECT).model_version:
        typer.echo("  no learner was trained: there are labels of too few classes, or none")
    else:
        typer.echo("  how many labels are right is not known: give some with --known COLUMN")
    for line in told_worth(client):
        typer.echo(f"  {line}")


def _say(text: str) -> None:
    typer.echo(text, err=True)
