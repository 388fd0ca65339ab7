"""Seconds until the map of a large pool is there, at the first look and after, and what calls beside it wait for.

    python -m benchmarks.speed.pool_map --rows 1000000

Fills a pool over gRPC, labels some of it, then asks for the map and its pictures; one JSON line. ``waits_ms`` are those
of another client, which calls GetProject a hundred times a second during the first look.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.speed.responsiveness import fill, latencies, quantiles
from nextlabel.client import connect
from nextlabel.server.operations.own_server import own_server

LOOKS = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--dimension", type=int, default=384)
    parser.add_argument("--labels", type=int, default=1_000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, own_server(Path(folder)) as server:
        with connect(server.address, timeout_s=600) as client:
            fill(client, arguments)
            project = client.project("bench")
            waits: list[float] = []
            beside = threading.Thread(target=lambda: waits.extend(latencies(server.address, 10.0)))
            beside.start()
            first = seconds(lambda: project.reports.pool_map())
            beside.join()
            found: dict[str, Any] = {"rows": arguments.rows, "first_s": first, "waits_ms": quantiles(waits)}
            for form in ("svg", "png"):
                found[f"{form}_s"] = best(lambda f=form: project.reports.plot_pool_map(form=f))  # type: ignore[misc]
            found["again_s"] = best(lambda: project.reports.pool_map())
            found["most_points_s"] = best(lambda: project.reports.pool_map(points=5_000))
        print(json.dumps(found))


def best(work: Callable[[], Any]) -> float:
    return min(seconds(work) for _ in range(LOOKS))


def seconds(work: Callable[[], Any]) -> float:
    began = time.perf_counter()
    work()
    return round(time.perf_counter() - began, 3)


if __name__ == "__main__":
    main()
