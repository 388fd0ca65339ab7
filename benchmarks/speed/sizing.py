#!/usr/bin/env python
"""What items cost a server, in disk, memory and seconds, at several pool sizes; one JSON line each, then for a million.

    python -m benchmarks.speed.sizing --items 100000 200000 400000

Texts of 300 random letters, 384-dimensional float16 embeddings, ten classes; for each size a server in a process of its
own on this machine. Labels are spread over the classes. Seconds are medians of --repeat calls.

  upload_rows_per_s  from the first message to the last receipt
  pool_bytes, database_bytes   on disk for an item, after the upload
  select_s           SelectBatch of 20 items with the project's default strategy
  train_s            Train on --labels labels, evaluation on a holdout of 500 items included
  rss_mb             the server before the upload, and its highest afterwards
  per_million        least squares over the sizes: bytes of disk, MB of memory, seconds of a selection
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow as pa

from nextlabel.client import Client, connect
from nextlabel.server.operations.own_server import own_server

NAME = "sizing"
CLASSES = 10
HOLDOUT = 500
BATCH = 20
BLOCK = 50_000
TEXT_BYTES = 300
SLOPES = ("disk_mb", "peak_mb", "select_s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, nargs="+", default=[100_000, 200_000, 400_000])
    parser.add_argument("--labels", type=int, default=1_000)
    parser.add_argument("--dimension", type=int, default=384)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="for the pools (default: the temporary folder)")
    arguments = parser.parse_args()
    rows = [measured(items, arguments) for items in arguments.items]
    for row in rows:
        print(json.dumps(row))
    if len(rows) > 1:
        print(json.dumps({"per_million": {name: per_million(rows, name) for name in SLOPES}}))


def per_million(rows: list[dict[str, Any]], name: str) -> float:
    """The slope of a figure over the number of items, for a million of them."""
    slope, _ = np.polyfit([row["items"] / 1e6 for row in rows], [row[name] for row in rows], 1)
    return round(float(slope), 3)


def measured(items: int, arguments: argparse.Namespace) -> dict[str, Any]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=arguments.folder)))
        own = stack.enter_context(own_server(folder))
        client = stack.enter_context(connect(own.address))
        server = max(psutil.Process().children(recursive=True), key=lambda p: p.memory_info().rss)
        before = server.memory_info().rss
        seconds = upload(client, items, arguments.dimension)
        pool, database = bytes_below(folder / "pools"), sum(f.stat().st_size for f in folder.glob("*.db*"))
        label(client, arguments.labels)
        train_s = median_s(lambda n: client.learner.train(NAME, cold_start=True, seed=n + 1), arguments.repeat)
        select_s = median_s(lambda n: client.labeling.select(NAME, BATCH, seed=n), arguments.repeat)
        return {
            "items": items,
            "upload_rows_per_s": round(items / seconds),
            "pool_bytes": round(pool / items),
            "database_bytes": round(database / items, 1),
            "disk_mb": round((pool + database) / 1e6, 1),
            "train_s": train_s,
            "select_s": select_s,
            "rss_mb": [round(before / 1e6), round(server.memory_info().rss / 1e6)],
            "peak_mb": round(highest_bytes(server) / 1e6),
        }


def upload(client: Client, items: int, dimension: int) -> float:
    """Fill a new project, and return the seconds that its pool took."""
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((CLASSES, dimension), dtype=np.float32)
    matrix = np.empty((items + HOLDOUT, dimension), np.float16)
    for first in range(0, len(matrix), BLOCK):
        rows = np.arange(first, min(first + BLOCK, len(matrix)))
        block = centres[rows % CLASSES] + 2 * rng.standard_normal((len(rows), dimension), dtype=np.float32)
        matrix[rows] = block / np.linalg.norm(block, axis=1, keepdims=True)
    names = [f"class {k}" for k in range(CLASSES)]
    client.projects.create(NAME, labels=names, embeddings_given=True, dimension=dimension)
    kept = table(range(items, items + HOLDOUT)).append_column(
        "label", pa.array([names[i % CLASSES] for i in range(items, items + HOLDOUT)])
    )
    client.pool.add(NAME, kept, embeddings=matrix[items:], split="holdout")
    pool = table(range(items))
    began = time.perf_counter()
    result = client.pool.add(NAME, pool, embeddings=matrix[:items])
    assert result.accepted == items, result
    return time.perf_counter() - began


def table(rows: range) -> pa.Table:
    letters = np.random.default_rng(rows.start).integers(97, 123, (len(rows), TEXT_BYTES), np.uint8)
    texts = [row.tobytes().decode("ascii") for row in letters]
    return pa.table({"id": pa.array([f"item-{i:012d}" for i in rows]), "text": pa.array(texts)})


def label(client: Client, labels: int) -> None:
    answers = {f"item-{i:012d}": f"class {i % CLASSES}" for i in range(labels)}
    client.labeling.submit(NAME, answers, annotator="ann")


def median_s(call: Callable[[int], object], repeat: int) -> float:
    taken = []
    for n in range(repeat):
        began = time.perf_counter()
        call(n)
        taken.append(time.perf_counter() - began)
    return round(statistics.median(taken), 2)


def bytes_below(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def highest_bytes(process: psutil.Process) -> int:
    """The highest resident set of a process so far, as Linux keeps it."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024


if __name__ == "__main__":
    main()
