"""The doctor's look at what a server keeps: database, pool and models, without changing any of it."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path

import sqlalchemy as sa
from alembic.config import Config
from alembic.script import ScriptDirectory

from nextlabel.server.learners.embedding.embedder import is_same_encoder, weights_here
from nextlabel.server.learners.embedding.weights import differ, with_weights
from nextlabel.server.operations.backups.copying import damage, open_read_only
from nextlabel.server.operations.backups.folder import BackupPlaces
from nextlabel.server.operations.findings import Check, Status, guarded
from nextlabel.server.operations.pool_check import CommittedPool, committed_pools, find_gap
from nextlabel.server.settings.settings import Settings
from nextlabel.server.store.sql.transaction import SqlTransaction


def check_state(settings: Settings) -> Iterator[Check]:
    """Yield what is found in database, pool and models."""
    places = BackupPlaces.within(settings.data_dir)
    pools: list[CommittedPool] = []
    url = settings.store.url or f"sqlite:///{places.database}"
    if sa.make_url(url).get_backend_name() == "sqlite":
        path = Path(url.partition(":///")[2])
        if not path.is_file():
            yield Check("database", Status.OK, f"{path} is not there yet; the first start creates it")
            return
        yield from guarded("database", lambda: _check_sqlite(path, pools))
    else:
        yield from guarded("database", lambda: _check_postgres(url, pools))
    yield from _check_encoders(settings.embedding.allowed, pools)
    yield from guarded("pool", lambda: _check_pools(settings.pool_root, pools))
    yield from guarded("models", lambda: _check_models(places.models, pools))


def _check_sqlite(path: Path, pools: list[CommittedPool]) -> Iterator[Check]:
    from nextlabel.server.store.sql.sqlite import SqliteConnection

    with closing(open_read_only(path)) as db:
        problem = damage(db)
        if problem:
            yield Check("database", Status.FAILURE, f"{path} is damaged ({problem}); restore it from a backup")
            return
        yield Check("database", Status.OK, f"{path} passes its integrity check")
        revision = db.execute("SELECT version_num FROM alembic_version").fetchone()
        known = yield from _check_version(revision[0] if revision else "")
        if known:
            pools += committed_pools(SqlTransaction(SqliteConnection(db, writing=False)))


def _check_postgres(url: str, pools: list[CommittedPool]) -> Iterator[Check]:
    import psycopg

    from nextlabel.server.store.sql.postgres import PostgresConnection, check_encoding

    try:
        with psycopg.connect(sa.make_url(url).set(drivername="postgresql").render_as_string(False)) as db:
            db.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            check_encoding(db.info.parameter_status("server_encoding") or "")
            yield Check("database", Status.OK, f"PostgreSQL {db.info.server_version // 10_000} answers")
            revision = db.execute("SELECT version_num FROM alembic_version").fetchone()
            known = yield from _check_version(str(revision[0]) if revision else "")
            if known:
                pools += committed_pools(SqlTransaction(PostgresConnection(db, writing=False)))
    except psycopg.errors.UndefinedTable:
        yield Check("database", Status.OK, "PostgreSQL has no tables yet; the first start creates them")
    except psycopg.Error as error:
        yield Check("database", Status.FAILURE, f"PostgreSQL cannot be used: {str(error).strip()}")


def _check_version(present: str) -> Generator[Check, None, bool]:
    """Yield how the tables' version relates to this program; the value says whether they can be read."""
    config = Config()
    config.set_main_option("script_location", "nextlabel.server.store:migrations")
    scripts = ScriptDirectory.from_config(config)
    head = scripts.get_current_head()
    if present == head:
        yield Check("schema", Status.OK, f"version {present}, the newest")
        return True
    if present in {script.revision for script in scripts.walk_revisions()}:
        yield Check("schema", Status.WARNING, f"version {present}; the next start brings it to {head}: back up first")
        return False
    yield Check("schema", Status.FAILURE, f"version {present!r} is of a newer nextlabel; this one knows up to {head}")
    return False


def _check_encoders(models: Sequence[str], pools: Sequence[CommittedPool]) -> Iterator[Check]:
    """Find projects of embedding models that are not here: what comes anew could not be compared with their items."""
    here = " and ".join(map(repr, models))
    for other, names in _lacking(models, {pool.project.name: pool.project.embedding_model for pool in pools}):
        yield Check(
            "embeddings",
            Status.WARNING,
            f"{names}: texts are embedded by {other!r}, and the server has {here}: "
            f"it takes no new texts of these projects and predicts none; serve with {other!r} in embedding.models, "
            "or have another model take over (nextlabel project re-embed)",
        )
    for other, names in _lacking(models, {pool.project.name: pool.taking_over for pool in pools}):
        yield Check(
            "embeddings",
            Status.WARNING,
            f"{names}: {other!r} is to embed all items anew, and the server has {here}: it does not go on, and would "
            f"not serve these projects afterwards; serve with {other!r} in embedding.models, or give it up "
            "(nextlabel project re-embed NAME --cancel)",
        )
    yield from guarded("embeddings", lambda: _check_weights(models, pools))


def _check_weights(models: Sequence[str], pools: Sequence[CommittedPool]) -> Iterator[Check]:
    """Find projects whose texts were embedded with other weights than those that the name of their model has here."""
    for project in (pool.project for pool in pools if pool.project.embedding_fingerprint):
        model = next((one for one in models if is_same_encoder(one, project.embedding_model)), None)
        if model is not None and differ(project.embedding_fingerprint, found := weights_here(model)):
            yield Check(
                "embeddings",
                Status.WARNING,
                f"{project.name}: texts are embedded by "
                f"{with_weights(project.embedding_model, project.embedding_fingerprint)}, and this machine has "
                f"{with_weights(model, found)}: a server takes no new texts of the project and predicts none; bring "
                "the former files back, or have these take over (nextlabel project re-embed)",
            )


def _lacking(models: Sequence[str], wanted: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield each model wanted that is not among those, with the names of the projects that want it; '' is none."""
    others: dict[str, list[str]] = {}
    for project, model in wanted.items():
        if model and not any(is_same_encoder(model, one) for one in models):
            others.setdefault(model, []).append(project)
    for other, projects in others.items():
        yield other, ", ".join(projects)


def _check_pools(root: str, pools: Sequence[CommittedPool]) -> Iterator[Check]:
    from nextlabel.server.store.lance_pool.pool_store import LancePoolStore

    if not pools:
        return
    arrays = LancePoolStore(root)
    for pool in pools:
        gap = find_gap(arrays, pool)
        if gap:
            yield Check("pool", Status.FAILURE, f"{gap}: restore them from a backup")
            continue
        held = f"{len(pool.rows_n)} items and {len(pool.embedded_m)} embeddings"
        yield Check("pool", Status.OK, f"project {pool.project.name}: all {held} that were committed are there")


def _check_models(folder: Path, pools: Sequence[CommittedPool]) -> Iterator[Check]:
    from nextlabel.server.learners.persistence import DamagedModelError, load_model

    for pool in pools:
        if not pool.model_version:
            continue
        where = f"project {pool.project.name}: model version {pool.model_version}"
        try:
            load_model(folder / pool.project.id / f"{pool.model_version:06d}.skops")
        except FileNotFoundError:
            yield Check("models", Status.WARNING, f"{where} has no file; it is trained again when it is needed")
        except DamagedModelError as error:
            yield Check("models", Status.WARNING, f"{where}: {error}; it is trained again when it is needed")
        else:
            yield Check("models", Status.OK, f"{where} can be read")
