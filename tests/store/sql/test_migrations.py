import asyncio
import json
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext

from nextlabel.server.operations.doctor_state import check_state
from nextlabel.server.operations.findings import Status
from nextlabel.server.ports.state_store import Transaction
from nextlabel.server.settings.settings import Settings, StoreSettings
from nextlabel.server.store import migrations
from nextlabel.server.store.sql.schema import metadata
from nextlabel.server.store.state_store import open_state_store
from nextlabel.server.values.errors import FailedPrecondition, InvalidArgument, Unavailable
from nextlabel.server.values.labeling.answers import Label, Outcome
from nextlabel.server.values.money.costs import Cost
from nextlabel.server.values.pool import ReferenceItem, Split
from nextlabel.server.values.projects.projects import LabelClass
from nextlabel.server.values.runs.annotator_options import (
    DemonstrationSelection,
    Marking,
    OpenaiCompatibleOptions,
    PromptOptions,
)
from nextlabel.server.values.runs.events import (
    AnnotationProgress,
    CurvePointAdded,
    ModelTrained,
    RoundStarted,
    RunEnded,
)
from nextlabel.server.values.runs.runs import RunState, StopReason
from tests.store import values as v
from tests.store.conftest import open_and_close, with_driver


def differences(engine: sa.Engine) -> list[object]:
    """What would have to change for the database to be as the schema says, indexes and foreign keys included."""
    with engine.connect() as connection:
        found = compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), metadata)
    engine.dispose()
    return list(found)


def test_sqlite_migrations_make_the_tables_of_the_schema(migrated_sqlite: Path) -> None:
    assert differences(sa.create_engine(f"sqlite:///{migrated_sqlite}")) == []


def test_postgres_migrations_make_the_tables_of_the_schema(postgres_url: str) -> None:
    assert differences(sa.create_engine(postgres_url)) == []


def test_a_difference_would_be_noticed(migrated_sqlite: Path, tmp_path: Path) -> None:
    changed = tmp_path / "state.db"
    changed.write_bytes(migrated_sqlite.read_bytes())
    with sqlite3.connect(changed) as db:
        db.execute("ALTER TABLE runs DROP COLUMN last_event")
    assert len(differences(sa.create_engine(f"sqlite:///{changed}"))) == 1


