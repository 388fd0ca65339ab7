"""Selection is the same on every processor, and equal rows score equally wherever they stand."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from threadpoolctl import threadpool_limits

from nextlabel.strategies import ArrayPool, LinearHead, SelectionContext, get_strategy
from nextlabel.strategies.arithmetic.arrays import Array
from nextlabel.strategies.arithmetic.exact import on_grid
from nextlabel.strategies.builtin import BUILT_IN
from nextlabel.strategies.passes import tiles
from nextlabel.strategies.pool import Block
from nextlabel.strategies.scorers import rough
from nextlabel.strategies.scorers.rough import contested
from nextlabel.strategies.scorers.uncertainty import Entropy, LeastConfidence, LogitScorer, Margin, Ratio
from nextlabel.strategies.testing import example_context, example_embeddings
from tests.strategies.picks_here import picks

processor = import_module("numpy._core._multiarray_umath")
FEATURES: Mapping[str, bool] = processor.__cpu_features__
DISPATCHED = " ".join(name for name in processor.__cpu_dispatch__ if FEATURES[name])
CORES = {"Nehalem": "SSE42", "Haswell": "AVX2", "SkylakeX": "AVX512_SKX"}
"""OpenBLAS kernels, and what they need to run. Zen has Haswell's; Sandybridge's are tried without vector code."""


def picks_elsewhere(pretend: Mapping[str, str]) -> dict[str, Any]:
    script = Path(__file__).with_name("picks_here.py")
    ran = subprocess.run(
        [sys.executable, script], env={**os.environ, **pretend}, capture_output=True, text=True, check=True, timeout=60
    )
    found: dict[str, Any] = json.loads(ran.stdout)
    return found


@pytest.fixture(scope="module")
def expected() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(json.dumps(picks()))
    return found


@pytest.mark.parametrize("core", CORES)
def test_every_blas_kernel_gives_the_same_picks_and_scores(core: str, expected: dict[str, Any]) -> None:
    if not FEATURES.get(CORES[core], False):
        pytest.skip(f"this processor lacks {CORES[core]}")
    assert picks_elsewhere({"OPENBLAS_CORETYPE": core}) == expected


@pytest.mark.skipif(not DISPATCHED, reason="NumPy has no vector code beyond its baseline here")
def test_numpy_s_vector_code_changes_no_pick_and_no_score(expected: dict[str, Any]) -> None:
    assert picks_elsewhere({"NPY_DISABLE_CPU_FEATURES": DISPATCHED, "OPENBLAS_CORETYPE": "Sandybridge"}) == expected


@pytest.mark.parametrize("name", sorted(set(BUILT_IN) - {"random", "power_margin", "power_bald", "dropquery"}))
@settings(deadline=None, max_examples=5)
@given(
    n=st.integers(40, 700),
    height=st.sampled_from([33, 64, 257, 4096]),
    threads=st.sampled_from([1, 2]),
    seed=st.integers(0, 99),
)
def test_equal_rows_score_equally_wherever_they_stand(name: str, n: int, height: int, threads: int, seed: int) -> None:
    few = example_embeddings(9)
    which = np.random.default_rng(seed).integers(0, 9, n)
    context = example_context(few, n_classes=5)
    context = replace(context, annotations=None, seed=seed)
    if "annotator_labels" in get_strategy(name).needs:
        pytest.skip("scores by the row's answers")
    with pytest.MonkeyPatch.context() as patch, threadpool_limits(threads):
        patch.setattr(tiles, "TILE_ROWS", height)
        patch.setattr(tiles, "TORCH_TILE_ROWS", height)
        for pool in (ArrayPool(few[which]), ArrayPool(torch.from_numpy(few[which]))):
            candidates = get_strategy(name).shortlist(pool, n, context)
            if candidates.scores_m is None:
                continue
            kinds = which[candidates.rows_m]
            for kind in np.unique(kinds):
                assert len(np.unique(candidates.scores_m[kinds == kind])) == 1


@settings(deadline=None)
@given(
    dimension=st.integers(1, 1100),
    scale=st.sampled_from([1e-30, 1e-3, 1.0, 25.0, 1e20]),
    spread=st.sampled_from([0.0, 3.0, 12.0]),
    seed=st.integers(0, 10**6),
)
def test_products_on_the_grid_are_exact_in_any_order(dimension: int, scale: float, spread: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = scale * rng.standard_normal((2, dimension)) * np.exp(-spread * rng.random((2, dimension)))
    rows = on_grid(values.astype(np.float32))
    products = rows[0] * rows[1]
    orders = [products, products[::-1], rng.permutation(products)]
    assert len({float(np.cumsum(order)[-1]) for order in orders} | {float(rows[0] @ rows[1])}) == 1
    np.testing.assert_array_equal(on_grid(rows), rows)
    largest = np.abs(values).max(axis=1, keepdims=True)
    assert (np.abs(rows - values) <= 2.0**-19 * largest).all()


@pytest.mark.parametrize("scorer", [Margin(), Entropy(), LeastConfidence(), Ratio()])
@settings(deadline=None, max_examples=25)
@given(
    n_classes=st.sampled_from([2, 3, 5, 60]),
    steepness=st.sampled_from([0.01, 1.0, 30.0, 1000.0]),
    wanted=st.integers(1, 60),
    seed=st.integers(0, 10**6),
)
def test_a_rough_look_leaves_out_no_row_that_could_be_picked(
    scorer: LogitScorer, n_classes: int, steepness: float, wanted: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    embeddings = example_embeddings(300) * np.exp(rng.standard_normal((300, 1))).astype(np.float32)
    plain = example_context(embeddings, n_classes).predictor
    assert plain is not None
    head = plain.linear
    assert head is not None
    steep = LinearHead(steepness * head.coef_CD, head.intercept_C)
    context = SelectionContext(predictor=steep)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rough, "cpu_multiplies_bfloat16", lambda: True)
        for pool_nD in (embeddings, torch.from_numpy(embeddings).bfloat16()):
            assert best_kept(pool_nD, wanted, scorer, context)


def best_kept(embeddings_nD: Array, wanted: int, scorer: LogitScorer, context: SelectionContext) -> bool:
    block = Block(np.arange(len(embeddings_nD)), embeddings_nD)
    scores = np.asarray(scorer.score(Block(block.rows_n, on_grid(embeddings_nD)), context))
    best = np.argsort(-scores, kind="stable")[:wanted]
    kept = contested(block, wanted, float(scores[best].min()), scorer, context).rows_n
    return bool(np.isin(best[scores[best] > scores[best].min()], kept).all())
