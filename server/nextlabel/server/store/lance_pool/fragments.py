"""Embeddings as other processes open them: by address and version."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

import lance
import pyarrow as pa

from nextlabel.server.ports.fragments import Fragments
from nextlabel.server.ports.pool_store import EmbeddingBlock, Float16Matrix
from nextlabel.server.store.lance_pool.s3 import SCHEME, S3Pool
from nextlabel.server.store.lance_pool.store_errors import store_errors
from nextlabel.server.store.lance_pool.table import Snapshot, scan

_BLOCK_ROWS = 16_384


@dataclass(frozen=True, slots=True)
class LanceEmbeddings:
    """The dataset at ``uri`` in this version; credentials of a bucket are those of whoever opens it."""

    uri: str
    version: int

    def scan(self, start: int, stop: int) -> Iterator[EmbeddingBlock]:
        """See StoredEmbeddings.scan."""
        with store_errors():
            dataset = _opened(self.uri, self.version)
        for batch in scan(dataset, ("row", "vector"), _BLOCK_ROWS, start, stop - start):
            yield EmbeddingBlock(batch.column("row").to_numpy(), matrix_of(batch.column("vector")))


def fragments_of(uri: str, snapshot: Snapshot) -> Fragments:
    """Return where the rows of a version lie."""
    sizes = [fragment.count_rows() for fragment in snapshot.dataset.get_fragments()]
    return Fragments(LanceEmbeddings(uri, snapshot.version), sizes, snapshot.runs.rows_at)


def matrix_of(vectors: pa.FixedSizeListArray) -> Float16Matrix:
    """Return a view of the vectors, without a copy."""
    values = vectors.flatten().to_numpy(zero_copy_only=True)
    matrix: Float16Matrix = values.reshape(len(vectors), vectors.type.list_size)
    return matrix


@lru_cache(maxsize=8)
def _opened(uri: str, version: int) -> Any:
    options = S3Pool.of(uri).lance_options() if urlsplit(uri).scheme == SCHEME else None
    return lance.dataset(uri, version=version, storage_options=options)
