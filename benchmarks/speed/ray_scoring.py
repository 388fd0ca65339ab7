"""Scoring passes on Ray against threads: the same picks, what they cost, what they need, and processes that are killed.

python -m benchmarks.speed.ray_scoring                1,000,000 rows of 384 float16, margin: time, memory
python -m benchmarks.speed.ray_scoring --rows 10000000 7.7 GB in the temporary folder
python -m benchmarks.speed.ray_scoring --kills 20     SIGKILL to processes of the cluster in the middle of passes
python -m benchmarks.speed.ray_scoring --all          every built-in strategy: 1, 3, 7 fragments, 1 and 2 processes
python -m benchmarks.speed.ray_scoring --repeat 3 100 the 1,000,000 rows 3 and 100 times over: is all of it linear?
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from benchmarks.speed.repeated_pool import RepeatedPool
from nextlabel.server.compute.ray_cluster.cluster import RayCluster
from nextlabel.server.domain.selection.askable import AskableRows
from nextlabel.server.domain.selection.askable_in_parts import AskableInParts, PartSource
from nextlabel.server.ports.pool_store import NewItems
from nextlabel.server.store.lance_pool.pool_store import LancePoolStore
from nextlabel.server.values.ids import ProjectId
from nextlabel.strategies import (
    Annotations,
    Difficulties,
    LabeledSet,
    LinearHead,
    NearestLabeled,
    Selection,
    SelectionContext,
    get_strategy,
    strategy_names,
    with_audit,
)

PROJECT = ProjectId("benchmark")
FRAGMENT = 65_536
CLASSES = 20
BATCH = 100
NOTHING = np.empty(0, np.int64)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--dimension", type=int, default=384)
    parser.add_argument("--passes", type=int, default=5)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--kills", type=int, default=0)
    parser.add_argument("--all", action="store_true", help="every built-in strategy, on small pools")
    parser.add_argument(
        "--repeat", type=int, nargs="+", help="list the rows so many times over; a pass on Ray for each"
    )
    parser.add_argument("--folder", type=Path, default=None, help="where the pool goes; a temporary folder")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder, prefix="ray-scoring-") as folder:
        if given.all:
            found = _all_strategies(Path(folder), given.seed)
        else:
            found = (_repeated if given.repeat else _margin)(Path(folder), given)
    sys.stdout.write(json.dumps(_rounded(found), indent=1) + "\n")
    sys.exit(0 if found["same_picks"] else 1)


def _rounded(found: Any) -> Any:
    if isinstance(found, dict):
        return {name: _rounded(value) for name, value in found.items()}
    if isinstance(found, list):
        return [_rounded(value) for value in found]
    return round(found, 3) if isinstance(found, float) else found


def _margin(folder: Path, given: argparse.Namespace) -> dict[str, Any]:
    store, context = _filled(folder, given.rows, given.dimension, FRAGMENT, given.seed)
    here = AskableRows(store, PROJECT, NOTHING, given.rows)
    with _joined(given.processes) as cluster:
        there = AskableInParts(store, PROJECT, NOTHING, given.rows, source=PartSource(store, cluster))
        expected = _select("margin", here, context)
        found = _alternated(here, there, context, given.passes)
        kills, killed_same = _under_kills(given.kills, lambda: _same(expected, _select("margin", there, context)))
    same = found.pop("same_picks") and killed_same
    return {"rows": given.rows, "dimension": given.dimension, **found, "kills": kills, "same_picks": bool(same)}


def _alternated(here: AskableRows, there: AskableRows, context: SelectionContext, passes: int) -> dict[str, Any]:
    """Time passes on threads and on Ray in turns, after one of each."""
    expected = _select("margin", here, context)
    same = _same(expected, _select("margin", there, context))
    seconds: dict[str, list[float]] = {"threads": [], "ray": []}
    of_processors: dict[str, list[float]] = {"threads": [], "ray": []}
    with _peak_memory() as peak:
        for _ in range(passes):
            for name, pool in (("threads", here), ("ray", there)):
                began, used = time.perf_counter(), _processor_seconds()
                same &= _same(expected, _select("margin", pool, context))
                seconds[name].append(time.perf_counter() - began)
                of_processors[name].append(_processor_seconds() - used)
    return {
        "seconds": seconds,
        "ratio": _ratio(seconds),
        "processor_seconds": of_processors,
        "ratio_of_processor_seconds": _ratio(of_processors),
        "peak_mb_of_a_process": peak,
        "same_picks": same,
    }


def _ratio(found: dict[str, list[float]]) -> float:
    return round(statistics.median(found["ray"]) / statistics.median(found["threads"]), 3)


def _processor_seconds() -> float:
    """What this process and the cluster's have used so far: the same on a machine that others use."""
    total = 0.0
    for process in [psutil.Process(), *psutil.Process().children(recursive=True)]:
        with suppress(psutil.NoSuchProcess):
            used = process.cpu_times()
            total += used.user + used.system
    return total


