"""`nextlabel backup` and `nextlabel restore`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nextlabel.server.cli.errors import reported
from nextlabel.server.cli.places import PoolUrl, named_folder, places

if TYPE_CHECKING:
    from nextlabel.server.operations.backup import BackupPlaces
    from nextlabel.server.settings.settings import Settings


@reported
def backup(
    target: Annotated[Path, typer.Argument(help="Folder for the copy: a new one, or an empty one.")],
    data_dir: Annotated[
        Path | None, typer.Option(parser=named_folder, metavar="<path>", help="Data directory of the server.")
    ] = None,
    pool_url: PoolUrl = None,
    config: Annotated[Path | None, typer.Option(help="Settings file of the server, TOML.")] = None,
) -> None:
    """Copy a data directory, while it is served or not, and verify the copy.

    A store on PostgreSQL is not in the data directory: the command says what to do instead.

    Example: nextlabel backup --data-dir ./data /backups/2026-11-22
    """
    from nextlabel.server.operations.backup import back_up
    from nextlabel.server.settings.settings import load_settings

    settings = load_settings(places(data_dir, pool_url), config)
    copied = back_up(_local_places(settings), target)
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
) -> None:
    """Make a data directory out of a backup and verify it.

    Example: nextlabel restore /backups/2026-11-22 --data-dir ./data
    """
    from nextlabel.server.operations.backup import put_back

    found = put_back(source, data_dir)
    typer.echo(
        f"{data_dir}: {found.projects} projects, {found.items} items, {found.embeddings} embeddings "
        f"as of {found.created_at}, verified"
    )


def _local_places(settings: Settings) -> BackupPlaces:
    """Return where the server keeps its files; refuse what cannot be copied as files."""
    from urllib.parse import unquote, urlsplit

    from nextlabel.server.operations.backup import BackupPlaces
    from nextlabel.server.values.errors import FailedPrecondition

    kept = BackupPlaces.within(settings.data_dir)
    url, pools = settings.store.url, settings.store.pool_url
    if url:
        if not url.startswith("sqlite:"):
            raise FailedPrecondition(
                "the state is in PostgreSQL (store.url): save it with pg_dump first, then copy the pool "
                "(store.pool_url) and the folder models of the data directory; put all three back together",
                reason="STATE_NOT_LOCAL",
            )
        kept = replace(kept, database=Path(url.partition(":///")[2]))
    if pools:
        if "://" in pools and not pools.startswith("file://"):
            raise FailedPrecondition(
                f"the pool is at {pools} (store.pool_url): copy it with that store's tools after the state",
                reason="POOL_NOT_LOCAL",
            )
        kept = replace(kept, pools=Path(unquote(urlsplit(pools).path)))
    return kept
