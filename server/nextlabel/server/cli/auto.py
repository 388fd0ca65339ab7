"""`nextlabel auto`."""

import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nextlabel.client.cli import label_spaces
from nextlabel.client.cli.label_spaces import (
    GuidelinesOption,
    LabelsFileOption,
    LabelsOption,
    ScoreRangeOption,
    TypeOption,
    codebook,
    named_classes,
)
from nextlabel.client.cli.reading import FileArgument, IdOption, Reading, reads_files
from nextlabel.server.cli.errors import reported

if TYPE_CHECKING:
    from nextlabel.client import Client
    from nextlabel.server.auto.job import Job
    from nextlabel.server.auto.outcome import Tally
    from nextlabel.server.auto.source import SourceRow
    from nextlabel.v1.run_service_pb2 import RunSpec


class Labeler(StrEnum):
    """Who labels."""

    HUMAN = "human"
    ANTHROPIC = "anthropic"
    OPENAI_COMPATIBLE = "openai-compatible"
    LOCAL = "local"


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
    score_range: ScoreRangeOption = "",
    known: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="Column of labels that some rows have already (a|b for several): one in five evaluates.",
        ),
    ] = None,
    guidelines: GuidelinesOption = None,
    annotator: Annotated[Labeler, typer.Option(help="Who labels.")] = Labeler.HUMAN,
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
        Path | None, typer.Option(help="Where the work is kept. (default: the labeled file's name with .nextlabel)")
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
    from nextlabel.client import connect
    from nextlabel.client.cli.adding import wait_until_embedded
    from nextlabel.client.cli.output.patience import patience
    from nextlabel.client.export.tables import with_label_texts
    from nextlabel.client.transport.connection import LONG_CALL_S
    from nextlabel.client.writers.table import check_ending, write_table
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
        source = LabeledSource(path, reading, text, id_column, known, annotation_type)
        names = source.names()
        rows = list(source.rows(names, quiet=False))
        wanted = asked(annotation_type, named, scores, (row.known for row in rows))
        rows = [row if row.known is None else replace(row, known=wanted.named(row.known)) for row in rows]
        _say(_what_there_is(rows))
        spec, environment = _labeler(stack, annotator, model, base_url, budget_usd)
        with patience(f"starting the server that does the work, which is kept in {folder} …"):
            pages = review or annotator is Labeler.HUMAN
            server = stack.enter_context(own_server(folder, environment, pages=pages))
        client = stack.enter_context(connect(server.address, timeout_s=LONG_CALL_S))
        job = Job(client)
        with patience("loading the embedding model …"):
            job.prepare(wanted, guide)
        refused = job.add(rows)
        counts = client.projects.get(PROJECT).counts
        _say(f"{counts.pool - counts.labeled:,} different texts without a label; the work is kept in {folder}")
        job.limit(budget_usd, budget_labels, len({r.item_id for r in rows if r.known is not None and not r.is_holdout}))
        wait_until_embedded(client, "auto")
        spec.batch_size = job.batch_size(counts.pool)
        if annotator is Labeler.HUMAN:
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
        evaluating = sum(row.is_holdout for row in rows)
        parts.append(f"{known:,} with a known label, {evaluating:,} of them only evaluate")
    if empty := sum(not row.item_id for row in rows):
        parts.append(f"{empty:,} without a text")
    return "; ".join(parts)


def _labeler(
    stack: ExitStack,
    annotator: Labeler,
    model: str,
    base_url: str,
    budget_usd: float | None,
) -> tuple["RunSpec", dict[str, str]]:
    """Return the run, and what the server needs in its environment."""
    from nextlabel.client import anthropic, human, openai_compatible, run_spec
    from nextlabel.server.values.errors import InvalidArgument

    environment: dict[str, str] = {}
    if annotator is Labeler.HUMAN:
        return run_spec(human()), environment
    if annotator is Labeler.LOCAL:
        from nextlabel.server.annotators.endpoints.local_llm import LocalLlm, LocalLlmSettings
        from nextlabel.v1.run_service_pb2 import DATA_MARKING_QUOTED, PromptOptions

        local = LocalLlm(LocalLlmSettings(context_tokens=2_048))
        stack.callback(local.close)
        prompt = PromptOptions(max_output_tokens=32, max_concurrency=2, data_marking=DATA_MARKING_QUOTED)
        spec = openai_compatible(local.model, prompt=prompt, log_probabilities=True)
        return run_spec(spec), local.environment
    if not model:
        raise InvalidArgument.field("--model", "name the model that is to label")
    if annotator is Labeler.ANTHROPIC:
        if budget_usd is None:
            raise InvalidArgument.field("--budget-usd", "say how many dollars may be spent, such as --budget-usd 2")
        return run_spec(anthropic(model)), environment
    if base_url:
        environment["NEXTLABEL_ANNOTATORS__OPENAI_COMPATIBLE__BASE_URL"] = base_url
    return run_spec(openai_compatible(model)), environment


def _run(job: "Job", spec: "RunSpec", *, yes: bool) -> bool:
    """Go on with the run that is under way, or quote one, ask, and start it; return whether it failed in the end."""
    from nextlabel.client.amounts import usd
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
        return _follow(job.client, job.client.runs.start(PROJECT, spec).run_id)
    _say(f"going on with run {under_way}")
    return _follow(job.client, under_way)


def _follow(client: "Client", run_id: str) -> bool:
    """Show how a run gets on, on a terminal, until it ends, and say why; return whether it failed."""
    from nextlabel.client.amounts import usd
    from nextlabel.client.cli.output.progress import progress_bar
    from nextlabel.server.auto.job import PROJECT
    from nextlabel.v1.run_service_pb2 import RUN_STATE_FAILED, StopReason

    budget = client.budgets.get(PROJECT, "labels")
    goal = client.projects.get(PROJECT).counts.unlabeled
    if budget.HasField("limit"):
        goal = min(goal, budget.limit - budget.settled)
    asked = 0
    with progress_bar("labeling") as advance:
        for event in client.runs.watch(PROJECT, run_id):
            match event.WhichOneof("event"):
                case "annotation_progress":
                    progress = event.annotation_progress
                    share = (asked + progress.done) / goal if goal else None
                    advance(f"{asked + progress.done:,} of {goal:,}, {usd(progress.spent.micro_usd)}", share)
                    if progress.done == progress.total:
                        asked += progress.total
                case "run_ended":
                    reason = StopReason.Name(event.run_ended.stop_reason).removeprefix("STOP_REASON_").lower()
                    detail = f": {event.run_ended.detail}" if event.run_ended.detail else ""
                    _say(f"labeling ended ({reason.replace('_', ' ')}){detail}")
    return client.runs.get(PROJECT, run_id).state == RUN_STATE_FAILED


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
    from nextlabel.client.amounts import percent, usd
    from nextlabel.server.auto.job import PROJECT

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


def _say(text: str) -> None:
    typer.echo(text, err=True)
