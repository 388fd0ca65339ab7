"""Texts of every project in a Lance dataset, and embeddings in one for each model that made some."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import numpy as np
import pyarrow as pa
from typing_extensions import override

from nextlabel.server.ports.fragments import Fragments
from nextlabel.server.ports.pool_store import (
    EmbeddingBlock,
    Float16Matrix,
    KeyBlock,
    NewItems,
    PoolStore,
    Rows,
    StoredItem,
)
from nextlabel.server.store.lance_pool.cached_scan import CachedTable
from nextlabel.server.store.lance_pool.durable_files import sync_folder
from nextlabel.server.store.lance_pool.file_cache import FileCache
from nextlabel.server.store.lance_pool.fragments import fragments_of, matrix_of
from nextlabel.server.store.lance_pool.held_backups import HeldBackups
from nextlabel.server.store.lance_pool.s3 import SCHEME, S3Pool
from nextlabel.server.store.lance_pool.store_errors import store_errors
from nextlabel.server.store.lance_pool.table import LanceTable, Snapshot, scan
from nextlabel.server.store.lance_pool.table_files import ObjectFiles
from nextlabel.server.store.lance_pool.table_versions import TableVersions
from nextlabel.server.system.folders import remove_folder
from nextlabel.server.values.errors import InvalidArgument, NotFound, Unavailable
from nextlabel.server.values.ids import EmbeddingsId, ProjectId, project_of, version_of

LONGEST_SCAN = timedelta(hours=1)
"""Scans of any server may read a version for so long after it was replaced: who removes old ones leaves these."""

_ITEM_COLUMNS = ["row", "item_id", "text", "metadata"]
_KEY_COLUMNS = ["row", "item_id", "content_hash"]
_ITEMS = pa.schema(
    [
        pa.field("row", pa.int64(), nullable=False),
        pa.field("item_id", pa.string(), nullable=False),
        pa.field("text", pa.string(), nullable=False),
        pa.field("metadata", pa.string(), nullable=False),
        pa.field("content_hash", pa.uint64(), nullable=False),
    ]
)
_SCAN_ROWS = 8_192
_PROJECT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}")


@dataclass(frozen=True, slots=True)
class _Tables:
    items: LanceTable
    embeddings: LanceTable


class LancePoolStore(PoolStore):
    """Projects are folders under ``root``: a path, ``file://…``, ``s3://…`` or another URL that Lance knows.

    With several server processes on one ``root``, ``keep_versions`` must be longer than their longest scan; with one
    it may be zero. Embeddings of an object store that are scanned are kept in ``cache``.

    Raises:
        InvalidArgument: the URL names no bucket.
        FailedPrecondition: what a bucket needs is not installed.
        Unavailable: the local root cannot be created.
    """

    def __init__(self, root: str, *, keep_versions: timedelta = timedelta(0), cache: FileCache | None = None) -> None:
        self._cache = cache
        self._keep_versions = keep_versions
        self._directory = _local(root)
        self._root = str(self._directory) if self._directory else root.rstrip("/")
        self._bucket = S3Pool.of(root) if urlsplit(root).scheme == SCHEME else None
        self._options = self._bucket.lance_options() if self._bucket else None
        self._later = None if self._directory else ThreadPoolExecutor(1, "pool sums")
        self._items: dict[ProjectId, LanceTable] = {}
        self._embeddings: dict[EmbeddingsId, LanceTable] = {}
        self._lock = threading.Lock()
        if self._directory:
            try:
                self._directory.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise Unavailable(
                    f"the pool directory {self._directory} cannot be created ({error.strerror})",
                    reason="POOL_NOT_WRITABLE",
                ) from error
            sync_folder(self._directory.parent)

    def check_commits(self) -> None:
        """See whether the place keeps writers apart, as disks do; an object store is asked by writing to it.

        Raises:
            FailedPrecondition: the object store would lose what is written.
            Unavailable: the object store cannot be reached, or refuses.
        """
        if self._bucket:
            self._bucket.check()

    @override
    def append_items(self, project: ProjectId, first_row: int, items: NewItems) -> None:
        rows_n = np.arange(first_row, first_row + len(items.item_ids), dtype=np.int64)
        columns = [rows_n, items.item_ids, items.texts, items.metadata, items.content_hashes]
        arrays = [pa.array(column, field.type) for column, field in zip(columns, _ITEMS, strict=True)]
        if len(rows_n):
            self._tables(project).items.append(rows_n, pa.Table.from_arrays(arrays, schema=_ITEMS))

    @override
    def append_embeddings(self, of: EmbeddingsId, rows_n: Rows, embeddings_nD: Float16Matrix) -> None:
        table = self._tables(of).embeddings
        dimension = embeddings_nD.shape[1]
        with table.reading() as snapshot:
            present = _dimension(snapshot) if snapshot else dimension
        if dimension != present:
            raise InvalidArgument.field(
                "embeddings.dimension", f"the project's embeddings have {present} dimensions, got {dimension}"
            )
        if len(rows_n):
            flat = pa.array(np.ascontiguousarray(embeddings_nD, dtype=np.float16).reshape(-1))
            vectors = pa.FixedSizeListArray.from_arrays(flat, dimension)
            rows = pa.array(rows_n, pa.int64())
            fields = [pa.field("row", rows.type, nullable=False), pa.field("vector", vectors.type, nullable=False)]
            table.append(rows_n, pa.Table.from_arrays([rows, vectors], schema=pa.schema(fields)))

    @override
    def recover(self, of: EmbeddingsId, committed_rows: int, embedded: Sequence[tuple[int, int]]) -> int:
        self.refresh(of)
        items = self._tables(of).items
        orphans = items.read(lambda s: s.runs.outside([(0, committed_rows)]) if s else _no_rows())
        return items.delete(orphans) + self.keep_embeddings(of, embedded)

    @override
    def keep_embeddings(self, of: EmbeddingsId, rows: Sequence[tuple[int, int]]) -> int:
        embeddings = self._tables(of).embeddings
        return embeddings.delete(embeddings.read(lambda s: s.runs.outside(rows) if s else _no_rows()))

    @override
    def refresh(self, of: EmbeddingsId) -> None:
        tables = self._tables(of)
        tables.items.refresh()
        tables.embeddings.refresh()

    @override
    def items(self, project: ProjectId, rows: Sequence[int]) -> Sequence[StoredItem]:
        wanted_n = np.asarray(rows, np.int64)

        def taken(snapshot: Snapshot | None) -> list[StoredItem]:
            if snapshot is None:
                return []
            present_n = wanted_n[snapshot.runs.positions(wanted_n) >= 0]
            return list(_stored(snapshot.take(present_n, _ITEM_COLUMNS))) if len(present_n) else []

        table = self._tables(project).items
        found = table.read(taken)
        if len(found) < len(wanted_n):
            # Deleted, or appended by another server.
            table.refresh()
            found = table.read(taken)
        return found

    @override
    def scan_keys(self, project: ProjectId, first_row: int = 0) -> Iterator[KeyBlock]:
        table = self._tables(project).items
        with table.scanning() as snapshot:
            for batch in _in_row_order(snapshot, first_row, 1 << 62, _KEY_COLUMNS):
                yield KeyBlock(
                    batch.column("row").to_numpy(),
                    batch.column("item_id").to_pylist(),
                    batch.column("content_hash").to_numpy(),
                )

    @override
    def scan_items(self, project: ProjectId, first_row: int, stop_row: int) -> Iterator[StoredItem]:
        with self._tables(project).items.scanning() as snapshot:
            for batch in _in_row_order(snapshot, first_row, stop_row, _ITEM_COLUMNS):
                yield from _stored(batch)

    @override
    def scan_embeddings(self, of: EmbeddingsId, block_rows: int = 16_384) -> Iterator[EmbeddingBlock]:
        with self._tables(of).embeddings.scanning() as snapshot:
            if snapshot is not None:
                for batch in self._scanner(of)(snapshot.dataset, ("row", "vector"), block_rows):
                    yield EmbeddingBlock(batch.column("row").to_numpy(), matrix_of(batch.column("vector")))

    def _scanner(self, of: EmbeddingsId) -> Callable[[Any, Sequence[str], int], Iterator[pa.RecordBatch]]:
        if self._cache is None or self._directory:
            return scan
        files = ObjectFiles(self._embeddings_uri(of), self._options)
        return CachedTable(self._cache, _folder(project_of(of)), files).scan

    @override
    def embeddings(self, of: EmbeddingsId, rows: Sequence[int]) -> Float16Matrix:
        wanted_n = np.asarray(rows, np.int64)

        def taken(snapshot: Snapshot | None) -> Float16Matrix:
            if not len(wanted_n):
                return np.empty((0, _dimension(snapshot) if snapshot else 0), np.float16)
            missing_n = wanted_n if snapshot is None else wanted_n[snapshot.runs.positions(wanted_n) < 0]
            if snapshot is None or len(missing_n):
                raise NotFound("embedding", str(missing_n[0]), message=f"row {missing_n[0]} has no embedding yet")
            return matrix_of(snapshot.take(wanted_n, ["vector"]).column("vector").combine_chunks())

        table = self._tables(of).embeddings
        try:
            return table.read(taken)
        except NotFound:
            # Another server may have appended it.
            table.refresh()
            return table.read(taken)

    @contextmanager
    def fragments(self, of: EmbeddingsId) -> Iterator[Fragments | None]:
        """See FragmentedStore.fragments."""
        with self._tables(of).embeddings.reading() as snapshot:
            yield fragments_of(self._embeddings_uri(of), snapshot) if snapshot else None

    @override
    def embedded_rows(self, of: EmbeddingsId) -> int:
        with self._tables(of).embeddings.reading() as snapshot:
            return snapshot.runs.length if snapshot else 0

    @override
    def delete(self, of: EmbeddingsId, rows: Iterable[int]) -> None:
        rows_n = np.fromiter(rows, np.int64)
        tables = self._tables(of)
        tables.items.delete(rows_n)
        tables.embeddings.delete(rows_n)

    @override
    def compact(self, of: EmbeddingsId) -> None:
        tables = self._tables(of)
        tables.items.compact()
        tables.embeddings.compact()

    @override
    def damaged_files(self, of: EmbeddingsId) -> Sequence[str]:
        tables = self._tables(of)
        items = [f"items.lance/data/{name}" for name in tables.items.damaged_files()]
        return items + [f"{embeddings_name(of)}.lance/data/{name}" for name in tables.embeddings.damaged_files()]

    @override
    def drop_embeddings(self, of: EmbeddingsId) -> None:
        with self._lock:
            table = self._embeddings.pop(of, None)
        if table:
            table.settle()
        if self._directory:
            folder = self._directory / _folder(project_of(of))
            remove_folder(folder / f"{embeddings_name(of)}.lance")
            if folder.is_dir():
                sync_folder(folder)
        else:
            with store_errors():
                TableVersions(self._embeddings_uri(of), self._options).drop()

    @override
    def drop(self, project: ProjectId) -> None:
        with self._lock:
            versions = {of for of in self._embeddings if project_of(of) == project}
            open_tables = [self._embeddings.pop(of) for of in versions]
            items = self._items.pop(project, None)
        for table in [*open_tables, *([items] if items else [])]:
            table.settle()
        if self._cache:
            self._cache.forget_all(_folder(project))
        if self._directory:
            remove_folder(self._directory / _folder(project))
            sync_folder(self._directory)
        else:
            names = {"items", "embeddings", *map(embeddings_name, versions)}
            with store_errors():
                for name in sorted(names | self._stored(project)):
                    TableVersions(self._uri(project, name), self._options).drop()

    def _stored(self, project: ProjectId) -> set[str]:
        """Return the names of the tables that a bucket has of a project; other stores are not asked."""
        folders = self._bucket.folders(_folder(project)) if self._bucket else []
        return {folder.removesuffix(".lance") for folder in folders if folder.endswith(".lance")}

    def _tables(self, of: EmbeddingsId) -> _Tables:
        project = project_of(of)
        with self._lock:
            if project not in self._items:
                self._items[project] = self._table(project, "items")
            if of not in self._embeddings:
                self._embeddings[of] = self._table(project, embeddings_name(of))
            return _Tables(self._items[project], self._embeddings[of])

    def _table(self, project: ProjectId, name: str) -> LanceTable:
        directory = self._directory / _folder(project) / f"{name}.lance" if self._directory else None
        uri = self._uri(project, name)
        return LanceTable(
            uri,
            directory,
            self._keep_versions,
            options=self._options,
            later=self._later,
            backing_up=self._backing_up,
        )

    def _backing_up(self) -> bool:
        return bool(self._bucket) and HeldBackups(ObjectFiles(self._root, self._options)).under_way()

    def _embeddings_uri(self, of: EmbeddingsId) -> str:
        return self._uri(project_of(of), embeddings_name(of))

    def _uri(self, project: ProjectId, name: str) -> str:
        return f"{self._root}/{_folder(project)}/{name}.lance"


def _local(root: str) -> Path | None:
    """Return the folder that a root names, None when it is an object store's."""
    if "://" not in root:
        return Path(root).resolve()
    parts = urlsplit(root)
    return Path(unquote(parts.path)) if parts.scheme == "file" else None


