"""Where a server keeps things, as options of the commands that work on them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

PoolUrl = Annotated[
    str | None, typer.Option(help="Folder or s3://BUCKET/PREFIX of texts and embeddings. Default in data-dir.")
]


def named_folder(text: str) -> Path:
    """The folder that an option names; an empty text would be the current one, which nobody means."""
    if not text:
        raise typer.BadParameter("name a folder; the current one is '.'")
    return Path(text)


def places(data_dir: Path | None, pool_url: str | None) -> dict[str, Any]:
    """Return the settings for those that were given."""
    given = {"data_dir": data_dir, "store": None if pool_url is None else {"pool_url": pool_url}}
    return {name: value for name, value in given.items() if value is not None}
