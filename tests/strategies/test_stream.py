"""Selection must not depend on how the pool is cut into blocks."""

from __future__ import annotations

import tracemalloc
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nextlabel.strategies import ArrayPool, LinearHead, SelectionContext, get_strategy
from nextlabel.strategies.arithmetic.arrays import as_float32
from nextlabel.strategies.passes.best_rows import BestRows
from nextlabel.strategies.passes.tiles import TILE_ROWS, tiles


@pytest.mark.parametrize("name", ["random", "margin", "entropy", "power_margin"])
def test_block_sizes_change_nothing(name: str, rng: np.random.Generator, head: LinearHead) -> None:
    embeddings = rng.standard_normal((3 * TILE_ROWS + 77, 16)).astype(np.float32)
    context = SelectionContext(predictor=head, seed=3)
    batches = [
        get_strategy(name).select(ArrayPool(embeddings, block_rows=rows), 50, context)
        for rows in (len(embeddings), TILE_ROWS, 999, TILE_ROWS + 1)
    ]
    for batch in batches[1:]:
        np.testing.assert_array_equal(batch.rows_k, batches[0].rows_k)
        np.testing.assert_array_equal(batch.scores_k, batches[0].scores_k)


@settings(deadline=None, max_examples=30)
@given(block_rows=st.integers(20, 20_000))
def test_tiles_cover_the_stream_in_order(block_rows: int) -> None:
    pool = ArrayPool(np.zeros((2 * TILE_ROWS + 5, 1), np.float32), block_rows=block_rows)
    starts = [(tile.start, len(tile.block)) for tile in tiles(pool)]
    assert starts == [(0, TILE_ROWS), (TILE_ROWS, TILE_ROWS), (2 * TILE_ROWS, 5)]
    rows = np.concatenate([tile.block.rows_n for tile in tiles(pool)])
    np.testing.assert_array_equal(rows, np.arange(len(pool)))


@settings(deadline=None)
@given(
    scores=st.lists(st.integers(0, 4), min_size=1, max_size=60),
    k=st.integers(1, 70),
    cuts=st.lists(st.integers(0, 60), max_size=6),
    salt=st.integers(0, 1000),
)
def test_best_rows_are_a_sort_by_score_then_id(scores: list[int], k: int, cuts: list[int], salt: int) -> None:
    ids = [f"{(row * 7919 + salt) % 1009:04d}" for row in range(len(scores))]
    best = BestRows(k, lambda rows: [ids[row] for row in rows])
    edges = [0, *sorted(min(cut, len(scores)) for cut in cuts), len(scores)]
    values = np.asarray(scores, np.float32)
    for start, stop in pairwise(edges):
        best.add(np.arange(start, stop, dtype=np.int64), values[start:stop])
    rows, kept = best.ordered()
    expected = sorted(range(len(scores)), key=lambda row: (-scores[row], ids[row]))[:k]
    assert rows.tolist() == expected
    assert kept.tolist() == [scores[row] for row in expected]


def test_best_rows_hold_a_bounded_number_of_rows() -> None:
    best = BestRows(10, lambda rows: [str(row) for row in rows])
    tracemalloc.start()
    try:
        for start in range(0, 1_000_000, 1000):
            best.add(np.arange(start, start + 1000), np.full(1000, start, np.float32))
        # Only what came from here: other threads of the process allocate too.
        ours = tracemalloc.take_snapshot().filter_traces(
            [tracemalloc.Filter(True, "*/nextlabel/strategies/*"), tracemalloc.Filter(True, __file__)]
        )
    finally:
        tracemalloc.stop()
    assert sum(trace.size for trace in ours.traces) < 1_000_000 * 12 / 8
    assert len(best.ordered()[0]) == 10


def test_every_half_precision_number_widens_exactly() -> None:
    halves = np.arange(2**16, dtype=np.uint16).view(np.float16)
    finite = halves[np.isfinite(halves)]
    np.testing.assert_array_equal(as_float32(finite), finite.astype(np.float32))
    np.testing.assert_array_equal(as_float32(halves), halves.astype(np.float32))
