"""`nextlabel demo`."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nextlabel.server.cli.errors import reported
from nextlabel.server.cli.places import named_folder

if TYPE_CHECKING:
    from nextlabel.client import Client
    from nextlabel.server.demo.arms import ArmResult, Plan

BASELINE = "random"


@reported
def demo(
    strategy: Annotated[str, typer.Option(help="Strategy to hold against the random baseline.")] = "default",
    seeds: Annotated[
        int | None,
        typer.Option(min=1, max=50, show_default="5, with an LLM 1", help="Repetitions to average over."),
    ] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Labels a round.")] = 20,
    budget_labels: Annotated[
        int | None, typer.Option(min=1, show_default="200, with local 100", help="Labels a run may spend.")
    ] = None,
    annotator: Annotated[str, typer.Option(help="Who labels: replay, anthropic or local.")] = "replay",
    model: Annotated[str, typer.Option(help="Model of the anthropic annotator.")] = "claude-haiku-4-5",
    budget_usd: Annotated[float, typer.Option(min=0.0, help="US dollars that each run may spend on an LLM.")] = 0.25,
    data_dir: Annotated[
        Path | None,
        typer.Option(parser=named_folder, metavar="<path>", help="Data directory to keep; a temporary one by default."),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for the plot and the figures.")] = Path("demo-out"),
) -> None:
    """Active learning against the random baseline on bundled real data.

    Starts a server of its own, streams 2,000 real utterances into it, runs both strategies under the same label
    budget and draws their learning curves. Needs no network and no key. Where an LLM labels, it also says how many of
    its labels are right, and runs both strategies with the true labels beside.

    Examples: nextlabel demo --strategy margin --seeds 3;  nextlabel demo --annotator local
    """
    # Before anything is imported, which takes seconds from a cold disk.
    typer.echo("Active learning against labeling at random, on real data")
    from nextlabel.client import connect, replay
    from nextlabel.server.demo import data_set
    from nextlabel.server.demo.annotators import annotator_for
    from nextlabel.server.demo.arms import LABEL_SET, Plan
    from nextlabel.server.operations.own_server import own_server

    with ExitStack() as stack:
        folder = data_dir or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="nextlabel-demo-")))
        labeler = stack.enter_context(annotator_for(annotator, model))
        typer.echo(f"Data: {data_set.SOURCE}")
        typer.echo(f"Labels: {labeler.says}")
        server = stack.enter_context(own_server(folder, labeler.environment))
        client = stack.enter_context(connect(server.address))
        strategies = [strategy] if strategy == BASELINE else [strategy, BASELINE]
        plan = Plan(
            strategies=strategies,
            seeds=range(seeds or labeler.size.seeds),
            batch_size=batch_size,
            budget_labels=budget_labels or labeler.size.labels,
            budget_usd=budget_usd if labeler.costs else 0.0,
            annotator=labeler.spec,
            truth=replay(LABEL_SET) if labeler.is_model else None,
        )
        if labeler.is_model:
            asked = plan.budget_labels * len(plan.strategies) * len(plan.seeds)
            typer.echo(f"It will be asked about {asked} items.")
        results = _run(client, plan)
    _report(results, strategy, out)


def _run(client: Client, plan: Plan) -> list[ArmResult]:
    """Upload and run, with live progress on a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from nextlabel.server.demo import data_set
    from nextlabel.server.demo.arms import arms_of, run_arms, upload

    data = data_set.load()
    arms = arms_of(plan)
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        uploading = progress.add_task("streaming items into the pool", total=len(arms))
        for arm in arms:
            upload(client, arm, data)
            progress.advance(uploading)
        rounds = -(-plan.budget_labels // plan.batch_size)
        running = progress.add_task("rounds", total=rounds * len(arms))
        results = []
        for result in run_arms(client, plan, data, lambda arm, point: progress.advance(running)):
            results.append(result)
            last = result.curve[-1]
            progress.console.print(
                f"{result.arm.name}, seed {result.arm.seed}: {last.accuracy:.3f} with {last.labels} labels "
                f"in {last.seconds:.0f} s{f' ({result.early})' if result.early else ''}"
            )
    return results


def _report(results: list[ArmResult], strategy: str, out: Path) -> None:
    """Print the table, say what it means, and write plot and figures."""
    import json
    from dataclasses import asdict

    from rich.console import Console
    from rich.table import Table

    from nextlabel.server.demo import data_set
    from nextlabel.server.demo.summary import mean_curves, plot_points, teacher_verdict, verdict
    from nextlabel.server.plots.learning_curves import Axis, Measure, learning_curve_spec
    from nextlabel.server.plots.rendering import PlotFormat, render

    curves = mean_curves(results)
    seeds = len({result.arm.seed for result in results})
    repeated = seeds > 1
    shown = f"mean of {seeds} seeds ± standard error" if repeated else "one seed"
    table = Table(title=f"Accuracy on the holdout ({shown})")
    table.add_column("labels", justify="right")
    for name in curves:
        table.add_column(name, justify="right")
    for labels in sorted({p.labels for curve in curves.values() for p in curve}):
        cells = [
            next((f"{p.accuracy:.3f}" + f" ± {p.standard_error:.3f}" * repeated for p in c if p.labels == labels), "")
            for c in curves.values()
        ]
        table.add_row(str(labels), *cells)
    Console().print(table)
    if strategy != BASELINE:
        typer.echo(verdict(curves, strategy, BASELINE))
    if any(result.arm.from_truth for result in results):
        typer.echo(teacher_verdict(results, len(data_set.load().classes)))
    out.mkdir(parents=True, exist_ok=True)
    spec = learning_curve_spec(plot_points(curves), Axis.LABELS, Measure.ACCURACY, f"clinc10, {shown}")
    for plot_format in (PlotFormat.SVG, PlotFormat.PNG):
        (out / f"learning_curve.{plot_format.value}").write_bytes(render(spec, plot_format)[0])
    figures = {name: [asdict(p) for p in curve] for name, curve in curves.items()}
    (out / "learning_curve.json").write_text(json.dumps(figures, indent=1))
    typer.echo(f"Wrote {out / 'learning_curve.svg'}, .png and .json")
