"""The server within a process keeps to itself, whatever servers this environment is meant for."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
import structlog

from nextlabel.client import ClosedError
from nextlabel.server.embedded.engine import Engine
from nextlabel.server.values.errors import DomainError


@pytest.fixture(autouse=True)
def _program_that_has_configured_no_logs() -> None:
    structlog.reset_defaults()


def test_the_environment_of_a_server_does_not_move_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in {
        "BIND": "127.0.0.1:1",
        "SERVER": "example.org:1",
        "TOKEN": "token",
        "STORE__URL": "postgresql+psycopg://example.org/x",
        "STORE__POOL_URL": "s3://bucket",
        "AUTH__REQUIRED": "true",
        "TLS__CERTIFICATE": "/nowhere",
        "TLS__KEY": "/nowhere",
        "METRICS__BIND": "127.0.0.1:1",
        "WORKERS": "3",
    }.items():
        monkeypatch.setenv(f"NEXTLABEL_{name}", value)
    engine = Engine(tmp_path / "kept")
    assert list(engine.client.projects.list()) == []
    assert (tmp_path / "kept" / "state.db").is_file()
    with pytest.raises(DomainError, match="in use"):
        Engine(tmp_path / "kept")
    engine.close()
    engine.close()
    with pytest.raises(ClosedError):
        engine.client.projects.get("x")
    Engine(tmp_path / "kept").close()
    assert capsys.readouterr() == ("", "")


def test_its_logs_are_those_of_the_program_around_it(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "nextlabel"):
        engine = Engine(tmp_path)
        list(engine.client.projects.list())
        engine.close()
    assert any(record.name.startswith("nextlabel.server") for record in caplog.records)
