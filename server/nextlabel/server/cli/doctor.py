"""`nextlabel doctor`."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from nextlabel.server.cli.errors import reported
from nextlabel.server.cli.output import ReportForm
from nextlabel.server.cli.places import PoolUrl, named_folder, places


@reported
def doctor(
    data_dir: Annotated[
        Path | None, typer.Option(parser=named_folder, metavar="<path>", help="Data directory of the server.")
    ] = None,
    pool_url: PoolUrl = None,
    config: Annotated[Path | None, typer.Option(help="Settings file of the server, TOML.")] = None,
    output: Annotated[ReportForm, typer.Option(help="What to print.")] = ReportForm.TABLE,
) -> None:
    """Check the installation and a data directory, which may be in use; exit code 1 when something fails.

    Example: nextlabel doctor --data-dir ./data --output json
    """
    from nextlabel.server.operations.doctor import examine
    from nextlabel.server.operations.findings import Status
    from nextlabel.server.settings.settings import load_settings

    settings = load_settings(places(data_dir, pool_url), config)
    checks = []
    for check in examine(settings):
        checks.append(check)
        if output is ReportForm.TABLE:
            typer.echo(f"{check.status.value:8} {check.name}: {check.message}")
    if output is ReportForm.JSON:
        typer.echo(json.dumps([asdict(check) for check in checks], indent=2))
    if any(check.status is Status.FAILURE for check in checks):
        raise typer.Exit(1)
