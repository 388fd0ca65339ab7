"""One Lance dataset whose rows are found by their pool row: appends, deletes, snapshots, compaction."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import lance
import numpy as np
import pyarrow as pa
from lance.optimize import Compaction

from nextlabel.server.ports.pool_store import Rows
from nextlabel.server.store.lance_pool.durable_files import DurableDirectory, sync_folder
from nextlabel.server.store.lance_pool.file_sums import FileSums
from nextlabel.server.store.lance_pool.row_runs import RowRuns
from nextlabel.server.store.lance_pool.store_errors import damaged, is_of_object_store, store_errors
from nextlabel.server.store.lance_pool.table_files import DiskFiles, ObjectFiles

T = TypeVar("T")

ROWS_PER_FILE = 65_536
_PREDICATE_RUNS = 1_000
_READ_AHEAD_BYTES = 64 << 20
_COMPACTION: Any = {
    "target_rows_per_fragment": ROWS_PER_FILE,
    "materialize_deletions": True,
    "materialize_deletions_threshold": 0.0,
}


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One version of the dataset, with where its rows lie. It stays readable whatever is written meanwhile."""

    dataset: Any
    runs: RowRuns

    @property
    def version(self) -> int:
        """Lance's number of this version."""
        return int(self.dataset.version)

    def take(self, rows_n: Rows, columns: list[str]) -> pa.Table:
        """Return rows that are known to be there, in the order asked for; O(rows), whatever was deleted."""
        return self.dataset.take(self.runs.positions(rows_n).tolist(), columns=columns)


class LanceTable:
    """Writes of one process go one at a time; readers work on snapshots and wait for nobody.

    ``directory`` is the dataset's folder on a local disk, None when ``uri`` names an object store, whose writes are
    durable by themselves; ``options`` are what Lance must be told of it, and the checksums of its files are taken by
    ``later``. Versions younger than ``keep_versions`` stay readable for other processes; old ones stay while
    ``backing_up`` says that a backup is choosing which to hold.
    """

    def __init__(
        self,
        uri: str,
        directory: Path | None,
        keep_versions: timedelta,
        *,
        options: dict[str, str] | None = None,
        later: Executor | None = None,
        backing_up: Callable[[], bool] = lambda: False,
    ) -> None:
        self._uri = uri
        self._options = options
        self._directory = directory
        self._files = DurableDirectory(directory) if directory else None
        self._sums = FileSums(DiskFiles(directory) if directory else ObjectFiles(uri, options), later)
        self._keep_versions = keep_versions
        self._backing_up = backing_up
        self._writing = threading.Lock()
        self._state = threading.Lock()
        self._reading: Counter[int] = Counter()
        self._snapshot: Snapshot | None = None
        with self._writing, store_errors():
            self._reload()

    @contextmanager
    def reading(self) -> Iterator[Snapshot | None]:
        """Hold the newest version against clean-up; None when nothing was ever written."""
        if not self._opened:
            self.refresh()
        with self._state:
            snapshot = self._snapshot
            version = snapshot.version if snapshot else 0
            self._reading[version] += 1
        try:
            yield snapshot
        finally:
            with self._state:
                self._reading[version] -= 1
                self._reading += Counter()

    @contextmanager
    def scanning(self) -> Iterator[Snapshot | None]:
        """Hold the newest version while it is streamed.

        Raises:
            DataLoss: a file is missing or damaged.
            Unavailable: a file cannot be read.
        """
        with store_errors(), self.reading() as snapshot:
            yield snapshot

    def read(self, work: Callable[[Snapshot | None], T]) -> T:
        """Run a short read; once more on the newest version when another process has cleaned up this one."""
        try:
            with self.reading() as snapshot:
                return work(snapshot)
        except (OSError, pa.ArrowInvalid, OverflowError, UnicodeError):
            self.refresh()
        with store_errors(), self.reading() as snapshot:
            return work(snapshot)

    def append(self, rows_n: Rows, data: pa.Table) -> None:
        """Add rows, durably. Rows that are there already, left by a call that failed half-way, are replaced."""
        with self._writing, store_errors():
            self._catch_up()
            present = self._snapshot
            if present is not None:
                known_n = rows_n[present.runs.positions(rows_n) >= 0]
                if len(known_n):
                    present = self._delete(present, known_n)
                dataset = lance.write_dataset(data, present.dataset, mode="append", max_rows_per_file=ROWS_PER_FILE)
                one_step = int(dataset.version) == present.version + 1
                runs = present.runs.extended(rows_n) if one_step else _read_runs(dataset)
            else:
                dataset = lance.write_dataset(
                    data, self._uri, mode="create", max_rows_per_file=ROWS_PER_FILE, storage_options=self._options
                )
                runs = RowRuns.of(rows_n)
                self._sync_parents()
            earlier = _data_files(present.dataset.get_fragments()) if present else set()
            self._sums.record(_data_files(dataset.get_fragments()) - earlier)
            self._sync()
            self._set(Snapshot(dataset, runs))

    def delete(self, rows_n: Rows) -> int:
        """Remove rows, durably; return how many were there."""
        with self._writing, store_errors():
            self._catch_up()
            if self._snapshot is None:
                return 0
            known_n = rows_n[self._snapshot.runs.positions(rows_n) >= 0]
            if len(known_n):
                snapshot = self._delete(self._snapshot, known_n)
                self._sync()
                self._set(snapshot)
            return len(known_n)

    def refresh(self) -> None:
        """See what other processes have written."""
        with self._writing, store_errors():
            self._catch_up()

    def compact(self) -> None:
        """Merge small files into ones of 65,536 rows, drop deleted rows for good, and old versions nobody reads."""
        with self._writing, store_errors():
            self._catch_up()
            if self._snapshot is None:
                return
            dataset = self._own_copy(self._snapshot)
            self._compact(dataset)
            # What replaces old files must be on disk before they go.
            self._sync()
            if int(dataset.version) != self._snapshot.version:
                self._set(Snapshot(dataset, _read_runs(dataset)))
            with self._state:
                read_elsewhere = any(version != int(dataset.version) for version in self._reading)
            # Asked after the commit: a backup that begins later holds this version, or a newer one.
            if not read_elsewhere and not self._backing_up():
                dataset.cleanup_old_versions(older_than=self._keep_versions, error_if_tagged_old_versions=False)
                self._sums.keep(_data_files(dataset.get_fragments()))

    def settle(self) -> None:
        """Wait for what is done later than the call that it belongs to."""
        self._sums.settle()

    def damaged_files(self) -> list[str]:
        """Read all files of the newest version; return those that are not as they were written."""
        with self.scanning() as snapshot:
            if snapshot is None:
                return []
            return self._sums.differing(_data_files(snapshot.dataset.get_fragments()))

    def _compact(self, dataset: Any) -> None:
        """Merge files that are as they were written: a sum of what is made of damaged ones would hide the damage."""
        before = dataset.get_fragments()
        plan = Compaction.plan(dataset, _COMPACTION)
        merged = {fragment.id for task in plan.tasks for fragment in task.fragments}
        if self._sums.differing(_data_files(f for f in before if f.fragment_id in merged)):
            raise damaged()
        dataset.optimize.compact_files(**_COMPACTION)
        self._sums.record(_data_files(dataset.get_fragments()) - _data_files(before))

    def _catch_up(self) -> None:
        if self._snapshot is None or self._snapshot.dataset.latest_version != self._snapshot.version:
            self._reload()

    def _delete(self, snapshot: Snapshot, rows_n: Rows) -> Snapshot:
        dataset = self._own_copy(snapshot)
        for predicate in _predicates(RowRuns.of(np.unique(rows_n))):
            dataset.delete(predicate)
        return Snapshot(dataset, _read_runs(dataset))

    def _own_copy(self, snapshot: Snapshot) -> Any:
        """Return a handle of the same version: Lance's deletes and compaction change the handle they are called on."""
        return snapshot.dataset.checkout_version(snapshot.version)

    def _reload(self) -> None:
        dataset = open_dataset(self._uri, self._options)
        if dataset is None:
            self._set(None)
            return
        self._sync()
        self._set(Snapshot(dataset, _read_runs(dataset)))

    def _set(self, snapshot: Snapshot | None) -> None:
        with self._state:
            self._snapshot = snapshot
            self._opened = True

    def _sync(self) -> None:
        if self._files:
            self._files.sync()

    def _sync_parents(self) -> None:
        if self._directory:
            sync_folder(self._directory.parent)
            sync_folder(self._directory.parent.parent)


