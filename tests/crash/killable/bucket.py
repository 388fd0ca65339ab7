"""A bucket whose S3 server can be killed and started again, and has then what it had acknowledged.

moto keeps objects in memory, so it lives in a process of its own, as a disk would. What listens for S3, and is killed,
stands before it: a kill cuts off requests and answers anywhere, and what moto has got whole it may still carry out.
"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any
from unittest.mock import patch

from tests.crash.killable.servers import START_S, free_address
from tests.store.lance_pool.s3_servers import BUCKET, aws_environment, s3_server

_PROCESSES = multiprocessing.get_context("spawn")


@dataclass(slots=True)
class KillableBucket:
    """The door to a bucket: open after ``start``, gone after ``kill``."""

    address: str
    _behind: str
    _door: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        """Where a pool may be."""
        return f"s3://{BUCKET}/kills"

    async def start(self) -> None:
        """Return when it listens."""
        self._door = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.crash.killable.door",
            self.address,
            self._behind,
            stdout=asyncio.subprocess.PIPE,
        )
        assert self._door.stdout is not None
        async with asyncio.timeout(START_S):
            assert await self._door.stdout.readline(), "the S3 server did not start"

    async def kill(self) -> None:
        """Return when the process is gone, and with it every connection."""
        assert self._door is not None
        self._door.kill()
        await self._door.wait()


@contextlib.asynccontextmanager
async def killable_bucket() -> AsyncIterator[KillableBucket]:
    """A bucket with its door open; who is started within finds it as AWS's tools do."""
    with _objects() as behind:
        bucket = KillableBucket(free_address(), behind.removeprefix("http://"))
        await bucket.start()
        try:
            with patch.dict(os.environ, aws_environment(f"http://{bucket.address}")):
                yield bucket
        finally:
            await bucket.kill()


@contextlib.contextmanager
def _objects() -> Iterator[str]:
    """Run moto in a process of its own; the value is its endpoint."""
    ours, theirs = _PROCESSES.Pipe()
    process = _PROCESSES.Process(target=_keep, args=(theirs,), daemon=True)
    process.start()
    try:
        assert ours.poll(START_S), "moto did not start"
        yield ours.recv()
    finally:
        process.kill()
        process.join()


def _keep(pipe: Connection[Any, Any]) -> None:
    with s3_server() as endpoint:
        pipe.send(endpoint)
        with contextlib.suppress(EOFError):
            pipe.recv()
