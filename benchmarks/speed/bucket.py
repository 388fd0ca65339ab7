"""A pool in a bucket against one on this disk, in turns within one run; one JSON line each.

    python -m benchmarks.speed.bucket --rows 100000
    python -m benchmarks.speed.bucket --rows 100000 --latency-ms 20

The bucket is one of moto, a Python program that keeps objects in memory, in a process of its own on this machine. It
shows that everything works, what it costs in requests, and with a latency added to every request what a network makes
of them. With a cache the fastest of three scans reads this disk only. It says nothing about the throughput of a real
store: ``bare_put_mb_per_s`` is what moto itself takes in objects of 8 MB from one client, a ceiling that has nothing to
do with the pool.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from benchmarks.speed.store import COMMIT_ROWS, pool_rates
from nextlabel.server.store.lance_pool.file_cache import FileCache
from nextlabel.server.store.lance_pool.pool_store import LancePoolStore
from tests.store.lance_pool.s3_servers import BUCKET, aws_environment, s3_client, s3_server

_OBJECT = bytes(8 << 20)
_SHOWN = ("append_rows_per_s", "scan_rows_per_s", "scan_rows_per_s_compacted")


@dataclass(frozen=True, slots=True)
class Bucket:
    """A served bucket, whose process counts requests."""

    endpoint: str
    pipe: Any

    def requests(self) -> Counter[str]:
        """Requests by method since the last time."""
        self.pipe.send("count")
        counted: Counter[str] = self.pipe.recv()
        return counted


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--latency-ms", type=float, default=0.0, help="wait before every request is answered")
    options = parser.parse_args()
    with served(options.latency_ms / 1e3) as bucket, tempfile.TemporaryDirectory() as folder:
        os.environ.update(aws_environment(bucket.endpoint))
        ceiling = bare_put_mb_per_s(bucket.endpoint)
        ratios: dict[str, list[float]] = {name: [] for name in _SHOWN}
        cached_ratios: dict[str, list[float]] = {name: [] for name in _SHOWN}
        for number in range(options.rounds):
            disk = pool_rates(LancePoolStore(f"{folder}/{number}"), options.rows)
            bucket.requests()
            remote = pool_rates(LancePoolStore(f"s3://{BUCKET}/{number}"), options.rows)
            requests = bucket.requests()
            cache = FileCache(Path(folder, f"cache {number}"), 10_000_000_000)
            cached = pool_rates(LancePoolStore(f"s3://{BUCKET}/cached-{number}", cache=cache), options.rows)
            print(json.dumps({"disk": disk, "bucket": remote, "requests": requests, "cached": cached}), flush=True)
            for name in _SHOWN:
                ratios[name].append(remote[name] / disk[name])
                cached_ratios[name].append(cached[name] / disk[name])
    print(
        json.dumps(
            {
                "of_the_disk": {name: round(statistics.median(found), 2) for name, found in ratios.items()},
                "with_a_cache": {name: round(statistics.median(found), 2) for name, found in cached_ratios.items()},
                "bare_put_mb_per_s": round(ceiling),
                "rows_a_commit": COMMIT_ROWS,
                "latency_ms": options.latency_ms,
            }
        )
    )


@contextmanager
def served(latency_s: float) -> Iterator[Bucket]:
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(latency_s, theirs), daemon=True)
    process.start()
    try:
        yield Bucket(ours.recv(), ours)
    finally:
        ours.send("stop")
        process.join()


def _serve(latency_s: float, pipe: Connection[Any, Any]) -> None:
    counted: Counter[str] = Counter()

    def slow(environ: Any) -> None:
        counted[environ["REQUEST_METHOD"]] += 1
        time.sleep(latency_s)

    with s3_server(slow) as endpoint:
        pipe.send(endpoint)
        while pipe.recv() == "count":
            pipe.send(Counter(counted))
            counted.clear()


def bare_put_mb_per_s(endpoint: str) -> float:
    client = s3_client(endpoint)
    took = []
    for number in range(5):
        begun = time.perf_counter()
        client.put_object(Bucket=BUCKET, Key=f"bare/{number}", Body=_OBJECT)
        took.append(time.perf_counter() - begun)
    return len(_OBJECT) / 1e6 / statistics.median(took)


if __name__ == "__main__":
    main()
