"""`nextlabel serve`."""

from __future__ import annotations

import atexit
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nextlabel.server.cli.errors import reported
from nextlabel.server.cli.places import PoolUrl, named_folder, places

if TYPE_CHECKING:
    from nextlabel.server.settings.settings import Settings


@reported
def serve(
    data_dir: Annotated[
        Path | None,
        typer.Option(
            parser=named_folder,
            metavar="<path>",
            help="Folder of everything the server keeps; created when missing. Default nextlabel-data.",
        ),
    ] = None,
    pool_url: PoolUrl = None,
    bind: Annotated[
        str | None, typer.Option(help="HOST:PORT or unix:PATH; port 0 takes a free one. Default 127.0.0.1:50051.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="Processes that serve the port, to use more cores. Default 1.", min=1)
    ] = None,
    config: Annotated[Path | None, typer.Option(help="Settings file, TOML. Environment and options win.")] = None,
    metrics: Annotated[str | None, typer.Option(help="HOST:PORT where metrics for Prometheus are served.")] = None,
    web: Annotated[
        str | None, typer.Option(help="HOST:PORT of dashboard and labeling page. Default 127.0.0.1:50080.")
    ] = None,
    no_web: Annotated[bool, typer.Option("--no-web", help="Leave the pages out.")] = False,
    local_llm: Annotated[
        bool,
        typer.Option(
            "--local-llm", help="Run a small LLM of its own for `--annotator local`; needs the extra `local`."
        ),
    ] = False,
    log_level: Annotated[str | None, typer.Option(help="debug, info, warning or error.")] = None,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Allow an address beyond loopback without TLS and tokens.")
    ] = False,
) -> None:
    """Serve the API of a data directory until SIGTERM.

    Example: nextlabel serve --data-dir ./data --bind 127.0.0.1:50051
    """
    from nextlabel.server.settings.settings import SettingsError, load_settings
    from nextlabel.server.system.heap import share_arenas

    share_arenas()
    given = {"bind": bind, "workers": workers, "insecure": insecure or None}
    overrides = places(data_dir, pool_url) | {name: value for name, value in given.items() if value is not None}
    if metrics is not None:
        overrides["metrics"] = {"bind": metrics}
    if web is not None or no_web:
        overrides["web"] = {"bind": None if no_web else web}
    if log_level is not None:
        overrides["log"] = {"level": log_level}
    settings = load_settings(overrides, config)
    try:
        settings.tls.check_files()
    except ValueError as error:
        raise SettingsError(str(error)) from error
    if sys.stderr.isatty():
        # What comes next takes seconds to import.
        typer.echo("starting …", err=True)
    if local_llm:
        settings = asking_own_llm(settings)

    from nextlabel.server.api.boundary.logs import configure_logs

    configure_logs(settings.log.level, settings.log.format)
    if settings.workers > 1:
        from nextlabel.server.cli.workers import serve_with_workers

        raise typer.Exit(serve_with_workers(settings, typer.echo))
    from nextlabel.server.app import serve as serve_until_stopped
    from nextlabel.server.cli.output import ready_lines
    from nextlabel.server.system.addresses import at_port
    from nextlabel.server.system.event_loop import run

    def say(port: int, pages: str) -> None:
        typer.echo(ready_lines(settings.data_dir, at_port(settings.bind, port), pages))

    run(serve_until_stopped(settings, say))


def asking_own_llm(settings: Settings) -> Settings:
    """Run a model on this machine until the process ends; return settings of a server that asks it.

    Raises:
        InvalidArgument: there are several workers, which are forks that would not have the model.
        FailedPrecondition: there is no model on this machine.
    """
    from nextlabel.server.annotators.endpoints.local_llm import LocalLlm, LocalLlmSettings
    from nextlabel.server.annotators.settings import OpenAiCompatibleSettings
    from nextlabel.server.values.errors import InvalidArgument

    if settings.workers > 1:
        raise InvalidArgument.field(
            "--local-llm", "goes with one worker; with more, run `nextlabel local-llm` beside the server"
        )
    model = LocalLlm(LocalLlmSettings())
    atexit.register(model.close)
    typer.echo(f"{model.model} answers for --annotator local", err=True)
    endpoint = OpenAiCompatibleSettings.model_validate(model.endpoint)
    annotators = settings.annotators.model_copy(update={"openai_compatible": endpoint})
    return settings.model_copy(update={"annotators": annotators})