def open_dataset(uri: str, options: dict[str, str] | None, version: int | None = None) -> Any | None:
    """Open a table, at its newest version by default; None when it, or the version, is not there.

    Raises:
        DataLoss: it is damaged.
    """
    try:
        return lance.dataset(uri, version=version, storage_options=options)
    except ValueError as error:  # Lance's word for a dataset that does not exist, and for one that is damaged
        if is_of_object_store(error):
            raise
        if "was not found" not in str(error):
            raise damaged() from error
        return None


def _data_files(fragments: Iterable[Any]) -> set[str]:
    return {file.path for fragment in fragments for file in fragment.data_files()}


def rows_of(dataset: Any) -> Rows:
    """Return the rows of a version in the order in which they are stored."""
    rows_n: Rows = dataset.to_table(columns=["row"]).column("row").to_numpy()
    return rows_n


def _read_runs(dataset: Any) -> RowRuns:
    return RowRuns.of(rows_of(dataset))


def _predicates(runs: RowRuns) -> Iterator[str]:
    """Yield SQL conditions that together hold exactly for the rows of ``runs``, each of bounded length."""
    for at in range(0, len(runs.first_R), _PREDICATE_RUNS):
        firsts = runs.first_R[at : at + _PREDICATE_RUNS].tolist()
        counts = runs.count_R[at : at + _PREDICATE_RUNS].tolist()
        singles = [str(first) for first, count in zip(firsts, counts, strict=True) if count == 1]
        terms = [f"(row >= {f} AND row < {f + c})" for f, c in zip(firsts, counts, strict=True) if c > 1]
        if singles:
            terms.append(f"row IN ({', '.join(singles)})")
        yield " OR ".join(terms)


def scan(
    dataset: Any,
    columns: Sequence[str],
    batch_rows: int,
    offset: int = 0,
    limit: int | None = None,
    *,
    fragments: list[Any] | None = None,
) -> Iterator[pa.RecordBatch]:
    """Stream columns in the dataset's order with little read ahead: memory stays flat in the number of rows."""
    scanner = dataset.scanner(
        columns=list(columns),
        batch_size=batch_rows,
        batch_readahead=2,
        fragment_readahead=1,
        io_buffer_size=_READ_AHEAD_BYTES,
        scan_in_order=True,
        offset=offset or None,
        limit=limit,
        fragments=fragments,
    )
    with store_errors():
        yield from scanner.to_batches()
