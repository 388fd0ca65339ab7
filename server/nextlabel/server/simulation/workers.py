"""Cells in parallel, each on one thread of its own process."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Generator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from nextlabel.server.learners.threads import TRAINING_THREADS
from nextlabel.server.simulation.cell import Cell, run_cell
from nextlabel.server.simulation.data.dataset import Dataset
from nextlabel.server.simulation.record import CellKey
from nextlabel.server.simulation.settings import Protocol
from nextlabel.server.values.errors import FailedPrecondition


def run_cells(dataset: Dataset, protocol: Protocol, cells: Sequence[CellKey], workers: int) -> Generator[Cell]:
    """Yield the cells as they get finished; one worker means this process.

    Closing the iterator, or an error in a cell, ends the worker processes with what they have under way.

    Raises:
        FailedPrecondition: a worker process was killed.
    """
    if min(workers, len(cells)) <= 1:
        for strategy, seed in cells:
            yield run_on_one_thread(dataset, protocol, strategy, seed)
        return
    with TemporaryDirectory(prefix="nextlabel-simulation-") as folder:
        dataset.save(Path(folder))
        yield from _run_in_processes(Path(folder), protocol, cells, min(workers, len(cells)))


def _run_in_processes(folder: Path, protocol: Protocol, cells: Sequence[CellKey], workers: int) -> Generator[Cell]:
    others = set(multiprocessing.active_children())
    # Forked children would inherit the locks of BLAS threads that they do not have.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_leave_interrupts_to_the_parent) as executor:
        futures = [executor.submit(_run_in_worker, folder, protocol, *cell) for cell in cells]
        try:
            for future in as_completed(futures):
                yield future.result()
        except BrokenProcessPool as error:
            raise FailedPrecondition(
                "a worker process was killed, perhaps for want of memory; use fewer workers. Finished cells are kept "
                "if there is a folder for them",
                reason="WORKER_KILLED",
            ) from error
        except BaseException:
            executor.shutdown(wait=False, cancel_futures=True)
            for process in set(multiprocessing.active_children()) - others:
                process.terminate()
            raise


def _leave_interrupts_to_the_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _run_in_worker(folder: Path, protocol: Protocol, strategy: str, seed: int) -> Cell:
    return run_on_one_thread(_load(folder), protocol, strategy, seed)


_load = cache(Dataset.load)


def run_on_one_thread(dataset: Dataset, protocol: Protocol, strategy: str, seed: int) -> Cell:
    """Run a cell while no numerical library of this process uses more than a thread."""
    from threadpoolctl import threadpool_limits

    # The outermost training sets the limit of all; inside it, one thread a process is the last word.
    with TRAINING_THREADS.bounded(), threadpool_limits(limits=1):
        return run_cell(dataset, protocol, strategy, seed)
