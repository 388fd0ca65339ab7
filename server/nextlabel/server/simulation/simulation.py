"""A whole simulation: strategies × seeds, and their comparison."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from nextlabel.server.ports.cluster import Cluster
from nextlabel.server.simulation.cell import Cell, Point, full_data_point
from nextlabel.server.simulation.comparison import Summary, compare
from nextlabel.server.simulation.curves import Curves
from nextlabel.server.simulation.data.dataset import Dataset
from nextlabel.server.simulation.on_cluster import run_cells_on
from nextlabel.server.simulation.record import CellKey, Record, identity_of
from nextlabel.server.simulation.settings import Protocol
from nextlabel.server.simulation.workers import run_cells


@dataclass(frozen=True, slots=True)
class Result:
    """What a simulation found.

    Attributes:
        full_data: the learner trained on the whole pool.
        cells: seed by seed, within a seed in the order of the strategies.
        summaries: one a strategy, in their order.
    """

    full_data: Point
    cells: tuple[Cell, ...]
    summaries: tuple[Summary, ...]


def simulate(
    dataset: Dataset,
    protocol: Protocol,
    strategies: Sequence[str],
    seeds: Sequence[int],
    *,
    workers: int = 1,
    cluster: Cluster | None = None,
    out: Path | None = None,
    resume: bool = True,
    on_progress: Callable[[int], object] | None = None,
) -> Result:
    """Run all cells and compare the strategies with random. Deterministic but for the seconds of the cells.

    Args:
        strategies: as `check_strategies` returned them: checked, the baseline among them.
        workers: processes of this machine.
        cluster: runs the cells instead of processes of this machine.
        out: folder in which finished cells are kept; cells that are there are not run again.
        resume: False forgets the cells that are there.
        on_progress: called with the number of finished cells whenever it grows.

    Raises:
        InvalidArgument: budget or batch exceed what a seed draws of the pool.
        FailedPrecondition: ``out`` holds cells of another simulation, or the cluster is gone.
    """
    protocol.check_pool(len(dataset))
    record = Record(out, identity_of(dataset, protocol), resume=resume) if out is not None else None
    finished: dict[CellKey, Cell] = dict(record.finished) if record is not None else {}
    wanted = [(strategy, seed) for seed in seeds for strategy in strategies]
    missing = [key for key in wanted if key not in finished]
    progress = on_progress or (lambda _: None)
    progress(len(wanted) - len(missing))
    if cluster is None:
        running = run_cells(dataset, protocol, missing, workers)
    else:
        running = run_cells_on(cluster, dataset, protocol, missing)
    with closing(running) as cells:
        for done, cell in enumerate(cells, start=len(wanted) - len(missing) + 1):
            finished[cell.strategy, cell.seed] = cell
            if record is not None:
                record.add(cell)
            progress(done)
    test_labels_M = dataset.test_labels_M
    curves = {name: Curves.of([finished[name, seed] for seed in seeds], test_labels_M) for name in strategies}
    full_data = _full_data(dataset, protocol, record)
    return Result(full_data, tuple(finished[key] for key in wanted), compare(curves, full_data.accuracy))


def _full_data(dataset: Dataset, protocol: Protocol, record: Record | None) -> Point:
    kept = record.full_data if record is not None else None
    point = kept or full_data_point(dataset, protocol)
    if record is not None and kept is None:
        record.keep_full_data(point)
    return point
