#!/usr/bin/env python
"""Time one batch selection; print one JSON line.

    python -m benchmarks.speed.selection --strategy margin --n 1000000 --d 384 --classes 4 --batch 100
    python -m benchmarks.speed.selection --strategy k_center --n 1000000 --later-round
    python -m benchmarks.speed.selection --strategy margin --classes 77 --dtype bfloat16
    python -m benchmarks.speed.selection --strategy margin --dtype bfloat16 --set DATA_DIR/clinc10
    python -m benchmarks.speed.selection --strategy default --type multi_label --classes 28
    python -m benchmarks.speed.selection --strategy default --type preference --d 768

Pool, labeled set, classifier and committee are made before the clock starts. Everything uses 2 threads.

  select_s       median wall seconds of Strategy.select over --repeat runs
  cpu_s          CPU seconds of the same runs (all threads), median; load1 = 1-minute load average
  base_mb        peak resident memory before the first run (imports, pool, learner)
  peak_mb        the same after it;  extra_mb = peak_mb - base_mb
  bare_pass_s    median wall seconds of X[block] @ W.T over float32 blocks of 8192 rows, each run beside one of select
  bare_pass_cpu_s  CPU seconds of the same
  bare_matvec_s  median wall seconds of X @ w
  per_bare_pass, per_bare_matvec   select_s divided by them;  cpu_per_bare_pass = cpu_s / bare_pass_cpu_s, which other
                 work on the machine moves less
  as_float32     of a pool in another type: picks shared with the float32 pool, and with float32 arithmetic on the
                 rounded pool

Without native bfloat16 (AVX-512 BF16) a pool of that type is slower by what emulating it costs, which stderr says.

``--type`` takes the learner of another annotation type (see typed_contexts.py); a pair's embedding is of both texts,
and W what strategies see of that learner: the heads of all classes, of the levels of a score, of first, tie and second.
``--set`` takes the rows of a labeled set (see labeled_sets.py) instead of made-up ones.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.learners.labeled_sets import load_set
from benchmarks.speed.typed_contexts import TYPES, typed_context
from nextlabel.strategies import (
    ArrayPool,
    LabeledSet,
    LinearHead,
    NearestLabeled,
    Pool,
    SelectionContext,
    get_strategy,
    strategy_names,
)
from nextlabel.strategies.arithmetic.arrays import Array, Floats, Rows, to_numpy
from nextlabel.strategies.arithmetic.bfloat16 import cpu_multiplies_bfloat16
from nextlabel.strategies.passes.nearest import Bounds

N_LABELED = 500
N_COMMITTEE = 5
BARE_ROWS = 8192
THREADS = 2


def make_data(total: int, d: int, classes: int, seed: int = 0, chunk: int = 50_000) -> tuple[Floats, Rows]:
    """Return unit-length clustered embeddings (total, d) float32 and classes (total,)."""
    rng = np.random.default_rng(seed)
    centers = rng.standard_normal((10 * classes, d), dtype=np.float32)
    embeddings = np.empty((total, d), dtype=np.float32)
    which = rng.integers(0, len(centers), size=total)
    which[:classes] = np.arange(classes)
    for start in range(0, total, chunk):
        part = embeddings[start : start + chunk]
        rng.standard_normal(out=part, dtype=np.float32)
        part *= 1.5
        part += centers[which[start : start + chunk]]
        part /= np.linalg.norm(part, axis=1, keepdims=True)
    return embeddings, (which % classes).astype(np.int64)


def real_data(folder: Path, cache: Path) -> tuple[Floats, Rows]:
    """Return the training part of a labeled set, shuffled."""
    data = load_set(folder, cache)
    order = np.random.default_rng(0).permutation(len(data.train_labels_N))
    return np.ascontiguousarray(data.train_embeddings_ND[order], np.float32), data.train_labels_N[order]


def as_dtype(embeddings: Floats, dtype: str) -> Array:
    """Return the pool in this type; bfloat16 as a torch tensor."""
    if dtype == "bfloat16":
        import torch

        torch.set_num_threads(THREADS)
        return torch.from_numpy(embeddings).bfloat16()
    return embeddings if dtype == "float32" else embeddings.astype(np.float16)


def fit_head(embeddings: Floats, classes: Rows) -> LinearHead:
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=10.0, max_iter=300).fit(embeddings, classes)
    return LinearHead.from_decision(model.coef_, model.intercept_)


def make_context(embeddings: Floats, classes: Rows, n_classes: int, committee: bool) -> SelectionContext:
    rng = np.random.default_rng(0)
    members = []
    for _ in range(N_COMMITTEE if committee else 0):
        rows = np.concatenate([np.arange(n_classes), rng.integers(0, len(classes), len(classes))])
        members.append(fit_head(embeddings[rows], classes[rows]))
    return SelectionContext(fit_head(embeddings, classes), members, LabeledSet(embeddings, classes), seed=1)


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def medians_s(runs: Sequence[Callable[[], object]], repeat: int) -> list[tuple[float, float]]:
    """Return (wall, CPU) seconds of each, medians; the runs take turns, so that other work meets all of them."""
    taken: list[list[tuple[float, float]]] = [[] for _ in runs]
    for _ in range(repeat):
        for run, own in zip(runs, taken, strict=True):
            wall, cpu = time.perf_counter(), time.process_time()
            run()
            own.append((time.perf_counter() - wall, time.process_time() - cpu))
    return [tuple(map(statistics.median, zip(*own, strict=True))) for own in taken]


def bare_pass(embeddings: Floats, coef: Floats) -> None:
    for start in range(0, len(embeddings), BARE_ROWS):
        embeddings[start : start + BARE_ROWS] @ coef.T


def main() -> None:
    a = arguments()
    committee = "committee" in get_strategy(a.strategy).needs
    if a.set:
        embeddings, classes = real_data(a.set, Path(".cache/benchmarks"))
        a.n, a.d, a.classes = len(classes) - N_LABELED, embeddings.shape[1], int(classes.max()) + 1
    else:
        embeddings, classes = make_data(N_LABELED + a.n, a.d, a.classes)
    labeled = embeddings[:N_LABELED].copy()
    params = {} if a.shortlist is None else {"shortlist": a.shortlist}
    strategy = get_strategy(a.strategy, **params)
    if a.type == "single_label":
        context = make_context(labeled, classes[:N_LABELED], a.classes, committee)
    else:
        context = typed_context(a.type, strategy, labeled, classes[:N_LABELED], a.classes)
    source: Array = embeddings[N_LABELED:]
    pool = ArrayPool(as_dtype(source, a.dtype))
    if a.later_round:
        context = second_round(pool, labeled, classes[:N_LABELED], context, a.batch)
    base = peak_mb()
    batch = strategy.select(pool, a.batch, context)
    peak = peak_mb()
    assert context.predictor is not None
    assert context.predictor.linear is not None
    coef = context.predictor.linear.coef_CD
    vector = coef[0].copy()
    (wall, cpu), (bare, bare_cpu), (bare_matvec, _) = medians_s(
        (lambda: strategy.select(pool, a.batch, context), lambda: bare_pass(source, coef), lambda: source @ vector),
        a.repeat,
    )
    picked = batch.rows_k
    figures = {
        "peer": "nextlabel",
        "label": a.label,
        "type": a.type,
        "strategy": a.strategy,
        "n": a.n,
        "d": a.d,
        "classes": a.classes,
        "batch": a.batch,
        "dtype": a.dtype,
        "shortlist": a.shortlist,
        "later_round": a.later_round,
        "select_s": round(wall, 4),
        "cpu_s": round(cpu, 4),
        "load1": os.getloadavg()[0],
        "picked": len(picked),
        "valid": bool(len(np.unique(picked)) == len(picked) and picked.min() >= 0 and picked.max() < a.n),
        "base_mb": round(base),
        "peak_mb": round(peak),
        "extra_mb": round(peak - base),
        "bare_pass_s": round(bare, 4),
        "bare_pass_cpu_s": round(bare_cpu, 4),
        "bare_matvec_s": round(bare_matvec, 4),
        "per_bare_pass": round(wall / bare, 2),
        "cpu_per_bare_pass": round(cpu / bare_cpu, 2),
        "per_bare_matvec": round(wall / bare_matvec, 2),
    }
    if a.dtype != "float32":
        rounded = to_numpy(as_dtype(source, a.dtype)).astype(np.float32)
        figures["as_float32"] = [
            len(np.intersect1d(picked, strategy.select(ArrayPool(same), a.batch, context).rows_k))
            for same in (source, rounded)
        ]
    json.dump(figures, sys.stdout)
    sys.stdout.write("\n")


def second_round(pool: Pool, labeled: Floats, classes: Rows, context: SelectionContext, batch: int) -> SelectionContext:
    """Return the context of a round after ``batch`` more labels, distances to the first labels known."""
    nearest = NearestLabeled()
    nearest.update(pool, labeled)
    more = np.asarray(pool.take(np.arange(batch, dtype=np.int64)), np.float32)
    grown = LabeledSet(np.concatenate([labeled, more]), np.concatenate([classes, classes[:batch]]))
    return SelectionContext(context.predictor, context.committee, grown, nearest=_Replayed(nearest), seed=2)


class _Replayed(NearestLabeled):
    """Forgets the last update, so that each repeat pays for the same new labels."""

    def __init__(self, known: NearestLabeled) -> None:
        super().__init__()
        self._known = known

    def bounds(self, pool: Pool, labeled_LD: Floats) -> Bounds:
        return self._known.copy().bounds(pool, labeled_LD)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--strategy", choices=strategy_names(), required=True)
    parser.add_argument("--type", choices=("single_label", *TYPES), default="single_label")
    parser.add_argument("--set", type=Path, help="folder of a labeled set")
    parser.add_argument("--n", type=int, default=1_000_000)
    parser.add_argument("--d", type=int, default=384)
    parser.add_argument("--classes", type=int, default=4)
    parser.add_argument("--batch", type=int, default=100)
    parser.add_argument("--shortlist", type=int, help="for strategies that take one")
    parser.add_argument("--dtype", choices=("float32", "float16", "bfloat16"), default="float32")
    parser.add_argument("--later-round", action="store_true", help="keep nearest-labeled distances")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--label", default="")
    options = parser.parse_args()
    if options.dtype == "bfloat16" and not cpu_multiplies_bfloat16():
        print("this processor has no native bfloat16: the time says nothing about one that has", file=sys.stderr)
    return options


if __name__ == "__main__":
    with threadpool_limits(THREADS):
        main()
