"""Rules of all tests."""

from __future__ import annotations

import random
import secrets
import uuid

import pytest
import sqlalchemy as sa

from nextlabel.server.store.migrations import upgrade

_to_latest = upgrade.to_latest
_tables: list[str] = []


@pytest.fixture(autouse=True)
def _no_chance(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A test meets the same ids and codes at every run: what they decide (ties, seeds, orders) it decides always."""
    rng = random.Random(request.node.nodeid)
    monkeypatch.setattr(uuid, "uuid4", lambda: uuid.UUID(int=rng.getrandbits(128), version=4))
    monkeypatch.setattr(secrets, "token_hex", lambda size=32: rng.randbytes(size).hex())


@pytest.fixture(autouse=True)
def _migrated_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty database gets what migrations made of another one, which took most of the time that a store opens in."""
    monkeypatch.setattr(upgrade, "to_latest", _as_migrated)


def _as_migrated(connection: sa.Connection) -> None:
    if connection.dialect.name != "sqlite" or sa.inspect(connection).get_table_names():
        _to_latest(connection)
    elif _tables:
        for statement in _tables:
            connection.exec_driver_sql(statement)
    else:
        _to_latest(connection)
        made = connection.exec_driver_sql("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY rowid")
        _tables.extend(made.scalars())
        version = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar_one()
        _tables.append(f"INSERT INTO alembic_version VALUES ('{version}')")
