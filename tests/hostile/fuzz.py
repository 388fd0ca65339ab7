"""Sends hostile messages to every RPC of a real server process and counts what it answers."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import psutil
from google.protobuf import descriptor_pool
from google.protobuf.descriptor import MethodDescriptor

from nextlabel.client import NextlabelError, connect_async
from nextlabel.server.api.boundary.services import SERVICES
from tests.crash.killable.servers import Server, free_address, is_alive, launcher
from tests.crash.workloads.history import CLASSES, DIMENSION, embeddings_of, text_of
from tests.hostile.messages import hostile_message, mutated
from tests.hostile.stored import LARGE_ITEMS, item_ids, longest_text, stored_message, zero_message

PROJECT = "target"
HANG_S = 60.0
STREAM_S = 0.3
BETWEEN_S = 0.03
WORKERS = 8
DEFECTS = ("UNKNOWN", "INTERNAL", "DATA_LOSS", "hang")


@dataclass(slots=True)
class Report:
    """What was answered: counts by code, defects with an example each, memory in MiB after every tenth."""

    codes: Counter[str] = field(default_factory=Counter)
    defects: dict[str, str] = field(default_factory=dict)
    memory: list[float] = field(default_factory=list)
    seconds: float = 0.0
    alive: bool = True


@dataclass(slots=True)
class Fuzzer:
    """Makes calls of every kind over one channel."""

    channel: Any  # of bytes: the messages are made by hand
    rng: random.Random
    report: Report
    methods: list[MethodDescriptor] = field(default_factory=lambda: _methods())

    async def call(self) -> None:
        """Make one call and take note of the answer."""
        method = self.rng.choice(self.methods)
        name = f"{method.containing_service.full_name}/{method.name}"
        messages = [self._message(method) for _ in range(self.rng.randint(1, 3) if method.client_streaming else 1)]
        try:
            async with asyncio.timeout(HANG_S):
                code, details = await self._answer(f"/{name}", method, messages)
        except TimeoutError:
            code, details = "hang", f"no answer within {HANG_S:g} s"
        self.report.codes[code] += 1
        if code in DEFECTS:
            self.report.defects.setdefault(f"{code} {name}: {details[:300]}", messages[0][:400].hex())

    def _message(self, method: MethodDescriptor) -> bytes:
        chance = self.rng.random()
        if chance < 0.08:
            return self.rng.randbytes(self.rng.choice((0, 1, 20, 2_000)))
        # What is to be hit must stay.
        project = PROJECT if method.name != "DeleteProject" else "another"
        make = self.rng.choices((hostile_message, stored_message, zero_message), (6, 3, 1))[0]
        data = make(method.input_type, project, self.rng).SerializeToString()
        return mutated(data, self.rng) if chance < 0.35 else data

    async def _answer(self, path: str, method: MethodDescriptor, messages: list[bytes]) -> tuple[str, str]:
        try:
            if not method.client_streaming and not method.server_streaming:
                await self.channel.unary_unary(path)(messages[0])
            else:
                await self._stream(path, method, messages)
        except grpc.aio.AioRpcError as error:
            if error.details() == "Internal error from Core":
                return "answer lost while sending", ""
            return error.code().name, error.details() or ""
        return "OK", ""

    async def _stream(self, path: str, method: MethodDescriptor, messages: list[bytes]) -> None:
        """Send a few messages and read for a moment: some streams never end by themselves."""

        async def sent() -> AsyncIterator[bytes]:
            # grpc.aio loses the answer of a call that ends while it is sent to, so that the rest waits a moment.
            for message in messages:
                yield message
                await asyncio.sleep(BETWEEN_S)

        if not method.server_streaming:
            await self.channel.stream_unary(path)(sent())
            return
        if method.client_streaming:
            call = self.channel.stream_stream(path)(sent())
        else:
            call = self.channel.unary_stream(path)(messages[0])
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(STREAM_S):
                    async for _ in call:
                        pass
        finally:
            call.cancel()


async def fuzz(
    messages: int, seed: int, folder: Path, after_tenth: Callable[[Report], None] = lambda _: None
) -> Report:
    """Send that many messages to a server of its own in a folder of its own; tell how it stands after every tenth."""
    report = Report()
    server = Server(
        "fuzzed",
        {"data_dir": str(folder / "data"), "bind": free_address(), "log": {"level": "error", "format": "json"}},
        folder / "server.log",
    )
    began = time.monotonic()
    async with launcher() as launched:
        await launched.start(server)
        await _send_all(messages, seed, server, report, after_tenth)
        report.alive = is_alive(server.pid)
    report.seconds = time.monotonic() - began
    return report


async def _send_all(
    messages: int, seed: int, server: Server, report: Report, after_tenth: Callable[[Report], None]
) -> None:
    options = [("grpc.max_receive_message_length", -1)]
    async with grpc.aio.insecure_channel(server.address, options=options) as channel:
        for tenth in range(10):
            workers = [Fuzzer(channel, random.Random(f"{seed}/{tenth}/{i}"), report) for i in range(WORKERS)]
            await asyncio.gather(*(_work(worker, messages // (10 * WORKERS), server) for worker in workers))
            report.memory.append(_memory(server))
            after_tenth(report)


async def _work(fuzzer: Fuzzer, calls: int, server: Server) -> None:
    for number in range(calls):
        if number % 500 == 0:
            await _ensure_project(server)
        await fuzzer.call()


async def _ensure_project(server: Server) -> None:
    """Give the messages something to hit: some of them delete it."""
    async with connect_async(server.address) as client:
        with contextlib.suppress(NextlabelError):
            await client.projects.create(PROJECT, labels=CLASSES, embeddings_given=True, dimension=DIMENSION)
            ids = item_ids()
            items = [{"id": i, "text": longest_text(i) if n < LARGE_ITEMS else text_of(i)} for n, i in enumerate(ids)]
            await client.pool.add(PROJECT, items, embeddings=embeddings_of(ids))


def _memory(server: Server) -> float:
    return float(psutil.Process(server.pid).memory_info().rss) / 2**20 if is_alive(server.pid) else 0.0


def _methods() -> list[MethodDescriptor]:
    pool = descriptor_pool.Default()
    return [method for name in SERVICES for method in pool.FindServiceByName(name).methods]