def _repeated(folder: Path, given: argparse.Namespace) -> dict[str, Any]:
    """Time a selection of each size, from the cut into parts to the picks, and compare the smallest with threads."""
    _, context = _filled(folder, given.rows, given.dimension, FRAGMENT, given.seed)
    found, smallest = [], min(given.repeat)
    with _joined(given.processes) as cluster:
        for number in sorted(given.repeat):
            store, rows = RepeatedPool(folder, given.rows, number), number * given.rows
            there = AskableInParts(store, PROJECT, NOTHING, rows, source=PartSource(store, cluster))
            if number == smallest:
                compared = _alternated(AskableRows(store, PROJECT, NOTHING, rows), there, context, given.passes)
            with _peak_memory() as peak:
                began, before = time.perf_counter(), _processor_seconds()
                _select("margin", there, context)
                seconds, used = time.perf_counter() - began, _processor_seconds() - before
            found.append({"rows": rows, "seconds": seconds, "processor_seconds": used, "peak_mb_of_a_process": peak})
            sys.stderr.write(f"{found[-1]}\n")
    same = compared["same_picks"]
    return {"dimension": given.dimension, "smallest": compared, "passes": found, "same_picks": same}


def _all_strategies(folder: Path, seed: int) -> dict[str, Any]:
    rows, compared, differing = 30_000, 0, []
    for fragments in (1, 3, 7):
        store, context = _filled(folder / str(fragments), rows, 16, -(-rows // fragments), seed)
        excluded = np.sort(np.random.default_rng(seed).choice(rows, 300, replace=False))
        here = AskableRows(store, PROJECT, excluded, rows)
        expected = {name: _select(name, here, context, audit=0.1) for name in strategy_names()}
        for processes in (1, 2):
            with _joined(processes) as cluster:
                there = AskableInParts(store, PROJECT, excluded, rows, source=PartSource(store, cluster))
                for name, selection in expected.items():
                    compared += 1
                    if not _same(selection, _select(name, there, context, audit=0.1)):
                        differing.append([name, fragments, processes])
    return {"compared": compared, "differing": differing, "same_picks": not differing}


def _filled(
    folder: Path, rows: int, dimension: int, fragment: int, seed: int
) -> tuple[LancePoolStore, SelectionContext]:
    rng = np.random.default_rng(seed)
    store = LancePoolStore(str(folder))
    first = np.empty((0, dimension), np.float32)
    for start in range(0, rows, fragment):
        count = min(fragment, rows - start)
        embeddings_nD = rng.standard_normal((count, dimension), np.float32)
        embeddings_nD /= np.linalg.norm(embeddings_nD, axis=1, keepdims=True)
        ids = [f"item-{row:09d}" for row in range(start, start + count)]
        store.append_items(PROJECT, start, NewItems(ids, [""] * count, [""] * count, np.zeros(count, np.uint64)))
        store.append_embeddings(PROJECT, np.arange(start, start + count), embeddings_nD.astype(np.float16))
        first = embeddings_nD[:200] if start == 0 else first
    intercepts = np.zeros(CLASSES, np.float32)
    heads = [LinearHead(4 * rng.standard_normal((CLASSES, dimension), np.float32), intercepts) for _ in range(4)]
    labels = LabeledSet(first, rng.integers(0, CLASSES, len(first)))
    answers = Annotations(np.arange(40), rng.integers(0, CLASSES, 40), rng.integers(0, 3, 40))
    difficulties = Difficulties(labels.embeddings_LD, rng.random(len(first)))
    return store, SelectionContext(heads[0], heads[1:], labels, answers, seed=seed, difficulties=difficulties)


def _select(name: str, pool: AskableRows, context: SelectionContext, audit: float = 0.0) -> Selection:
    fresh = replace(context, nearest=NearestLabeled())
    strategy = get_strategy(name)
    return (with_audit(strategy, audit) if audit else strategy).select(pool, BATCH, fresh)


def _same(one: Selection, other: Selection) -> bool:
    return (
        one.rows_k.tolist() == other.rows_k.tolist()
        and np.array_equal(one.scores_k, other.scores_k, equal_nan=True)
        and one.reasons_k == other.reasons_k
    )


@contextmanager
def _joined(processes: int) -> Iterator[RayCluster]:
    cluster = RayCluster("", processes, "refuse")
    cluster.join()
    try:
        yield cluster
    finally:
        cluster.close()


def _workers() -> list[psutil.Process]:
    return [child for child in psutil.Process().children(recursive=True) if child.name().startswith("ray::PartWorker")]


@contextmanager
def _peak_memory() -> Iterator[dict[str, int]]:
    """Watch this process and the cluster's; pages of files and of the object store count for each that maps them."""
    peak: dict[str, int] = {}
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.1):
            for process in [psutil.Process(), *psutil.Process().children(recursive=True)]:
                with suppress(psutil.NoSuchProcess):
                    name = "server" if process.pid == os.getpid() else process.name()
                    peak[name] = max(peak.get(name, 0), process.memory_info().rss >> 20)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield peak
    finally:
        over.set()
        watcher.join()


def _under_kills(kills: int, selects_the_same: Callable[[], bool]) -> tuple[int, bool]:
    """Kill processes at random moments of passes until so many are dead."""
    rng = np.random.default_rng(kills)
    dead, same, over = 0, True, threading.Event()

    def kill() -> None:
        nonlocal dead
        while dead < kills and not over.wait(rng.uniform(0.1, 1.0)):
            if living := _workers():
                living[int(rng.integers(len(living)))].send_signal(signal.SIGKILL)
                dead += 1

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        while dead < kills:
            same &= selects_the_same()
    finally:
        over.set()
        killer.join()
    return dead, same and (not kills or selects_the_same())


if __name__ == "__main__":
    main()
