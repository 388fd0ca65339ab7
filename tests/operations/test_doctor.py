import json
import re
import sqlite3
from datetime import date
from pathlib import Path

import pytest

from nextlabel.server.operations.doctor import check_models, check_settings, check_space, examine
from nextlabel.server.operations.doctor_state import check_state
from nextlabel.server.operations.findings import Check, Status
from nextlabel.server.settings.settings import load_settings
from tests.operations.conftest import Serving, add, create, exit_code, settings_of


@pytest.fixture
async def trained(serving: Serving, data_dir: Path) -> Path:
    async with serving(data_dir) as client:
        await create(client)
        await add(client, 0, 50)
        answers = {f"item{i}": "a" if i % 2 else "b" for i in range(20)}
        await client.labeling.submit("news", answers, annotator="ann")
        await client.learner.train("news")
    return data_dir


def state(data_dir: Path) -> list[Check]:
    return list(check_state(settings_of(data_dir)))


def test_a_served_directory_is_sound_and_the_lock_names_its_holder(trained: Path):
    checks = state(trained)
    assert {check.status for check in checks} == {Status.OK}
    assert {check.name for check in checks} == {"database", "schema", "pool", "models"}
    assert any("all 50 items and 50 embeddings" in check.message for check in checks)


async def test_a_running_server_is_found_and_not_disturbed(serving: Serving, trained: Path):
    async with serving(trained) as client:
        checks = list(examine(settings_of(trained)))
        await add(client, 100, 1)
    [lock] = [check for check in checks if check.name == "lock"]
    assert "a server is running" in lock.message
    assert not [check for check in checks if check.status is Status.FAILURE]


@pytest.mark.parametrize(
    ("file", "name", "status"),
    [
        ("pools/*/items.lance/data/*", "pool", Status.FAILURE),
        ("pools/*/embeddings.lance/data/*", "pool", Status.FAILURE),
        ("models/*/*.skops", "models", Status.WARNING),
    ],
)
def test_a_lost_file_is_found(trained: Path, file: str, name: str, status: Status):
    next(trained.glob(file)).unlink()
    assert [check.name for check in state(trained) if check.status is status] == [name]


def test_committed_rows_that_the_pool_lacks_are_counted(trained: Path):
    with sqlite3.connect(trained / "state.db") as db:
        db.execute("UPDATE segments SET row_count = row_count + 5")
    [gap] = [check for check in state(trained) if check.status is Status.FAILURE]
    assert "5 items and 5 embeddings are missing" in gap.message


def test_projects_of_another_embedding_model_are_named(trained: Path):
    with sqlite3.connect(trained / "state.db") as db:
        db.execute("UPDATE projects SET embedding_model = 'another'")
    [other] = [check for check in state(trained) if check.status is not Status.OK]
    assert (other.name, other.status) == ("embeddings", Status.WARNING)
    assert other.message.startswith("news: texts are embedded by 'another'")


def test_projects_of_other_weights_of_their_model_are_named(trained: Path):
    with sqlite3.connect(trained / "state.db") as db:
        db.execute(
            "UPDATE projects SET embedding_model = 'all-MiniLM-L6-v2', embedding_fingerprint = '0123456789abcdef'"
        )
    [other] = [check for check in state(trained) if check.status is not Status.OK]
    assert (other.name, other.status) == ("embeddings", Status.WARNING)
    said = r"news: texts are embedded by 'all-MiniLM-L6-v2' \(weights 0123456789ab\), and this machine has .*\(weights "
    assert re.match(said, other.message)


def test_projects_that_a_missing_embedding_model_is_to_take_over_are_named(trained: Path):
    other = "INSERT INTO re_embeddings SELECT id, 1, '/m/other', 8, 3, ?, 0, '' FROM projects"
    for underway in ("done", "underway"):
        with sqlite3.connect(trained / "state.db") as db:
            db.execute("DELETE FROM re_embeddings")
            db.execute(other, (underway,))
        found = [check.message for check in state(trained) if check.status is not Status.OK]
        assert len(found) == (underway == "underway")
    assert found[0].startswith("news: '/m/other' is to embed all items anew")
    assert "embedding.models" in found[0]


