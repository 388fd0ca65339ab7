"""Rules of all tests."""

from __future__ import annotations

import random
import secrets
import uuid

import pytest


@pytest.fixture(autouse=True)
def _no_chance(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A test meets the same ids and codes at every run: what they decide (ties, seeds, orders) it decides always."""
    rng = random.Random(request.node.nodeid)
    monkeypatch.setattr(uuid, "uuid4", lambda: uuid.UUID(int=rng.getrandbits(128), version=4))
    monkeypatch.setattr(secrets, "token_hex", lambda size=32: rng.randbytes(size).hex())
