"""Rows per second that the client streams into a durable pool, with embeddings given; one JSON line.

    python -m benchmarks.speed.ingest --rows 500000

Texts of 300 bytes, 384-dimensional float16 embeddings, a server of its own process on this machine. The upload counts
from the first message to the last receipt, building the messages included. ``rss_mb`` are the server's resident set
before, at the highest and after; ``cpu_s`` the CPU seconds of client and server.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import psutil
import pyarrow as pa

from nextlabel.client import Client, connect
from nextlabel.server.operations.own_server import own_server

CHUNK = 50_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=500_000)
    parser.add_argument("--dimension", type=int, default=384)
    parser.add_argument("--text-bytes", type=int, default=300)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, own_server(Path(folder)) as own, connect(own.address) as client:
        client.projects.create("bench", labels=["a", "b"], embeddings_given=True, dimension=arguments.dimension)
        server = max(psutil.Process().children(recursive=True), key=lambda p: p.memory_info().rss)
        upload(client, server, arguments)


def upload(client: Client, server: psutil.Process, arguments: argparse.Namespace) -> None:
    rng = np.random.default_rng(0)
    matrix = np.empty((arguments.rows, arguments.dimension), np.float16)
    for first in range(0, arguments.rows, CHUNK):
        block = rng.standard_normal(matrix[first : first + CHUNK].shape, dtype=np.float32)
        matrix[first : first + CHUNK] = block / np.linalg.norm(block, axis=1, keepdims=True)
    filler = "x" * (arguments.text_bytes - 12)
    ids = pa.array([f"item-{i:012d}" for i in range(arguments.rows)])
    table = pa.table({"id": ids, "text": pa.array([f"{i:012d}{filler}" for i in range(arguments.rows)])})
    before = server.memory_info().rss
    peak = [before]
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.1):
            peak.append(server.memory_info().rss)

    watcher = threading.Thread(target=watch)
    watcher.start()
    processes = (psutil.Process(), server)
    cpu = [cpu_seconds(process) for process in processes]
    began = time.perf_counter()
    result = client.pool.add("bench", table, embeddings=matrix)
    seconds = time.perf_counter() - began
    assert result.accepted == arguments.rows, result
    done.set()
    watcher.join()
    print(
        json.dumps(
            {
                "rows": arguments.rows,
                "seconds": round(seconds, 2),
                "rows_per_s": round(arguments.rows / seconds),
                "cpu_s": [round(cpu_seconds(p) - before, 2) for p, before in zip(processes, cpu, strict=True)],
                "rss_mb": [round(v / 2**20) for v in (before, max(peak), server.memory_info().rss)],
            }
        )
    )


def cpu_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


if __name__ == "__main__":
    main()
