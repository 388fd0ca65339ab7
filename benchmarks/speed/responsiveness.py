"""Latency of GetProject while a pool is being scored and a model trained; one JSON line.

    python -m benchmarks.speed.responsiveness --rows 1000000

Fills a pool over gRPC, then asks for batches (each a pass over the whole pool) and trains without pause, while another
client calls GetProject a hundred times a second. Milliseconds, from the caller's side; ``idle`` is before the load.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import pyarrow as pa

from nextlabel.client import Client, connect
from nextlabel.server.operations.own_server import own_server

CHUNK = 50_000
CLASSES = [f"class {i}" for i in range(20)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--dimension", type=int, default=384)
    parser.add_argument("--labels", type=int, default=1_000)
    parser.add_argument("--seconds", type=float, default=30.0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, own_server(Path(folder)) as server:
        with connect(server.address, timeout_s=600) as client:
            fill(client, arguments)
            idle = latencies(server.address, 3.0)
            load = Load(server.address)
            load.start()
            busy = latencies(server.address, arguments.seconds)
            load.stop()
        print(
            json.dumps(
                {
                    "rows": arguments.rows,
                    "idle_ms": quantiles(idle),
                    "busy_ms": quantiles(busy),
                    "selections": load.selections,
                    "trainings": load.trainings,
                }
            )
        )


def fill(client: Client, arguments: argparse.Namespace) -> None:
    rng = np.random.default_rng(0)
    centers = rng.standard_normal((len(CLASSES), arguments.dimension))
    client.projects.create("bench", labels=CLASSES, embeddings_given=True, dimension=arguments.dimension)
    for first in range(0, arguments.rows, CHUNK):
        which = np.arange(first, min(first + CHUNK, arguments.rows))
        matrix = centers[which % len(CLASSES)] + 1.5 * rng.standard_normal((len(which), arguments.dimension))
        matrix /= np.linalg.norm(matrix, axis=1, keepdims=True)
        table = pa.table({"id": [f"i{i}" for i in which], "text": [f"text {i}" for i in which]})
        client.pool.add("bench", table, embeddings=matrix.astype(np.float16))
    answers = {f"i{i}": CLASSES[i % len(CLASSES)] for i in range(arguments.labels)}
    client.labeling.submit("bench", answers, annotator="bench")
    client.learner.train("bench")


def latencies(address: str, seconds: float) -> list[float]:
    found = []
    with connect(address, timeout_s=60) as client:
        client.projects.get("bench")
        end = time.perf_counter() + seconds
        while (began := time.perf_counter()) < end:
            client.projects.get("bench")
            took = time.perf_counter() - began
            found.append(took)
            time.sleep(max(0.0, 0.01 - took))
    return found


def quantiles(seconds: list[float]) -> dict[str, float]:
    return {
        "p50": round(float(np.quantile(seconds, 0.5)) * 1e3, 2),
        "p99": round(float(np.quantile(seconds, 0.99)) * 1e3, 2),
        "max": round(max(seconds) * 1e3, 2),
        "calls": len(seconds),
    }


class Load:
    """One thread that selects batches, one that trains."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._select), threading.Thread(target=self._train)]
        self.selections = self.trainings = 0

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _select(self) -> None:
        with connect(self._address, timeout_s=600) as client:
            while not self._stop.is_set():
                client.labeling.select("bench", 20, strategy="margin", seed=self.selections)
                self.selections += 1

    def _train(self) -> None:
        with connect(self._address, timeout_s=600) as client:
            while not self._stop.is_set():
                client.learner.train("bench")
                self.trainings += 1


if __name__ == "__main__":
    main()