def embeddings_name(of: EmbeddingsId) -> str:
    """Return the name of the table that embeddings are in."""
    version = version_of(of)
    return f"embeddings-{version}" if version else "embeddings"


def _folder(project: ProjectId) -> str:
    if not _PROJECT.fullmatch(project):
        raise ValueError(f"a project id must be letters, digits, '-' and '_', got {project!r}")
    return project


def _no_rows() -> Rows:
    return np.empty(0, np.int64)


def _dimension(snapshot: Snapshot) -> int:
    return int(snapshot.dataset.schema.field("vector").type.list_size)


def _stored(batch: pa.Table | pa.RecordBatch) -> Iterator[StoredItem]:
    columns = (batch.column(name).to_pylist() for name in _ITEM_COLUMNS)
    return (StoredItem(*values) for values in zip(*columns, strict=True))


def _in_row_order(
    snapshot: Snapshot | None, first_row: int, stop_row: int, columns: list[str]
) -> Iterator[pa.RecordBatch | pa.Table]:
    if snapshot is None:
        return
    rows_n = snapshot.runs.between(first_row, min(stop_row, 1 << 62))
    if not len(rows_n):
        return
    if snapshot.runs.ascending:
        [start] = snapshot.runs.positions(rows_n[:1])
        yield from scan(snapshot.dataset, columns, _SCAN_ROWS, int(start), len(rows_n))
    else:
        for at in range(0, len(rows_n), _SCAN_ROWS):
            yield snapshot.take(rows_n[at : at + _SCAN_ROWS], columns).combine_chunks()
