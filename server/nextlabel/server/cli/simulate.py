"""``nextlabel simulate``: which strategy is worth it on your data."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nextlabel.server.cli.errors import reported
from nextlabel.server.cli.output import ReportForm

if TYPE_CHECKING:
    from nextlabel.server.ports.cluster import Cluster


class SimulationExecutor(StrEnum):
    """Where cells run."""

    PROCESSES = "processes"
    RAY = "ray"


@reported
def simulate(
    train: Annotated[Path, typer.Argument(help="Labeled pool: JSON Lines, CSV, TSV or Parquet, plain or gzip.")],
    test: Annotated[Path, typer.Option(help="Labeled texts to test on, in such a file.")],
    strategies: Annotated[
        str, typer.Option(help="Names of strategies, with commas between; random always runs beside them.")
    ] = "random,margin,default",
    seeds: Annotated[int, typer.Option(help="Repetitions of each strategy; fewer than 10 give no verdict.")] = 10,
    batch_size: Annotated[int, typer.Option(help="Labels a round.")] = 20,
    budget_labels: Annotated[int, typer.Option(help="Labels in all.")] = 500,
    seed_labels: Annotated[int, typer.Option(help="Labels drawn at random before the first round.")] = 0,
    noise: Annotated[float, typer.Option(help="Probability that a label is wrong, in [0, 1).")] = 0.0,
    pool_share: Annotated[
        float, typer.Option(help="Share of TRAIN that each seed draws as its pool, in (0, 1].")
    ] = 0.8,
    learner: Annotated[
        str, typer.Option(help="What is trained: default, logistic_regression, sgd, lda or nearest_neighbors.")
    ] = "default",
    embeddings: Annotated[Path | None, typer.Option(help="Embeddings of TRAIN: a .npy matrix, a row a text.")] = None,
    test_embeddings: Annotated[Path | None, typer.Option(help="Embeddings of TEST from the same model.")] = None,
    embedder: Annotated[
        str, typer.Option(help="sentence-transformers model, where embeddings are not given.")
    ] = "all-MiniLM-L6-v2",
    cache: Annotated[
        Path | None, typer.Option(help="Where computed embeddings are kept.", show_default="in the user's cache")
    ] = None,
    text: Annotated[str, typer.Option(help="Column of the text.")] = "text",
    label: Annotated[str, typer.Option(help="Column of the class.")] = "label",
    item_id: Annotated[str, typer.Option("--id", help="Column of the id, if there is one.")] = "id",
    workers: Annotated[int | None, typer.Option(min=1, help="Processes.", show_default="one a CPU")] = None,
    executor: Annotated[SimulationExecutor, typer.Option(help="Processes of this machine, or of a Ray cluster.")] = (
        SimulationExecutor.PROCESSES
    ),
    ray_address: Annotated[
        str, typer.Option(help="Cluster to join: HOST:PORT, ray://HOST:PORT or auto.", show_default="one is started")
    ] = "",
    out: Annotated[
        Path | None, typer.Option(help="Folder for all points (CSV, Parquet), plots and finished cells.")
    ] = None,
    resume: Annotated[bool, typer.Option(help="Go on with the finished cells in --out.")] = True,
    output: Annotated[ReportForm, typer.Option(help="What to print.")] = ReportForm.TABLE,
) -> None:
    """Compare strategies on fully labeled data: what labels bought, against random, with error bars.

    Example: nextlabel simulate train.jsonl.gz --test test.jsonl.gz --strategies margin,default --out results

    Exit codes: 0 done; 1 it failed on the way (finished cells are kept in --out); 2 an argument or file is wrong.
    """
    from rich.console import Console

    from nextlabel.client.items import Columns
    from nextlabel.server.learners.embedding.embedder import Embedder
    from nextlabel.server.learners.specification import parse_learner_spec
    from nextlabel.server.simulation.data.embeddings import default_cache
    from nextlabel.server.simulation.data.source import Source, load
    from nextlabel.server.simulation.reporting import terminal
    from nextlabel.server.simulation.reporting.files import write_files
    from nextlabel.server.simulation.reporting.report import document
    from nextlabel.server.simulation.settings import Protocol, check_seeds, check_strategies
    from nextlabel.server.simulation.simulation import simulate as run

    names = check_strategies([name.strip() for name in strategies.split(",") if name.strip()])
    protocol = Protocol(batch_size, budget_labels, seed_labels, noise, parse_learner_spec(learner, {}), pool_share)
    seed_range = check_seeds(seeds)
    columns = Columns(text, item_id, label, required=frozenset({"text", "label"}))
    source = Source(train, test, columns, embeddings, test_embeddings, cache or default_cache())

    console = Console(stderr=True)
    warn = partial(console.print, highlight=False, markup=False)
    progress = partial(terminal.progress_bar, console)
    dataset = load(source, Embedder(embedder), progress, warn)
    with progress("cells", len(names) * seeds) as advance, _cluster(executor, ray_address, workers) as cluster:
        result = run(
            dataset,
            protocol,
            names,
            seed_range,
            workers=workers or len(os.sched_getaffinity(0)),
            cluster=cluster,
            out=out,
            resume=resume,
            on_progress=advance,
        )
    found = document(result, dataset, protocol)
    if out is not None:
        write_files(result, found, out)
    if output is ReportForm.JSON:
        sys.stdout.write(json.dumps(found) + "\n")
    else:
        terminal.print_result(Console(), result, dataset, protocol)


@contextmanager
def _cluster(executor: SimulationExecutor, address: str, workers: int | None) -> Iterator[Cluster | None]:
    """Join a Ray cluster, or start one, for the time of the block."""
    if executor is SimulationExecutor.PROCESSES:
        yield None
        return
    from nextlabel.server.api.boundary.logs import configure_logs
    from nextlabel.server.wiring.ray import joined_cluster

    configure_logs("warning", "auto")
    with joined_cluster(address, workers) as cluster:
        yield cluster