def test_an_altered_model_file_is_found(trained: Path):
    model = next(trained.glob("models/*/*.skops"))
    model.write_bytes(model.read_bytes()[:-10] + b"0123456789")
    [damaged] = [check for check in state(trained) if check.status is Status.WARNING]
    assert "checksum" in damaged.message


def test_a_damaged_database_is_found(trained: Path):
    with (trained / "state.db").open("r+b") as file:
        file.seek(8_192)
        file.write(b"\xff" * 20_000)
    [damaged] = [check for check in state(trained) if check.status is Status.FAILURE]
    assert damaged.name == "database"


def test_a_database_of_a_newer_version_is_named(trained: Path):
    with sqlite3.connect(trained / "state.db") as db:
        db.execute("UPDATE alembic_version SET version_num = '9999'")
    [newer] = [check for check in state(trained) if check.status is Status.FAILURE]
    assert (newer.name, "9999" in newer.message) == ("schema", True)


def test_a_directory_that_is_not_there_yet_is_no_failure_and_is_not_made(tmp_path: Path):
    checks = list(examine(settings_of(tmp_path / "new")))
    assert not [check for check in checks if check.status is Status.FAILURE]
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("free", "status"), [(10 * 2**20, Status.FAILURE), (2**30, Status.WARNING), (2**40, Status.OK)]
)
def test_a_disk_that_runs_full_is_told_before_it_is(free: int, status: Status):
    assert check_space(free).status is status


def test_the_summary_of_the_settings_holds_no_secret(data_dir: Path):
    settings = load_settings(
        {
            "data_dir": data_dir,
            "store": {"url": "postgresql+psycopg://user:hidden-password@db/nextlabel"},
            "annotators": {"anthropic": {"api_key": "hidden-key"}},
            "auth": {"admin_token": "hidden-token"},
        }
    )
    told = " ".join(check.message for check in check_settings(settings))
    assert "hidden" not in told
    assert "user:***@db" in told
    assert "Anthropic key set" in told


def test_a_cluster_to_compute_on_is_named_and_what_it_needs_looked_for(data_dir: Path, monkeypatch: pytest.MonkeyPatch):
    settings = load_settings({"data_dir": data_dir, "compute": {"executor": "ray", "ray": {"address": "head:6379"}}})
    assert "computes on a Ray cluster, head:6379" in " ".join(check.message for check in check_settings(settings))
    monkeypatch.setattr("nextlabel.server.operations.doctor.find_spec", lambda _: None)
    [missing] = [check for check in check_settings(settings) if check.status is Status.FAILURE]
    assert "pip install 'nextlabel[server,ray]'" in missing.message


def test_models_that_retire_are_named_before_and_after_their_day(data_dir: Path):
    settings = settings_of(data_dir)
    (quiet,) = check_models(settings, date(2026, 9, 1))
    assert "retire" not in quiet.message
    (soon,) = check_models(settings, date(2026, 11, 1))
    assert "claude-sonnet-4-5*: the model retires on 2026-11-30" in soon.message
    (past,) = check_models(settings, date(2027, 1, 1))
    assert "claude-sonnet-4-5*: the model was retired on 2026-11-30" in past.message


def test_the_command_prints_every_check_as_json_and_fails_with_one_of_them(
    trained: Path, capsys: pytest.CaptureFixture[str]
):
    assert exit_code("doctor", "--data-dir", str(trained), "--output", "json") == 0
    assert {check["name"] for check in json.loads(capsys.readouterr().out)} >= {"python", "disk", "pool"}
    next(trained.glob("pools/*/items.lance/data/*")).unlink()
    assert exit_code("doctor", "--data-dir", str(trained)) == 1
    assert "failure  pool" in capsys.readouterr().out
