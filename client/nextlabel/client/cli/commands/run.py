"""`nextlabel run`: start, watch, show, list, pause and stop runs."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nextlabel.client.cli.annotators.choice import AnnotatorChoice, AnnotatorKind, names_annotator
from nextlabel.client.cli.annotators.prompting import Prompting, asks_llms
from nextlabel.client.cli.files.answers import upload_known_labels
from nextlabel.client.cli.files.reading import IdOption, LabelOption, Reading, TextOption, chosen_columns, reads_files
from nextlabel.client.cli.options import ProjectArgument, SeedOption, StrategyOption, StrategyParamOption, key_values
from nextlabel.client.cli.output.forms import Output, OutputOption, TableColumns, emit_many, emit_one
from nextlabel.client.cli.problems import say
from nextlabel.client.cli.session import session
from nextlabel.client.cli.watching import watch_run
from nextlabel.client.messages.amounts import percent, usd

if TYPE_CHECKING:
    from nextlabel.client import Client
    from nextlabel.v1.run_service_pb2 import Run

app = typer.Typer(help="Start, watch, show, list, pause and stop runs.", no_args_is_help=True)

RunArgument = Annotated[str | None, typer.Argument(metavar="[RUN]", help="Id of the run. (default: the newest)")]


_LIMITS = "When the run ends"
_SCOPE = "What it may ask about"
_GOLD = "Whether the annotator becomes worse"

_COLUMNS: TableColumns = {
    "RUN": lambda r: r["run_id"],
    "STATE": lambda r: r["state"],
    "WHY": lambda r: r["stop_reason"],
    "ROUNDS": lambda r: r["rounds"],
    "LABELS": lambda r: (r["spent"] or {}).get("labels"),
    "COST": lambda r: usd((r["spent"] or {}).get("micro_usd", 0)),
    "ACCURACY": lambda r: percent(r["latest"]["accuracy"]) if r["latest"] else None,
    "STARTED": lambda r: r["create_time"],
}


@app.command(
    epilog="Examples: nextlabel run start news --annotator replay --labels-from train.jsonl --strategy margin "
    "--batch-size 20 --budget-labels 200 --watch;  "
    "nextlabel run start news --annotator anthropic --model MODEL --budget-usd 1.50"
)
@reads_files
@asks_llms
@names_annotator
def start(
    ctx: typer.Context,
    project: ProjectArgument,
    who: AnnotatorChoice,
    prompting: Prompting,
    advice: Annotated[
        bool,
        typer.Option(
            "--advice", help="Keep answers about every item as advice, which the learner weighs; they are no labels."
        ),
    ] = False,
    labels_from: Annotated[
        str | None, typer.Option(metavar="FILE", help="Known labels for --annotator replay; uploaded first.")
    ] = None,
    text: TextOption = None,
    id_column: IdOption = None,
    label: LabelOption = None,
    strategy: StrategyOption = "",
    strategy_param: StrategyParamOption = None,
    batch_size: Annotated[
        int, typer.Option(min=0, show_default=False, help="Items in a round. (default: the server's)")
    ] = 0,
    audit_share: Annotated[float | None, typer.Option(min=0, max=1, help="Share drawn at random.")] = None,
    seed: SeedOption = 0,
    budget_labels: Annotated[int | None, typer.Option(help="Most labels.", rich_help_panel=_LIMITS)] = None,
    budget_tokens: Annotated[int | None, typer.Option(help="Most tokens.", rich_help_panel=_LIMITS)] = None,
    budget_usd: Annotated[float | None, typer.Option(help="Most US dollars.", rich_help_panel=_LIMITS)] = None,
    target_accuracy: Annotated[
        float,
        typer.Option(
            min=0, show_default=False, max=1, help="Accuracy that the holdout has to show.", rich_help_panel=_LIMITS
        ),
    ] = 0.0,
    target_macro_f1: Annotated[
        float,
        typer.Option(
            min=0, show_default=False, max=1, help="Macro-F1 that the holdout has to show.", rich_help_panel=_LIMITS
        ),
    ] = 0.0,
    plateau_rounds: Annotated[
        int, typer.Option(min=0, show_default=False, help="Rounds without progress.", rich_help_panel=_LIMITS)
    ] = 0,
    plateau_gain: Annotated[
        float,
        typer.Option(
            min=0,
            show_default=False,
            max=1,
            help="Accuracy gained that is progress. (default: .01)",
            rich_help_panel=_LIMITS,
        ),
    ] = 0.0,
    stable_kappa: Annotated[
        float,
        typer.Option(
            min=0,
            show_default=False,
            max=1,
            help="Agreement (kappa) of successive models that is enough, such as .99; needs no holdout.",
            rich_help_panel=_LIMITS,
        ),
    ] = 0.0,
    point_usd: Annotated[
        float,
        typer.Option(
            min=0,
            show_default=False,
            help="What a point of accuracy is worth: end when 200 more labels cost more than they can bring.",
            rich_help_panel=_LIMITS,
        ),
    ] = 0.0,
    label_usd: Annotated[
        float,
        typer.Option(
            min=0,
            show_default=False,
            help="What a label costs beyond what is paid for answers: the time of people. For --point-usd.",
            rich_help_panel=_LIMITS,
        ),
    ] = 0.0,
    max_rounds: Annotated[
        int, typer.Option(min=0, show_default=False, help="Most rounds.", rich_help_panel=_LIMITS)
    ] = 0,
    train_while_asking: Annotated[
        bool,
        typer.Option(
            "--train-while-asking",
            help="Ask each batch while the learner is trained on the one before it; picks are by a model one older.",
        ),
    ] = False,
    gold_every: Annotated[
        int,
        typer.Option(
            min=0,
            show_default=False,
            help="Ask an LLM about gold again after so many answers, and end where it has become worse.",
            rich_help_panel=_GOLD,
        ),
    ] = 0,
    gold_hours: Annotated[
        float,
        typer.Option(
            min=0,
            show_default=False,
            metavar="HOURS",
            help="The same where its newest answers about gold, of any run, are older than that.",
            rich_help_panel=_GOLD,
        ),
    ] = 0.0,
    gold_items: Annotated[
        int, typer.Option(min=0, show_default=False, help="Gold items a time. (default: 100)", rich_help_panel=_GOLD)
    ] = 0,
    gold_alert_only: Annotated[
        bool, typer.Option("--gold-alert-only", help="Go on with an alarm instead.", rich_help_panel=_GOLD)
    ] = False,
    items: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            exists=True,
            dir_okay=False,
            help="Ask about these items only: a file with an id a line, 10,000 at most.",
            rich_help_panel=_SCOPE,
        ),
    ] = None,
    below_confidence: Annotated[
        float,
        typer.Option(
            min=0,
            max=1,
            show_default=False,
            help="Ask only about what the learner is less sure of than this when the run begins.",
            rich_help_panel=_SCOPE,
        ),
    ] = 0.0,
    criticised: Annotated[
        bool,
        typer.Option(
            "--criticised",
            help="Have an LLM write texts anew that people criticised, by what they said.",
            rich_help_panel=_SCOPE,
        ),
    ] = False,
    quote: Annotated[bool, typer.Option("--quote", help="Estimate the cost and start nothing.")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Stay and show the rounds until the run ends.")] = False,
    output: OutputOption = Output.TABLE,
    *,
    reading: Reading,
) -> None:
    """Start a run: select, annotate, train and evaluate on the server, round after round.

    A run that ends because its budget is used up has done its work: the exit code is 0.
    """
    columns = chosen_columns(text=text, id_column=id_column, label=label, labeled=True)
    annotator = who.spec(prompting)
    if labels_from is not None and who.annotator is not AnnotatorKind.REPLAY:
        raise typer.BadParameter("known labels are what --annotator replay answers", param_hint="--labels-from")
    known = None if labels_from is None else reading.open(labels_from, columns)
    with session(ctx).connect() as client:
        from nextlabel.client import run_spec
        from nextlabel.client.messages.plain import plain

        if known is not None:
            upload_known_labels(client, project, who.label_set, known)
        spec = run_spec(
            annotator,
            strategy=strategy,
            strategy_params=key_values(strategy_param),
            batch_size=batch_size,
            audit_share=audit_share,
            budget_labels=budget_labels,
            budget_tokens=budget_tokens,
            budget_usd=budget_usd,
            target_accuracy=target_accuracy,
            target_macro_f1=target_macro_f1,
            plateau_rounds=plateau_rounds,
            plateau_gain=plateau_gain,
            stable_kappa=stable_kappa,
            point_usd=point_usd,
            label_usd=label_usd,
            train_while_asking=train_while_asking,
            max_rounds=max_rounds,
            seed=seed,
            advice=advice,
            item_ids=_ids(items),
            below_confidence=below_confidence,
            criticised=criticised,
            gold_every=gold_every,
            gold_hours=gold_hours,
            gold_items=gold_items,
            gold_alert_only=gold_alert_only,
        )
        if quote:
            emit_one(plain(client.runs.quote(project, spec)), output)
            return
        run = client.runs.start(project, spec)
        started = run.get()
        for warning in started.warnings:
            say(f"WARNING: {warning}")
        if watch:
            say(f"started run {run.run_id}")
            raise typer.Exit(watch_run(client, project, run.run_id, output))
        _show(plain(started), output)


@app.command(
    epilog="Examples: nextlabel run watch news;  nextlabel run watch news --output jsonl | jq -c .curve_point_added"
)
def watch(
    ctx: typer.Context, project: ProjectArgument, run: RunArgument = None, output: OutputOption = Output.TABLE
) -> None:
    """Show the rounds of a run from its first one, until it ends. Leaving does not stop the run.

    With --output jsonl, every event of the run is a line on stdout as it comes.
    """
    with session(ctx).connect() as client:
        raise typer.Exit(watch_run(client, project, run or _newest(client, project), output))


@app.command(epilog="Example: nextlabel run show news")
def show(
    ctx: typer.Context, project: ProjectArgument, run: RunArgument = None, output: OutputOption = Output.TABLE
) -> None:
    """Show how a run stands."""
    with session(ctx).connect() as client:
        from nextlabel.client.messages.plain import plain

        _show(plain(client.runs.get(project, run or _newest(client, project))), output)


@app.command("list", epilog="Example: nextlabel run list news")
def list_runs(ctx: typer.Context, project: ProjectArgument, output: OutputOption = Output.TABLE) -> None:
    """List the runs of a project, newest first."""
    with session(ctx).connect() as client:
        from nextlabel.client.messages.plain import plain

        emit_many(
            (plain(run) for run in client.runs.list(project)),
            _COLUMNS,
            output,
            none=f"there are no runs yet: nextlabel run start {project} --annotator anthropic --model NAME",
        )


@app.command(epilog="Example: nextlabel run stop news")
def stop(
    ctx: typer.Context, project: ProjectArgument, run: RunArgument = None, output: OutputOption = Output.TABLE
) -> None:
    """Ask a run to stop after the answers that are under way."""
    _turned(ctx, project, run, output, lambda client, run_id: client.runs.stop(project, run_id))


@app.command(epilog="Example: nextlabel run pause news")
def pause(
    ctx: typer.Context, project: ProjectArgument, run: RunArgument = None, output: OutputOption = Output.TABLE
) -> None:
    """Have a run ask nothing more until it is resumed. Answers under way are kept; a restart does not resume it."""
    _turned(ctx, project, run, output, lambda client, run_id: client.runs.pause(project, run_id))


@app.command(epilog="Example: nextlabel run resume news")
def resume(
    ctx: typer.Context, project: ProjectArgument, run: RunArgument = None, output: OutputOption = Output.TABLE
) -> None:
    """Have a paused run go on where it was."""
    _turned(ctx, project, run, output, lambda client, run_id: client.runs.resume(project, run_id))


@app.command(epilog="Example: nextlabel run forget-advice news anthropic:claude-haiku-4-5")
def forget_advice(
    ctx: typer.Context,
    project: ProjectArgument,
    annotator: Annotated[str, typer.Argument(help="Who advised, by its name in `nextlabel models`.")],
) -> None:
    """Forget what an annotator has advised: a later run may ask it anew, as after a change of the guidelines."""
    with session(ctx).connect() as client:
        items = client.learner.forget_advice(project, annotator)
    say(f"forgot what {annotator} has advised on {items:,} items; nextlabel train {project} makes a model without it")


def _turned(
    ctx: typer.Context, project: str, run: str | None, output: Output, turn: "Callable[[Client, str], Run]"
) -> None:
    with session(ctx).connect() as client:
        from nextlabel.client.messages.plain import plain

        _show(plain(turn(client, run or _newest(client, project))), output)


def _ids(path: Path | None) -> list[str]:
    """The ids that stand in a file, one a line; empty lines are passed over."""
    if path is None:
        return []
    ids = [line for line in path.read_text(encoding="utf-8-sig").splitlines() if line]
    if not ids:
        raise typer.BadParameter(f"{path} holds no id; write one a line", param_hint="--items")
    return ids


def _newest(client: "Client", project: str) -> str:
    newest = next(client.runs.list(project), None)
    if newest is None:
        raise ValueError(f"project {project!r} has no runs; start one with `nextlabel run start`")
    return newest.run_id


def _show(run: dict[str, Any], output: Output) -> None:
    emit_one(run, output, shown={name.lower(): column(run) for name, column in _COLUMNS.items()})
