"""What an uploaded row costs the server's processor, step by step: what `benchmarks.speed.ingest` is made of.

    python -m benchmarks.speed.ingest_steps --rows 100000

Texts of 300 bytes, 384-dimensional float16 embeddings, messages of 500 rows, commits of 10,000, one step after another
in this process; microseconds of CPU a row, those of Lance's own threads included. Not in it is what gRPC takes to carry
a row: that is the server's CPU in `benchmarks.speed.ingest` without the sum of these.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from unittest import mock

import lance
import numpy as np

from nextlabel.server.api.boundary.sizes import check_sizes
from nextlabel.server.api.messages.pool import decode_batch
from nextlabel.server.domain.pool.ingest_group import Ahead, Message, prepare
from nextlabel.server.domain.pool.pools import KnownPool
from nextlabel.server.store.lance_pool.durable_files import DurableDirectory
from nextlabel.server.store.lance_pool.file_sums import FileSums
from nextlabel.server.store.lance_pool.pool_store import LancePoolStore
from nextlabel.server.values.limits import Limits
from nextlabel.server.values.projects.projects import Project
from nextlabel.v1 import pool_pb2
from nextlabel.v1 import pool_service_pb2 as pb
from tests.store import values

DIMENSION = 384
TEXT_BYTES = 300
MESSAGE_ROWS = 500
MESSAGES = 20
"""In a commit."""
LIMITS = Limits()


class Steps:
    """CPU seconds by step; a step within another one counts in both."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)

    @contextlib.contextmanager
    def step(self, name: str) -> Iterator[None]:
        began = time.process_time()
        try:
            yield
        finally:
            self.seconds[name] += time.process_time() - began

    def within(self, owner: Any, name: str, step: str) -> contextlib.AbstractContextManager[Any]:
        """Count the calls of a function as a step, within the block."""
        function = getattr(owner, name)

        def counted(*args: Any, **options: Any) -> Any:
            with self.step(step):
                return function(*args, **options)

        return mock.patch.object(owner, name, counted)


def messages(rows: int) -> list[bytes]:
    """Return an upload as it travels."""
    rng = np.random.default_rng(0)
    letters = rng.integers(97, 123, (rows, TEXT_BYTES), np.uint8)
    made = []
    for number, first in enumerate(range(0, rows, MESSAGE_ROWS), start=1):
        some = range(first, first + MESSAGE_ROWS)
        matrix = rng.standard_normal((MESSAGE_ROWS, DIMENSION), dtype=np.float32)
        matrix /= np.linalg.norm(matrix, axis=1, keepdims=True)
        batch = pb.ItemBatch(
            sequence=number,
            columns=pb.ItemColumns(
                ids=[f"item-{i:012d}" for i in some], texts=[letters[i].tobytes().decode() for i in some]
            ),
            embeddings=pool_pb2.EmbeddingMatrix(
                dimension=DIMENSION, data_type=pool_pb2.DATA_TYPE_FLOAT16, data=matrix.astype("<f2").tobytes()
            ),
        )
        made.append(pb.AddItemsRequest(batch=batch).SerializeToString())
    return made


def take(
    store: LancePoolStore, project: Project, raw: list[bytes], steps: Steps, loop: asyncio.AbstractEventLoop
) -> None:
    """Do with an upload what the server does with it."""
    pool, ahead = KnownPool(project.id), Ahead(0, done={"upload": 0})
    for first in range(0, len(raw), MESSAGES):
        group: list[Message] = []
        for number, data in enumerate(raw[first : first + MESSAGES], start=first + 1):
            with steps.step("parse and check sizes"):
                request = pb.AddItemsRequest.FromString(data)
                check_sizes(request, LIMITS)
            with steps.step("columns"):
                incoming = decode_batch(request.batch, project, LIMITS).incoming
            group.append(Message(project, "upload", number, incoming, loop.create_future()))
        with steps.step("check, hash, find what is known"):
            prepared = prepare(pool, group, LIMITS, ahead)
        with steps.step("append texts"):
            store.append_items(project.id, prepared.first_row, prepared.items)
        with steps.step("append embeddings"):
            assert prepared.embeddings is not None
            store.append_embeddings(project.id, prepared.embedded_rows, prepared.embeddings)
        with steps.step("index"):
            pool.index.add(prepared.keys_n, prepared.items.content_hashes, prepared.rows_n)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    options = parser.parse_args()
    rows = options.rows - options.rows % (MESSAGE_ROWS * MESSAGES)
    raw, steps = messages(rows), Steps()
    project = replace(values.project("steps"), embedding_dimension=DIMENSION, embedding_model="")
    with (
        tempfile.TemporaryDirectory() as folder,
        contextlib.closing(asyncio.new_event_loop()) as loop,
        steps.within(lance, "write_dataset", "  of both, Lance"),
        steps.within(FileSums, "record", "  of both, checksums"),
        steps.within(DurableDirectory, "sync", "  of both, to the disk"),
    ):
        take(LancePoolStore(folder), project, raw, steps, loop)
    for name, seconds in steps.seconds.items():
        print(f"{name:34s}{seconds / rows * 1e6:6.2f} us")
    whole = sum(seconds for name, seconds in steps.seconds.items() if not name.startswith(" "))
    print(f"{'together':34s}{whole / rows * 1e6:6.2f} us")


if __name__ == "__main__":
    main()