async def test_what_was_stored_is_there_after_reopening(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/state.db"
    first = open_state_store(url)
    await first.write(v.inserted(v.project()))
    await first.close()
    second = open_state_store(url)
    assert await second.read(lambda tx: tx.projects.by_id(v.P)) == v.project()
    await second.close()


@pytest.fixture(params=["sqlite", "postgres"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database without tables."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/state.db"
    url: str = request.getfixturevalue("new_postgres_url")
    return url


def upgraded_to(version: str, connection: sa.Connection) -> None:
    config = Config()
    config.set_main_option("script_location", "nextlabel.server.store:migrations")
    config.attributes["connection"] = connection
    command.upgrade(config, version)


def test_what_servers_of_the_version_before_read_and_write_stays(tmp_path: Path) -> None:
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'state.db'}")
    versions = sorted(path.name[:4] for path in Path(migrations.__path__[0], "versions").glob("0*.py"))
    kept: set[tuple[str, str]] = set()
    for version in versions:
        with engine.begin() as connection:
            upgraded_to(version, connection)
        found = sa.inspect(engine)
        columns = {(table, c["name"]): c for table in found.get_table_names() for c in found.get_columns(table)}
        tables = {table for table, _ in kept}
        assert kept <= columns.keys(), version
        # What they write has no value for a column that they do not know.
        unknown = [c for key, c in columns.items() if key[0] in tables and key not in kept]
        assert all(c["nullable"] or c["default"] is not None for c in unknown), version
        kept = set(columns)
    engine.dispose()


FIRST_PROJECT = """INSERT INTO projects VALUES
    ('p1', 'news', 'single_label', '[]', 1, '', 4, '{}', '{}', 1, 60.0, 0.0, false, 0, 0)"""
FIRST_LINE = """INSERT INTO ledger
    (project, run, reservation, line, kind, amount_labels, amount_tokens, amount_micro_usd, at)
    VALUES ('p1', '', 'r1', 'annotation', 'settle', 1, 20, 300, 0)"""


async def test_a_database_of_the_first_version_keeps_its_ledger(empty_url: str) -> None:
    engine = sa.create_engine(empty_url)
    with engine.begin() as connection:
        upgraded_to("0001", connection)
        connection.execute(sa.text(FIRST_PROJECT))
        connection.execute(sa.text(FIRST_LINE))
    engine.dispose()
    store = open_state_store(empty_url)
    [line] = await store.read(lambda tx: tx.budgets.entries(v.P))
    assert (line.line, line.amount) == ("annotation", Cost(1, 20, 300))
    await store.write(lambda tx: tx.projects.delete(v.P, v.NOW))
    await store.write(lambda tx: tx.budgets.append(v.entry()))
    ids = [e.id for e in await store.read(lambda tx: tx.budgets.entries(v.P))]
    assert ids == [line.id, line.id + 1]
    await store.close()


OLD_SPEC = {
    "annotator": {
        "kind": "openai_compatible",
        "options": {
            "model": "llama",
            "log_probabilities": True,
            "name": "judge",
            "prompt": {
                "demonstration_selection": "nearest",
                "demonstration_count": 3,
                "data_marking": "DATA_MARKING_QUOTED",
                "canary_share": 0.1,
                "template": 'say "data_marking":"DATA_MARKING_QUOTED"',
            },
        },
    },
    "strategy": {"name": "margin"},
    "batch_size": 20,
    "audit_share": 0.1,
    "limit": {"labels": 9},
    "target_accuracy": 0.0,
    "target_macro_f1": 0.0,
    "plateau": {},
    "max_rounds": 0,
    "seed": 1,
}
OLD_EVENTS: list[tuple[str, dict[str, object]]] = [
    ("round_started", {"unlabeled": 5, "round": 1}),
    (
        "annotation_progress",
        {
            "done": 1,
            "total": 2,
            "outcomes": {"label": 1},
            "round": 1,
            "spent": {"labels": 1, "tokens": 0, "micro_usd": 0},
        },
    ),
    ("model_trained", {"model_version": 2, "labels": 1, "accuracy": None, "candidate": "linear", "round": 1}),
    ("curve_point_added", {"model_version": 2, "labels": 1, "holdout_items": 0, "round": 1}),
    ("run_ended", {"state": "finished", "stop_reason": "budget", "detail": "spent", "round": 1}),
]


async def test_runs_of_before_options_and_events_had_types_are_read(empty_url: str) -> None:
    engine = sa.create_engine(empty_url)
    with engine.begin() as connection:
        upgraded_to("0004", connection)
        connection.execute(sa.text(FIRST_PROJECT))
        connection.execute(
            sa.text(
                "INSERT INTO runs (id, project, spec, state, stop_reason, message, round, created_at) "
                "VALUES ('r1', 'p1', :spec, 'finished', 'budget', 'spent', 1, 0)"
            ),
            {"spec": json.dumps(OLD_SPEC)},
        )
        for number, (kind, payload) in enumerate(OLD_EVENTS, start=1):
            connection.execute(
                sa.text("INSERT INTO run_events VALUES ('r1', :number, :kind, :payload, 0)"),
                {"number": number, "kind": kind, "payload": json.dumps(payload)},
            )
    engine.dispose()
    store = open_state_store(empty_url)
    [run] = await store.read(lambda tx: tx.runs.list(v.P))
    template = 'say "data_marking":"DATA_MARKING_QUOTED"'
    prompt = PromptOptions(
        DemonstrationSelection.NEAREST, 3, canary_share=0.1, data_marking=Marking.QUOTED, template=template
    )
    assert run.spec.annotator == OpenaiCompatibleOptions("llama", prompt=prompt, name="judge", log_probabilities=True)
    events = await store.read(lambda tx: tx.runs.events("r1", 0, 9))
    assert [(e.round, e.happening) for e in events] == [
        (1, RoundStarted(5)),
        (1, AnnotationProgress(1, 2, {Outcome.LABEL: 1}, Cost(1))),
        (1, ModelTrained(2)),
        (1, CurvePointAdded(2)),
        (1, RunEnded(RunState.FINISHED, StopReason.BUDGET, "spent")),
    ]
    await store.close()


CAFES = {form: f"caf{e}" for form, e in (("composed", "\u00e9"), ("decomposed", "e\u0301"))}


@pytest.mark.parametrize("beside", ["tea", CAFES["composed"]], ids=["alone", "beside_its_other_form"])
async def test_class_names_stored_as_typed_get_their_one_form(tmp_path: Path, beside: str) -> None:
    typed = CAFES["decomposed"]
    project = replace(v.project(), classes=(LabelClass(typed), LabelClass(beside)))
    url = f"sqlite:///{tmp_path}/state.db"

    def old(tx: Transaction) -> None:
        v.inserted(project)(tx)
        tx.pool.add_references(v.P, [ReferenceItem(7, "h", Split.HOLDOUT, typed, 1)])
        tx.pool.put_replay_labels(v.P, "known", [("item-1", typed)])
        tx.labeling.add_annotations([v.annotation(1, label=typed), v.annotation(2, label=beside)])

    store = open_state_store(url)
    await store.write(old)
    await store.close()
    with sqlite3.connect(tmp_path / "state.db") as db:
        for table in ("advice", "label_filters", "kept_items", "run_rows", "label_verdicts", "re_embeddings"):
            db.execute(f"DROP TABLE {table}")
        for column in ("score_range", "gold_share", "consensus", "embedding_version", "embedding_fingerprint"):
            db.execute(f"ALTER TABLE projects DROP COLUMN {column}")
        db.execute("ALTER TABLE models DROP COLUMN embedding_version")
        db.execute(newer("0007"))
    store = open_state_store(url)
    kept = typed if beside == CAFES["composed"] else CAFES["composed"]

    def check(tx: Transaction) -> None:
        found = tx.projects.by_id(v.P)
        assert found is not None
        assert found.class_names == (kept, beside)
        assert [item.label for item in tx.pool.references(v.P)] == [kept]
        assert tx.pool.replay_labels(v.P, "known") == {"item-1": kept}
        given = tx.labeling.annotations(v.P)
        assert [(a.label, a.answer.body) for a in given] == [(name, Label(name)) for name in (kept, beside)]

    await store.read(check)
    await store.close()


def newer(version: str = "9999") -> str:
    return f"UPDATE alembic_version SET version_num = '{version}'"


def test_a_newer_sqlite_file_is_refused_untouched(migrated_sqlite: Path, tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    path.write_bytes(migrated_sqlite.read_bytes())
    with sqlite3.connect(path) as db:
        db.execute(newer())
    for _ in range(2):  # the second time shows that the directory was let go
        with pytest.raises(FailedPrecondition, match="newer nextlabel") as caught:
            open_state_store(f"sqlite:///{path}")
        assert caught.value.reason == "DATABASE_TOO_NEW"


def test_a_newer_postgres_database_is_refused(new_postgres_url: str) -> None:
    open_and_close(new_postgres_url)
    engine = sa.create_engine(new_postgres_url)
    with engine.begin() as connection:
        connection.execute(sa.text(newer()))
    engine.dispose()
    with pytest.raises(FailedPrecondition, match="newer nextlabel"):
        open_state_store(new_postgres_url)


def test_servers_that_start_together_migrate_once(new_postgres_url: str) -> None:
    async def start() -> None:
        stores = await asyncio.gather(*(asyncio.to_thread(open_state_store, new_postgres_url) for _ in range(4)))
        await stores[0].write(v.inserted(v.project()))
        assert await stores[3].read(lambda tx: tx.projects.by_id(v.P)) == v.project()
        await asyncio.gather(*(store.close() for store in stores))

    asyncio.run(start())


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1"])
def test_a_postgres_database_that_cannot_hold_every_text_is_refused(postgres_server: Any, encoding: str) -> None:
    with psycopg.connect(postgres_server.get_uri(), autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE narrow ENCODING '{encoding}' LOCALE 'C' TEMPLATE template0")
        try:
            with pytest.raises(FailedPrecondition, match=f"keeps text as {encoding}.*CREATE DATABASE") as caught:
                open_state_store(with_driver(postgres_server.get_uri("narrow")))
            assert caught.value.reason == "DATABASE_ENCODING"
            seen = check_state(Settings(store=StoreSettings(url=with_driver(postgres_server.get_uri("narrow")))))
            assert [(one.status, one.message) for one in seen if one.name == "database"] == [
                (Status.FAILURE, str(caught.value))
            ]
        finally:
            admin.execute("DROP DATABASE narrow WITH (FORCE)")


@pytest.mark.parametrize("url", ["mysql://localhost/x", "sqlite://", "sqlite:///:memory:", "nonsense", ""])
def test_other_urls_are_refused(url: str) -> None:
    with pytest.raises(InvalidArgument, match="expected sqlite:///PATH or postgresql"):
        open_state_store(url)


def test_a_postgres_server_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="cannot be reached"):
        open_state_store(f"postgresql+psycopg://nobody@/none?host={tmp_path}")
