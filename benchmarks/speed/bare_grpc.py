"""What gRPC for Python itself reaches on this machine: empty calls a second between two processes.

    python -m benchmarks.speed.bare_grpc --callers 64 --seconds 5

A `grpc.aio` server without any of nextlabel answers with the bytes that it got. It is the yardstick for everything that
is measured in calls a second: a cycle of two calls cannot be faster than two of these.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import time
from multiprocessing.connection import Connection

import grpc
import psutil
import uvloop

METHOD = "/bare.Echo/Call"


class _Echo(grpc.GenericRpcHandler):
    """Answers every method with its request."""

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[bytes, bytes]:
        return grpc.unary_unary_rpc_method_handler(self._echo)

    async def _echo(self, request: bytes, context: object) -> bytes:
        return request


async def _serve(ready: Connection) -> None:
    server = grpc.aio.server(handlers=[_Echo()])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    ready.send(port)
    await server.wait_for_termination()


def _run_server(ready: Connection) -> None:
    uvloop.run(_serve(ready))


async def _call(port: int, callers: int, seconds: float, channels: int) -> float:
    calls = 0
    until = time.monotonic() + seconds

    async def caller(method: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]) -> None:
        nonlocal calls
        while time.monotonic() < until:
            await method(b"x" * 100)
            calls += 1

    options = [("grpc.use_local_subchannel_pool", 1)]
    opened = [grpc.aio.insecure_channel(f"127.0.0.1:{port}", options) for _ in range(channels)]
    methods: list[grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]] = [channel.unary_unary(METHOD) for channel in opened]
    await asyncio.gather(*(caller(methods[i % channels]) for i in range(callers)))
    for channel in opened:
        await channel.close()
    return calls / seconds


def calls_a_second(callers: int, seconds: float, channels: int = 4) -> float:
    """Return how many empty calls a second so many concurrent callers make."""
    return measured(callers, seconds, channels)[0]


def measured(callers: int, seconds: float, channels: int = 4) -> tuple[float, float]:
    """Return how many empty calls a second so many concurrent callers make, and ms of the server's CPU for each."""
    ours, theirs = multiprocessing.Pipe()
    server = multiprocessing.get_context("spawn").Process(target=_run_server, args=(theirs,), daemon=True)
    server.start()
    try:
        port = ours.recv()
        process = psutil.Process(server.pid)
        before = process.cpu_times()
        rate = asyncio.run(_call(port, callers, seconds, channels))
        after = process.cpu_times()
        used = after.user + after.system - before.user - before.system
        return rate, used / (rate * seconds) * 1_000
    finally:
        server.terminate()
        server.join()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--callers", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=5.0)
    options = parser.parse_args()
    rate, cpu_ms = measured(options.callers, options.seconds)
    print(f"{rate:.0f} empty calls/s, {cpu_ms:.2f} ms of the server's CPU each")


if __name__ == "__main__":
    main()
