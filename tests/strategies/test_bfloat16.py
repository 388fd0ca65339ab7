"""The rough look in bfloat16 must not change what is picked."""

from pathlib import Path

import numpy as np
import pytest
import torch

from nextlabel.strategies import ArrayPool, LinearHead, SelectionContext, get_strategy
from nextlabel.strategies.arithmetic.arrays import Array, Floats
from nextlabel.strategies.arithmetic.bfloat16 import cpu_multiplies_bfloat16
from nextlabel.strategies.errors import NotFiniteError
from nextlabel.strategies.scorers import rough

ROWS, DIMENSION, CLASSES = 20_000, 64, 4


@pytest.fixture(scope="module")
def rounded() -> torch.Tensor:
    values = np.random.default_rng(0).standard_normal((ROWS, DIMENSION)).astype(np.float32)
    return torch.from_numpy(values / np.linalg.norm(values, axis=1, keepdims=True)).bfloat16()


@pytest.fixture(scope="module")
def context() -> SelectionContext:
    rng = np.random.default_rng(1)
    coef: Floats = rng.standard_normal((CLASSES, DIMENSION)).astype(np.float32) * 1.5
    return SelectionContext(LinearHead(coef, rng.standard_normal(CLASSES).astype(np.float32)), seed=3)


@pytest.fixture(autouse=True)
def native(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rough, "cpu_multiplies_bfloat16", lambda: True)


@pytest.mark.parametrize("strategy", ["margin", "ratio", "least_confidence", "entropy"])
def test_picks_are_those_of_float32_on_the_same_pool(
    strategy: str, rounded: torch.Tensor, context: SelectionContext
) -> None:
    native = get_strategy(strategy).select(ArrayPool(rounded), 50, context).rows_k
    float32 = get_strategy(strategy).select(ArrayPool(rounded.float().numpy()), 50, context).rows_k
    assert native.tolist() == float32.tolist()


def test_most_rows_need_no_exact_score(
    rounded: torch.Tensor, context: SelectionContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    exact: list[int] = []
    logits = LinearHead.logits

    def counted(head: LinearHead, rows: Array) -> Array:
        exact.append(len(rows))
        return logits(head, rows)

    monkeypatch.setattr(LinearHead, "logits", counted)
    get_strategy("margin").select(ArrayPool(rounded), 50, context)
    assert sum(exact) <= 0.12 * ROWS


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_row_that_is_not_finite_is_reported(bad: float, rounded: torch.Tensor, context: SelectionContext) -> None:
    broken = rounded.clone()
    broken[12_345, 7] = bad
    with pytest.raises(NotFiniteError, match="12345"):
        get_strategy("margin").select(ArrayPool(broken), 10, context)


@pytest.mark.parametrize(
    ("cpuinfo", "expected"),
    [
        ("processor : 0\nflags\t\t: fpu sse avx512f avx512_bf16\n", True),
        ("flags : amx_bf16 amx_tile", True),
        ("Features : fp asimd bf16 i8mm", True),
        ("flags : fpu sse2 avx2 avx512f", False),
        ("", False),
    ],
)
def test_bfloat16_only_where_the_cpu_multiplies_it(tmp_path: Path, cpuinfo: str, expected: bool) -> None:
    path = tmp_path / "cpuinfo"
    path.write_text(cpuinfo)
    assert cpu_multiplies_bfloat16(path) is expected
    assert cpu_multiplies_bfloat16(tmp_path / "missing") is False
