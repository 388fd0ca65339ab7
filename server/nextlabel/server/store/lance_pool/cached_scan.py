"""A scan of a table in an object store that reads each file once, and from this machine's disk from then on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow as pa
from lance.file import LanceFileReader

from nextlabel.server.store.lance_pool.file_cache import FileCache
from nextlabel.server.store.lance_pool.table import scan
from nextlabel.server.store.lance_pool.table_files import ObjectFiles

# One download runs ahead of the file that is being read.
_AHEAD = ThreadPoolExecutor(2, "pool cache")


class CachedTable:
    """The data files of one table of an object store, kept in ``cache`` under ``folder``."""

    def __init__(self, cache: FileCache, folder: str, files: ObjectFiles) -> None:
        self._cache = cache
        self._folder = folder
        self._files = files

    def scan(self, dataset: Any, columns: Sequence[str], batch_rows: int) -> Iterator[pa.RecordBatch]:
        """Stream the table as ``scan`` does. What this disk cannot give is read from the object store.

        Fragments with deleted rows are always read from there: their files hold the deleted rows too, until the table
        is compacted.
        """
        fragments = dataset.get_fragments()
        coming: Future[Path] | None = None
        for fragment, following in zip(fragments, [*fragments[1:], None], strict=True):
            fetched, coming = coming or self._fetch(fragment), following and self._fetch(following)
            done = 0
            if fetched is not None:
                for batch in self._read(fragment, fetched, columns, batch_rows):
                    done += len(batch)
                    yield batch
            if done < fragment.count_rows():
                yield from scan(dataset, columns, batch_rows, done, fragments=[fragment])

    def _fetch(self, fragment: Any) -> Future[Path] | None:
        if fragment.num_deletions or len(fragment.data_files()) != 1:
            return None
        return _AHEAD.submit(self._file, _name(fragment))

    def _file(self, name: str) -> Path:
        return self._cache.file(f"{self._folder}/{name}", lambda path: self._files.download(f"data/{name}", path))

    def _read(
        self, fragment: Any, fetched: Future[Path], columns: Sequence[str], batch_rows: int
    ) -> Iterator[pa.RecordBatch]:
        """Stream a file from this disk, and end where it cannot be read on."""
        try:
            reader = LanceFileReader(str(fetched.result()), columns=list(columns))
            yield from reader.read_all(batch_size=batch_rows, batch_readahead=2).to_batches()
        except (OSError, ValueError):
            self._cache.forget(f"{self._folder}/{_name(fragment)}")


def _name(fragment: Any) -> str:
    [file] = fragment.data_files()
    return str(file.path)
