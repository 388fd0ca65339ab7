"""Rates of the two stores on this machine, as JSON.

    python -m benchmarks.speed.store --dir DIR [--rows 200000] [--cycles 4000] [--state-url postgresql+psycopg://…]

Pool: durable appends of 10,000 rows (300-byte texts and 384-dimensional fp16 embeddings, both in parallel), a full
scan of the embeddings, random takes. State: labeling cycles of 16 concurrent callers; a cycle is two units of work,
the first claims 10 picks and adds a lease and a stored reply, the second reads the lease, adds 10 annotations, marks
them answered, ends the lease and stores a reply. For scale, the same file system's bare fsync.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np

from nextlabel.server.ports.pool_store import NewItems
from nextlabel.server.ports.state_store import StateStore, Transaction
from nextlabel.server.store.lance_pool.pool_store import LancePoolStore
from nextlabel.server.store.state_store import open_state_store
from nextlabel.server.values.access import StoredReply
from nextlabel.server.values.annotation_type import AnnotationType
from nextlabel.server.values.ids import ProjectId
from nextlabel.server.values.labeling.annotations import Annotation, AnnotatorKind
from nextlabel.server.values.labeling.answers import Answer, ConfidenceKind, Label, Outcome, Provenance
from nextlabel.server.values.labeling.batches import Batch, Pick
from nextlabel.server.values.labeling.leases import Lease, LeaseItem, LeaseState
from nextlabel.server.values.projects.projects import Component, LabelClass, Project

COMMIT_ROWS = 10_000
DIMENSION = 384
CALLERS = 16
PER_LEASE = 10
NOW = datetime(2026, 1, 1, tzinfo=UTC)
PROJECT = ProjectId("benchmark")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dir", type=Path, help="where to write; its file system is what is measured")
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--cycles", type=int, default=4_000)
    parser.add_argument("--state-url", help="a StateStore to measure instead of SQLite in DIR")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.dir) as name:
        folder = Path(name)
        figures = {
            "fsync_ms": bare_fsync_ms(folder),
            "pool": pool_rates(LancePoolStore(str(folder / "pool")), options.rows),
            "state": asyncio.run(state_rate(options.state_url or f"sqlite:///{folder}/state.db", options.cycles)),
            "load_average": os.getloadavg()[0],
        }
    print(json.dumps(figures, indent=2))


def bare_fsync_ms(folder: Path) -> float:
    """Return the median time of appending 4 KiB to a file and syncing it."""
    took = []
    with (folder / "probe").open("wb", buffering=0) as file:
        for _ in range(50):
            file.write(bytes(4096))
            start = time.perf_counter()
            os.fsync(file.fileno())
            took.append(time.perf_counter() - start)
    return round(median(took) * 1e3, 2)


def pool_rates(pool: LancePoolStore, rows: int) -> dict[str, float]:
    batches = list(pool_batches(rows))
    commits = []
    start = time.perf_counter()
    with ThreadPoolExecutor(2) as threads:
        for first, items, vectors in batches:
            begun = time.perf_counter()
            appended = threads.submit(pool.append_items, PROJECT, first, items)
            row_numbers = np.arange(first, first + len(vectors))
            threads.submit(pool.append_embeddings, PROJECT, row_numbers, vectors).result()
            appended.result()
            commits.append(time.perf_counter() - begun)
    append_s = time.perf_counter() - start
    scan_s = [timed(lambda: sum(len(b.rows_n) for b in pool.scan_embeddings(PROJECT))) for _ in range(3)]
    wanted = np.random.default_rng(0).choice(rows, 1_000, replace=False).tolist()
    take_items_s = [timed(lambda: pool.items(PROJECT, wanted)) for _ in range(5)]
    take_embeddings_s = [timed(lambda: pool.embeddings(PROJECT, wanted)) for _ in range(5)]
    compact_s = timed(lambda: pool.compact(PROJECT))
    compacted_scan_s = [timed(lambda: sum(len(b.rows_n) for b in pool.scan_embeddings(PROJECT))) for _ in range(3)]
    return {
        "rows": rows,
        "append_rows_per_s": round(rows / append_s),
        "commit_ms_median": round(median(commits) * 1e3, 1),
        "commit_ms_max": round(max(commits) * 1e3, 1),
        "scan_rows_per_s": round(rows / min(scan_s)),
        "scan_rows_per_s_compacted": round(rows / min(compacted_scan_s)),
        "take_1000_items_ms": round(median(take_items_s) * 1e3, 1),
        "take_1000_embeddings_ms": round(median(take_embeddings_s) * 1e3, 1),
        "compact_s": round(compact_s, 2),
    }


def timed(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def pool_batches(rows: int) -> Iterator[tuple[int, NewItems, np.ndarray]]:
    rng = np.random.default_rng(0)
    words = ["".join(chr(97 + c) for c in rng.integers(0, 26, 5)) for _ in range(5_000)]
    vectors = rng.standard_normal((COMMIT_ROWS, DIMENSION)).astype(np.float16)
    for first in range(0, rows, COMMIT_ROWS):
        numbers = range(first, first + COMMIT_ROWS)
        texts = [" ".join(words[w] for w in drawn) for drawn in rng.integers(0, len(words), (COMMIT_ROWS, 50))]
        hashes = np.array(numbers, np.uint64)
        yield first, NewItems([f"item-{n}" for n in numbers], texts, [""] * COMMIT_ROWS, hashes), vectors


async def state_rate(url: str, cycles: int) -> dict[str, float]:
    store = open_state_store(url)
    await store.write(lambda tx: fill(tx, cycles * PER_LEASE))
    latencies: list[float] = []
    start, cpu_start = time.perf_counter(), time.process_time()
    per_caller = cycles // CALLERS
    await asyncio.gather(*(label(store, f"annotator-{c}", per_caller, latencies) for c in range(CALLERS)))
    elapsed, cpu = time.perf_counter() - start, time.process_time() - cpu_start
    answered = await store.read(lambda tx: tx.labeling.count_annotations(PROJECT))
    await store.write(lambda tx: tx.projects.delete(PROJECT, NOW))
    await store.close()
    latencies.sort()
    return {
        "cycles": per_caller * CALLERS,
        "annotations": answered,
        "cycles_per_s": round(per_caller * CALLERS / elapsed),
        "cpu_ms_per_cycle": round(cpu / (per_caller * CALLERS) * 1e3, 2),
        "cycle_ms_median": round(median(latencies) * 1e3, 2),
        "cycle_ms_p99": round(latencies[int(len(latencies) * 0.99)] * 1e3, 2),
    }


def fill(tx: Transaction, picks: int) -> None:
    tx.projects.insert(
        Project(
            PROJECT, "benchmark", AnnotationType.SINGLE_LABEL, (LabelClass("a"),), 1, "", 0, Component(), Component(),
            1, 600.0, 0.0, False, NOW, NOW,
        )
    )  # fmt: skip
    for first in range(0, picks, 1_000):
        batch = Batch(f"batch-{first}", PROJECT, Component(), NOW, pool_rows=picks)
        rows = range(first, first + 1_000)
        tx.labeling.add_batch(batch, [Pick(batch.id, r, r, f"item-{r}", 0.5) for r in rows])


async def label(store: StateStore, annotator: str, cycles: int, latencies: list[float]) -> None:
    for cycle in range(cycles):
        start = time.perf_counter()
        lease = f"{annotator}-lease-{cycle}"
        await store.write(partial(take, annotator=annotator, lease=lease))
        await store.write(partial(submit, annotator=annotator, lease=lease))
        latencies.append(time.perf_counter() - start)


def take(tx: Transaction, annotator: str, lease: str) -> None:
    picks = tx.labeling.claim_open_picks(PROJECT, annotator, 1, PER_LEASE)
    items = [LeaseItem(lease, p.batch, p.row, p.item_id) for p in picks]
    until = NOW + timedelta(minutes=10)
    tx.labeling.add_lease(Lease(lease, PROJECT, annotator, LeaseState.ACTIVE, "", until, NOW), items)
    tx.access.put_reply(StoredReply(f"{lease}-take", annotator, "LeaseItems", "f", bytes(300), NOW))


def submit(tx: Transaction, annotator: str, lease: str) -> None:
    found = tx.labeling.lease(lease)
    items = tx.labeling.lease_items(lease)
    if found is None or len(items) != PER_LEASE:
        raise RuntimeError(f"{lease} has {len(items)} items")
    answer = Answer(
        Outcome.LABEL, Provenance(annotator), Label("a"), confidence=1.0, confidence_kind=ConfidenceKind.HUMAN
    )
    kind, outcome = AnnotatorKind.HUMAN, answer.outcome
    annotations = [
        Annotation(0, PROJECT, i.row, i.item_id, annotator, kind, True, outcome, "a", answer, "", 0, i.batch, NOW)
        for i in items
    ]
    tx.labeling.add_annotations(annotations)
    tx.labeling.mark_answered(lease, [i.row for i in items])
    tx.labeling.set_lease(lease, LeaseState.DONE, found.expires_at)
    tx.access.put_reply(StoredReply(f"{lease}-submit", annotator, "SubmitAnnotations", "f", bytes(300), NOW))


if __name__ == "__main__":
    main()
