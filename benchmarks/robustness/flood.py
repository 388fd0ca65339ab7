"""A working client and a health probe beside callers without a token who flood the server.

    python -m benchmarks.robustness.flood --seconds 60

The server is a real one that asks for tokens. The flood holds 1,600 calls on each of ten connections: unary calls and
uploads whose body never comes, health checks without a body, watchers of health, open reflection streams; what the
server ends is begun again, `--calls-per-s` in all. The exit code is 1 when a probe failed or the working client's p99
is above five times its quiet value.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import numpy as np
from grpc_health.v1 import health_pb2, health_pb2_grpc

from nextlabel.client import connect_async
from tests.crash.killable.servers import Server, free_address, launcher

_SECRET = "nlt_flood"
_BETWEEN_CALLS_S = 0.01
_BETWEEN_PROBES_S = 0.5
_PROBE_S = 1.0
_TIMES_QUIET = 5.0


@dataclass(slots=True)
class Seen:
    """Latencies in seconds of a working client's calls, and of probes; what failed, in words."""

    calls: list[float] = field(default_factory=list)
    probes: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def summary(self) -> dict[str, object]:
        """Return quantiles in milliseconds."""
        return {
            "calls": len(self.calls),
            "p50_ms": _ms(self.calls, 0.5),
            "p99_ms": _ms(self.calls, 0.99),
            "probes": len(self.probes),
            "probe_p99_ms": _ms(self.probes, 0.99),
            "failures": self.failures[:5],
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--quiet-seconds", type=float, default=15.0)
    parser.add_argument("--calls", type=int, default=1_600)
    parser.add_argument("--calls-per-s", type=float, default=200.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="nextlabel-flood-") as folder:
        quiet, flooded, strangers = asyncio.run(measured(options, Path(folder)))
    print(json.dumps({"quiet": quiet.summary(), "flooded": flooded.summary(), "strangers": strangers}, indent=1))
    times = float(np.quantile(flooded.calls, 0.99) / np.quantile(quiet.calls, 0.99))
    print(f"p99 {times:.1f} times the quiet one")
    sys.exit(1 if flooded.failures or times > _TIMES_QUIET else 0)


async def measured(options: argparse.Namespace, folder: Path) -> tuple[Seen, Seen, object]:
    """Return what was seen in quiet and under the flood, and what became of the flood's calls."""
    settings = {
        "data_dir": str(folder / "data"),
        "bind": free_address(),
        "auth": {"required": True, "admin_token": _SECRET},
        "log": {"level": "error", "format": "json"},
    }
    server = Server("flooded", settings, folder / "server.log")
    async with launcher() as launched:
        await launched.start(server)
        async with connect_async(server.address, token=_SECRET) as client:
            await client.projects.create("bench", labels=["a", "b"], embeddings_given=True, dimension=4)
        quiet = await watched(server.address, options.quiet_seconds)
        strangers = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.hostile.strangers", server.address),
            *("--seconds", str(options.seconds)),
            *("--calls", str(options.calls), "--calls-per-s", str(options.calls_per_s)),
            stdout=asyncio.subprocess.PIPE,
        )
        flooded = await watched(server.address, options.seconds)
        said, _ = await strangers.communicate()
    return quiet, flooded, json.loads(said)


async def watched(address: str, seconds: float) -> Seen:
    """Work and probe for a time."""
    seen = Seen()
    async with asyncio.TaskGroup() as group:
        group.create_task(_work(address, seconds, seen))
        group.create_task(_probe(address, seconds, seen))
    return seen


async def _work(address: str, seconds: float, seen: Seen) -> None:
    end = time.perf_counter() + seconds
    async with connect_async(address, token=_SECRET, timeout_s=30) as client:
        await client.projects.get("bench")
        while (began := time.perf_counter()) < end:
            try:
                await client.projects.get("bench")
            except Exception as error:  # noqa: BLE001 -- whatever a working client meets is a finding
                seen.failures.append(f"call: {error}")
            seen.calls.append(time.perf_counter() - began)
            await asyncio.sleep(_BETWEEN_CALLS_S)


async def _probe(address: str, seconds: float, seen: Seen) -> None:
    """Ask as Kubernetes does: a new connection each time, and one second for the answer."""
    end = time.perf_counter() + seconds
    while (began := time.perf_counter()) < end:
        async with grpc.aio.insecure_channel(address, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
            try:
                stub: Any = health_pb2_grpc.HealthStub(channel)
                answer = await stub.Check(health_pb2.HealthCheckRequest(), timeout=_PROBE_S)
                if answer.status != health_pb2.HealthCheckResponse.SERVING:
                    seen.failures.append(f"probe: {answer.status}")
            except grpc.aio.AioRpcError as error:
                seen.failures.append(f"probe: {error.code().name} {error.details()}")
        seen.probes.append(time.perf_counter() - began)
        await asyncio.sleep(_BETWEEN_PROBES_S)


def _ms(seconds: list[float], quantile: float) -> float:
    return round(float(np.quantile(seconds, quantile)) * 1e3, 2)


if __name__ == "__main__":
    main()
