"""Fixtures of the learner's tests."""

from __future__ import annotations

import pytest

from tests.learners.blobs import Blobs, make_blobs


@pytest.fixture(scope="session")
def blobs() -> Blobs:
    return make_blobs(n=1200, n_classes=5, dimension=32, spread=1.2)
