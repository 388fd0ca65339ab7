"""`nextlabel backup`, `nextlabel restore` and `nextlabel backups`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nextlabel.server.cli.errors import reported
from nextlabel.server.cli.places import PoolUrl, named_folder, places

if TYPE_CHECKING:
    from nextlabel.server.operations.backups.databases import Database
    from nextlabel.server.operations.backups.folder import BackupPlaces, BackupSummary
    from nextlabel.server.settings.settings import Settings
    from nextlabel.server.store.lance_pool.held_backups import HeldBackup

DataDir = Annotated[
    Path | None, typer.Option(parser=named_folder, metavar="<path>", help="Data directory of the server.")
]
Config = Annotated[Path | None, typer.Option(help="Settings file of the server, TOML.")]


@reported
def backup(
    target: Annotated[Path, typer.Argument(help="Folder for the copy: a new one, or an empty one.")],
    data_dir: DataDir = None,
    pool_url: PoolUrl = None,
    config: Config = None,
    copy: Annotated[
        bool,
        typer.Option("--copy", help="Copy a pool that is in a bucket, too, instead of holding its versions there."),
    ] = False,
) -> None:
    """Copy a data directory, while it is served or not, and verify the copy.

    Texts and embeddings in a bucket stay there: the bucket keeps them as they are now until the backup is let go
    (nextlabel backups). With them a database in PostgreSQL is saved by its pg_dump; with texts and embeddings in a
    folder the command says what to do instead.

    Example: nextlabel backup --data-dir ./data /backups/2026-11-22
    """
    from nextlabel.server.operations.backups.copies import back_up
    from nextlabel.server.operations.backups.held_versions import hold_versions
    from nextlabel.server.settings.settings import load_settings

    settings = load_settings(places(data_dir, pool_url), config)
    kept, bucket = _local_places(settings, copy=copy)
    if bucket and not copy:
        held = hold_versions(_database(settings, kept), kept, settings.data_dir, bucket, target)
        typer.echo(
            f"{target}: {held.projects} projects; {held.items} items and {held.embeddings} embeddings stay in "
            f"{bucket}, which holds them as backup {held.name}: versions of {len(held.versions)} tables, with what is "
            "deleted from now on, until you let it go (nextlabel backups --let-go)"
        )
        return
    copied = back_up(kept, target, bucket)
    typer.echo(
        f"{target}: {copied.projects} projects, {copied.items} items, {copied.embeddings} embeddings, "
        f"{copied.bytes / 1e6:.1f} MB, verified"
    )


@reported
def restore(
    source: Annotated[Path, typer.Argument(help="Folder that nextlabel backup has made.")],
    data_dir: Annotated[
        Path,
        typer.Option(parser=named_folder, metavar="<path>", help="Data directory to make; a new one, or an empty one."),
    ],
    replace_pool: Annotated[
        bool, typer.Option("--replace-pool", help="Put back a pool in a bucket in the place of what is there now.")
    ] = False,
    store_url: Annotated[
        str,
        typer.Option(
            metavar="<url>",
            help="Empty PostgreSQL database for a dump of one, without its password. By default store.url.",
        ),
    ] = "",
    config: Config = None,
) -> None:
    """Make a data directory out of a backup and verify it.

    A backup of a server on PostgreSQL fills an empty database, too.

    Example: nextlabel restore /backups/2026-11-22 --data-dir ./data
    """
    from nextlabel.server.operations.backups.copies import put_back
    from nextlabel.server.operations.backups.held_versions import is_of_versions, put_versions_back

    found: BackupSummary
    if is_of_versions(source):
        found = held = put_versions_back(source, data_dir, _named(store_url, config), replace_pool=replace_pool)
        where = f"; the pool in {held.pool_url} is as it was then"
    else:
        found = put_back(source, data_dir)
        where = ""
    typer.echo(
        f"{data_dir}: {found.projects} projects, {found.items} items, {found.embeddings} embeddings "
        f"as of {found.created_at}, verified{where}"
    )


@reported
def backups(
    data_dir: DataDir = None,
    pool_url: PoolUrl = None,
    config: Config = None,
    let_go: Annotated[
        str, typer.Option(metavar="<name>", help="Let this backup go, and remove what it alone kept in the bucket.")
    ] = "",
) -> None:
    """List the backups that a bucket holds versions for, or let one go.

    Example: nextlabel backups --pool-url s3://bucket/prefix
    """
    from nextlabel.server.settings.settings import load_settings
    from nextlabel.server.store.lance_pool.pool_store import LONGEST_SCAN
    from nextlabel.server.store.lance_pool.pool_versions import PoolVersions

    versions = PoolVersions(load_settings(places(data_dir, pool_url), config).pool_root)
    if let_go:
        left = versions.let_go(let_go, LONGEST_SCAN)
        typer.echo(_let_go(let_go, left))
        return
    found = versions.backups()
    for backup in found:
        typer.echo(
            f"{backup.name}  {backup.begun_at:%Y-%m-%d %H:%M} UTC  {len(backup.versions):5} tables  {_is(backup)}"
        )
    if not found:
        typer.echo("the bucket holds no backups")


def _is(backup: HeldBackup) -> str:
    from nextlabel.server.store.lance_pool.held_backups import BackupState

    return {
        BackupState.BEGUN: "not finished: under way, or cut off",
        BackupState.HELD: "held",
        BackupState.LET_GO: "let go, not all is removed yet",
    }[backup.state]


def _let_go(name: str, left: int) -> str:
    if left:
        return (
            f"backup {name} is let go; what it kept of {left} tables was replaced within the last hour and may still "
            "be read: repeat the command in an hour to remove it"
        )
    return (
        f"backup {name} is let go, and what it alone kept is removed; texts deleted since stay in the bucket as long "
        "as another backup holds them, and until the server has compacted their table"
    )


def _named(store_url: str, config: Path | None) -> str:
    """Return the URL of the database to fill, '' for none; one on the command line has no password."""
    from nextlabel.server.settings.settings import load_settings
    from nextlabel.server.values.errors import InvalidArgument

    if not store_url:
        return load_settings({}, config).store.url or ""
    from nextlabel.server.operations.backups.postgres_database import PostgresDatabase

    if PostgresDatabase(store_url).has_password:
        raise InvalidArgument.field(
            "store-url",
            "everybody on this machine can read the password of a command; give it in PGPASSWORD or ~/.pgpass, or the "
            "whole URL as the setting store.url",
        )
    return store_url


def _database(settings: Settings, kept: BackupPlaces) -> Database:
    from nextlabel.server.operations.backups.databases import SqliteDatabase

    if not _on_postgres(settings):
        return SqliteDatabase(kept.database)
    from nextlabel.server.operations.backups.postgres_database import PostgresDatabase

    return PostgresDatabase(settings.store_url)


def _on_postgres(settings: Settings) -> bool:
    return settings.store_url.startswith("postgresql")


def _local_places(settings: Settings, *, copy: bool) -> tuple[BackupPlaces, str]:
    """Return where the server keeps its files, and the bucket of its pool or ''; refuse what cannot be copied."""
    from urllib.parse import unquote, urlsplit

    from nextlabel.server.operations.backups.folder import BackupPlaces
    from nextlabel.server.values.errors import FailedPrecondition

    kept = BackupPlaces.within(settings.data_dir)
    url, pools = settings.store.url, settings.store.pool_url
    if _on_postgres(settings):
        if copy or not (pools or "").startswith("s3://"):
            raise FailedPrecondition(
                "the state is in PostgreSQL (store.url), which is backed up only with a pool in a bucket that stays "
                "there: save it with pg_dump first, then copy the pool (store.pool_url) and the folder models of the "
                "data directory; put all three back together",
                reason="STATE_NOT_LOCAL",
            )
    elif url:
        kept = replace(kept, database=Path(url.partition(":///")[2]))
    if pools:
        if pools.startswith("s3://"):
            return kept, pools
        if "://" in pools and not pools.startswith("file://"):
            raise FailedPrecondition(
                f"the pool is at {pools} (store.pool_url): copy it with that store's tools after the state",
                reason="POOL_NOT_LOCAL",
            )
        kept = replace(kept, pools=Path(unquote(urlsplit(pools).path)))
    return kept, ""
