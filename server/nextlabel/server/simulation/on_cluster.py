"""Cells on a cluster, each on one thread of a process there."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass

from nextlabel.server.ports.cluster import Cluster
from nextlabel.server.simulation.cell import Cell
from nextlabel.server.simulation.data.dataset import Dataset
from nextlabel.server.simulation.record import CellKey
from nextlabel.server.simulation.settings import Protocol
from nextlabel.server.simulation.workers import run_on_one_thread
from nextlabel.server.values.errors import FailedPrecondition, Unavailable


@dataclass(frozen=True, slots=True)
class RunCell:
    """A simulation as it travels: once to each process, with its data."""

    dataset: Dataset
    protocol: Protocol

    def __call__(self, key: CellKey) -> Cell:
        """Run one cell."""
        return run_on_one_thread(self.dataset, self.protocol, *key)


def run_cells_on(cluster: Cluster, dataset: Dataset, protocol: Protocol, cells: Sequence[CellKey]) -> Generator[Cell]:
    """Yield the cells in their order.

    Raises:
        FailedPrecondition: the cluster is gone.
    """
    try:
        yield from cluster.map(RunCell(dataset, protocol), cells)
    except Unavailable as error:
        raise FailedPrecondition(
            "the Ray cluster is gone; finished cells are kept if there is a folder for them (--out)",
            reason=error.reason,
        ) from error
