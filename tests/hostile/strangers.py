"""Callers without a token who begin calls and do not go on: raw HTTP/2, which keeps to no limit that it is told of.

    python -m tests.hostile.strangers 127.0.0.1:50051 --seconds 60

floods a server with calls whose body never comes, half-open streams and watchers of health, and prints what became of
them as JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _RST_STREAM, _SETTINGS, _PING, _GOAWAY = 0, 1, 3, 4, 6, 7
_ACK = END_STREAM = 1
_END_HEADERS = 4
# A request of a unary call without fields: not compressed, no bytes.
EMPTY_REQUEST = bytes(5)

GET_PROJECT = "/nextlabel.v1.ProjectService/GetProject"
ADD_ITEMS = "/nextlabel.v1.PoolService/AddItems"
CHECK = "/grpc.health.v1.Health/Check"
WATCH = "/grpc.health.v1.Health/Watch"
REFLECT = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"


@dataclass(slots=True)
class Connection:
    """One HTTP/2 connection. `open` has the streams that the server has not ended, `ended` counts how it ended them."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    open: set[int] = field(default_factory=set)
    ended: Counter[str] = field(default_factory=Counter)
    gone: bool = False
    _next: int = 1

    def begin(self, path: str, *, body: bytes | None = None, token: str = "") -> int:
        """Begin a call without an end and return its stream; without a body the server gets the headers alone."""
        stream, self._next = self._next, self._next + 2
        self.open.add(stream)
        self.writer.write(_frame(_HEADERS, _END_HEADERS, stream, _header_block(path, token)))
        if body is not None:
            self.writer.write(_frame(_DATA, 0, stream, body))
        return stream

    async def listen(self) -> None:
        """Take note of what the server ends, until it closes the connection."""
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await self.reader.readexactly(9)
                length, kind, flags = int.from_bytes(head[:3], "big"), head[3], head[4]
                self._take(kind, flags, int.from_bytes(head[5:], "big"), await self.reader.readexactly(length))
        self.gone = True

    def _take(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if kind == _SETTINGS and not flags & _ACK:
            self.writer.write(_frame(_SETTINGS, _ACK, 0, b""))
        elif kind == _PING and not flags & _ACK:
            self.writer.write(_frame(_PING, _ACK, 0, payload))
        elif kind == _RST_STREAM:
            self._end(stream, "reset")
        elif kind in (_HEADERS, _DATA) and flags & END_STREAM:
            self._end(stream, "answered")

    def _end(self, stream: int, how: str) -> None:
        if stream in self.open:
            self.open.discard(stream)
            self.ended[how] += 1


@contextlib.asynccontextmanager
async def connected(address: str) -> AsyncIterator[Connection]:
    """A raw connection to a server, closed at the end."""
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    connection = Connection(reader, writer)
    writer.write(_PREFACE + _frame(_SETTINGS, 0, 0, b""))
    listening = asyncio.create_task(connection.listen())
    try:
        yield connection
    finally:
        listening.cancel()
        writer.close()
        await asyncio.gather(listening, return_exceptions=True)


@dataclass(frozen=True, slots=True)
class Flood:
    """So many calls held open on each of some connections; what the server ends is begun again at a rate."""

    path: str
    body: bytes | None
    connections: int
    calls: int
    calls_per_s: float

    async def run(self, address: str, seconds: float) -> Counter[str]:
        """Flood for a time and return how many calls the server ended, by the way it did."""
        results = await asyncio.gather(*(self._hold(address, seconds) for _ in range(self.connections)))
        return sum(results, Counter())

    async def _hold(self, address: str, seconds: float) -> Counter[str]:
        ended: Counter[str] = Counter()
        end = asyncio.get_running_loop().time() + seconds
        while asyncio.get_running_loop().time() < end:
            async with connected(address) as connection:
                await self._refill(connection, end)
                ended += connection.ended
                ended["held at the end"] += len(connection.open)
                ended["connections closed by the server"] += connection.gone
        return ended

    async def _refill(self, connection: Connection, end: float) -> None:
        tick = 0.1
        each = max(1, round(self.calls_per_s * tick / self.connections))
        for _ in range(self.calls):
            connection.begin(self.path, body=self.body)
        while not connection.gone and asyncio.get_running_loop().time() < end:
            for _ in range(min(each, self.calls - len(connection.open))):
                connection.begin(self.path, body=self.body)
            await asyncio.sleep(tick)


def floods(calls: int, calls_per_s: float) -> list[Flood]:
    """Every kind of flood at once: `calls` on each of two connections a kind, `calls_per_s` in all."""
    kinds = ((GET_PROJECT, None), (ADD_ITEMS, None), (CHECK, None), (WATCH, EMPTY_REQUEST), (REFLECT, None))
    return [Flood(path, body, 2, calls, calls_per_s / len(kinds)) for path, body in kinds]


async def flood(address: str, seconds: float, calls: int, calls_per_s: float) -> dict[str, Counter[str]]:
    """Run every kind of flood for a time; what became of its calls, by path."""
    kinds = floods(calls, calls_per_s)
    results = await asyncio.gather(*(kind.run(address, seconds) for kind in kinds))
    return {kind.path: result for kind, result in zip(kinds, results, strict=True)}


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


def _header_block(path: str, token: str) -> bytes:
    """Return HPACK without tables and without Huffman: every header a literal that nobody has to remember."""
    headers = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", path),
        (":authority", "localhost"),
        ("te", "trailers"),
        ("content-type", "application/grpc"),
    ]
    if token:
        headers.append(("authorization", f"Bearer {token}"))
    return b"".join(b"\x00" + _text(name) + _text(value) for name, value in headers)


def _text(text: str) -> bytes:
    assert len(text) < 127
    return bytes((len(text),)) + text.encode()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("address")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--calls", type=int, default=1_600)
    parser.add_argument("--calls-per-s", type=float, default=200.0)
    options = parser.parse_args()
    print(json.dumps(asyncio.run(flood(options.address, options.seconds, options.calls, options.calls_per_s))))


if __name__ == "__main__":
    main()
