from __future__ import annotations

import numpy as np
import pytest

from nextlabel.strategies import LinearHead
from nextlabel.strategies.arithmetic.arrays import Floats


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


@pytest.fixture
def embeddings(rng: np.random.Generator) -> Floats:
    values = rng.standard_normal((600, 16)).astype(np.float32)
    values /= np.linalg.norm(values, axis=1, keepdims=True)
    return values


@pytest.fixture
def head(rng: np.random.Generator) -> LinearHead:
    return LinearHead(4 * rng.standard_normal((5, 16)).astype(np.float32), rng.standard_normal(5).astype(np.float32))
