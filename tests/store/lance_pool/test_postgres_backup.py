"""Backups of a database in PostgreSQL beside a pool in a bucket."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

from nextlabel.server.operations.backups.postgres_database import DUMP, PostgresDatabase
from nextlabel.server.operations.backups.postgres_tools import PostgresTool
from nextlabel.server.store.lance_pool.pool_store import LancePoolStore
from nextlabel.server.store.lance_pool.pool_versions import PoolVersions
from nextlabel.server.store.sql.postgres import PostgresConnection, lock_key
from nextlabel.server.store.sql.transaction import SqlTransaction
from nextlabel.server.values.errors import FailedPrecondition, InvalidArgument, Unavailable
from nextlabel.server.values.pool import Segment
from tests.operations.conftest import exit_code
from tests.store import values as v
from tests.store.lance_pool.test_pool_store import P, add, all_rows

# The servers of the tests let anybody in.
PASSWORD = "not-for-others"


@pytest.fixture
def programs(postgres_server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the programs of the server's own version first in PATH."""
    with psycopg.connect(postgres_server.get_uri()) as db:
        found = db.execute("SELECT setting FROM pg_config WHERE name = 'BINDIR'").fetchone()
    assert found
    monkeypatch.setenv("PATH", f"{found[0]}:{os.environ['PATH']}")


@pytest.fixture
def state_url(postgres_url: str, s3_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL, with a password, of a database without projects, as the settings have it with data-dir and bucket."""
    url = sa.make_url(postgres_url).set(password=PASSWORD).render_as_string(hide_password=False)
    monkeypatch.setenv("NEXTLABEL_STORE__URL", url)
    monkeypatch.setenv("NEXTLABEL_STORE__POOL_URL", s3_url)
    monkeypatch.setenv("NEXTLABEL_DATA_DIR", str(tmp_path / "data"))
    return url


def commit(url: str, first: int) -> None:
    """Promise ten items that have no embeddings yet, with the project if they are its first."""
    with psycopg.connect(url.replace("+psycopg", "")) as db:
        tx = SqlTransaction(PostgresConnection(db, writing=True))
        if first == 0:
            tx.projects.insert(v.project())
        tx.pool.add_segment(Segment(P, first, 10, False, v.NOW))


def rows(url: str) -> list[int]:
    (pool,) = PostgresDatabase(url).committed()
    return list(pool.rows_n)


@pytest.mark.usefixtures("programs")
def test_a_database_is_saved_as_one_snapshot_that_the_held_versions_have_and_is_put_back_with_them(
    state_url: str,
    new_postgres_url: str,
    s3_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pool = LancePoolStore(s3_url)
    add(pool, 0, 10, embedded=False)
    commit(state_url, 0)
    copy, restored = str(tmp_path / "copy"), str(tmp_path / "restored")
    dump, started, commands = PostgresTool.dump, subprocess.Popen, []

    def dump_later(tool: PostgresTool, snapshot: str, target: Path) -> None:
        add(pool, 10, 10, embedded=False)
        commit(state_url, 10)
        dump(tool, snapshot, target)

    def seen(command: list[str], **given: Any) -> subprocess.Popen[bytes]:
        commands.append(command)
        return started(command, **given)

    monkeypatch.setattr(PostgresTool, "dump", dump_later)
    monkeypatch.setattr(subprocess, "Popen", seen)
    assert exit_code("backup", copy) == 0
    assert "1 projects; 10 items and 0 embeddings" in capsys.readouterr().out
    assert (tmp_path / "copy" / DUMP).stat().st_mode & 0o077 == 0
    pool.delete(P, range(5))

    restore = ["restore", copy, "--data-dir", restored, "--replace-pool"]
    assert exit_code(*restore) == 1
    assert "is not empty (it has public." in capsys.readouterr().err
    assert exit_code(*restore, "--store-url", state_url) == 2
    assert "PGPASSWORD" in capsys.readouterr().err
    monkeypatch.setenv("NEXTLABEL_STORE__URL", "")
    assert exit_code(*restore) == 1
    assert "--store-url postgresql+psycopg://" in capsys.readouterr().err
    assert exit_code(*restore, "--store-url", new_postgres_url) == 0
    assert "1 projects, 10 items, 0 embeddings" in capsys.readouterr().out
    assert rows(new_postgres_url) == list(range(10))
    assert sorted(all_rows(LancePoolStore(s3_url))) == list(range(20))  # the next start removes those of no segment
    assert {Path(command[0]).name for command in commands} == {"pg_dump", "pg_restore"}
    assert PASSWORD not in str(commands)


@pytest.mark.usefixtures("programs")
def test_what_fails_in_the_middle_leaves_an_empty_database_and_holds_nothing(
    state_url: str,
    new_postgres_url: str,
    s3_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    commit(state_url, 0)
    new = PostgresDatabase(new_postgres_url)
    PostgresDatabase(state_url).save(tmp_path)
    dump = (tmp_path / DUMP).read_bytes()
    (tmp_path / DUMP).write_bytes(dump[:-100])
    with pytest.raises(Unavailable, match="pg_restore failed: pg_restore: error: "):
        new.fill(tmp_path)
    (tmp_path / DUMP).write_bytes(dump)
    with new.kept_empty():
        new.fill(tmp_path)
    assert rows(new_postgres_url) == list(range(10))

    dumped = PostgresTool.dump
    monkeypatch.setattr(PostgresTool, "dump", lambda tool, snapshot, target: dumped(tool, "none", target))
    assert exit_code("backup", str(tmp_path / "copy")) == 1
    assert (
        'failed: pg_dump: error: query failed: ERROR:  invalid snapshot identifier: "none"' in capsys.readouterr().err
    )
    assert PoolVersions(s3_url).backups() == []


@pytest.mark.usefixtures("programs")
def test_a_server_that_starts_on_the_database_meanwhile_waits(new_postgres_url: str) -> None:
    new = PostgresDatabase(new_postgres_url)
    with new.kept_empty(), pytest.raises(FailedPrecondition, match="a server is starting"), new.kept_empty():
        pass
    with psycopg.connect(new_postgres_url.replace("+psycopg", "")) as server:
        server.execute("SELECT pg_advisory_xact_lock(%s)", (lock_key("migrations"),))
        with pytest.raises(FailedPrecondition, match="a server is starting"), new.kept_empty():
            pass


@pytest.mark.parametrize(
    ("version", "said"),
    [(None, "pg_dump is not installed"), ("16.3 (Debian)", "is of PostgreSQL 16, older than the server's 18")],
)
def test_a_program_that_is_missing_or_too_old_is_said(
    version: str | None, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if version:
        program = tmp_path / "pg_dump"
        program.write_text(f"#!/bin/sh\necho 'pg_dump (PostgreSQL) {version}'\n")
        program.chmod(0o700)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(FailedPrecondition, match=f"{said}.*postgresql-client-18"):
        PostgresTool("pg_dump", {"dbname": "x"}, 18)


def test_secrets_that_no_variable_takes_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "pg_dump"
    program.write_text("#!/bin/sh\necho 'pg_dump (PostgreSQL) 18'\n")
    program.chmod(0o700)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(FailedPrecondition, match="has sslpassword"):
        PostgresTool("pg_dump", {"dbname": "x", "sslpassword": "s"}, 18)


@pytest.mark.parametrize("url", ["postgresql", "postgresql+psycopg://db:x/y", "postgresql://db/y?z=1"])
def test_a_url_that_cannot_be_read_is_refused(url: str) -> None:
    with pytest.raises(InvalidArgument, match=r"store\.url: cannot be read"):
        PostgresDatabase(url)
