"""`nextlabel guidelines`: the versions of the codebook."""

from pathlib import Path
from typing import Annotated, Any

import typer

from nextlabel.client.cli.files import read_text
from nextlabel.client.cli.options import ProjectArgument
from nextlabel.client.cli.output import Output, OutputOption, TableColumns, emit_many, emit_one
from nextlabel.client.cli.problems import say
from nextlabel.client.cli.session import session

app = typer.Typer(help="Add, list, show, accept and reject versions of the codebook.", no_args_is_help=True)

_COLUMNS: TableColumns = {
    "VERSION": lambda g: g["version"],
    "STATE": lambda g: g["state"],
    "AUTHOR": lambda g: g["author"],
    "CREATED": lambda g: g["create_time"],
    "BEGINS": lambda g: g["text"].partition("\n")[0][:60],
}

VersionArgument = Annotated[int, typer.Argument(min=1, help="Number of the version.")]


@app.command(epilog="Example: nextlabel guidelines add news codebook.md --accept")
def add(
    ctx: typer.Context,
    project: ProjectArgument,
    file: Annotated[Path, typer.Argument(help="A text file in UTF-8.")],
    accept: Annotated[bool, typer.Option("--accept", help="Put it in force at once.")] = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Store a new version of the guidelines."""
    text = read_text(file)
    with session(ctx).connect() as client:
        from nextlabel.client.cli.plain import plain

        _show(plain(client.projects.add_guidelines(project, text, accept=accept)), output)


@app.command("list", epilog="Example: nextlabel guidelines list news")
def list_guidelines(ctx: typer.Context, project: ProjectArgument, output: OutputOption = Output.TABLE) -> None:
    """List the versions, newest first."""
    with session(ctx).connect() as client:
        from nextlabel.client.cli.plain import plain

        emit_many((plain(version) for version in client.projects.list_guidelines(project)), _COLUMNS, output)


@app.command(epilog="Example: nextlabel guidelines show news 2")
def show(
    ctx: typer.Context,
    project: ProjectArgument,
    version: Annotated[int, typer.Argument(min=0, help="Number of the version; 0 for the one in force.")] = 0,
    output: OutputOption = Output.TABLE,
) -> None:
    """Show the text of a version, and the critique it came from."""
    with session(ctx).connect() as client:
        from nextlabel.client.cli.plain import plain

        guidelines = plain(client.projects.get_guidelines(project, version))
    emit_one(guidelines, output)


@app.command(epilog="Example: nextlabel guidelines propose news --model MODEL --budget-usd 0.50")
def propose(
    ctx: typer.Context,
    project: ProjectArgument,
    model: Annotated[str, typer.Option(help="Model that writes the critique.")],
    max_disagreements: Annotated[int, typer.Option(min=0, help="Most disagreements to show it.")] = 0,
    measure_on_gold: Annotated[bool, typer.Option("--measure", help="Measure the proposal on gold.")] = False,
    budget_usd: Annotated[float, typer.Option(min=0, help="Most US dollars to spend.")] = 0.0,
    output: OutputOption = Output.TABLE,
) -> None:
    """Have an LLM propose guidelines from disagreements: a new version, not in force."""
    with session(ctx).connect() as client:
        from nextlabel.client.cli.plain import plain
        from nextlabel.client.settings import cost

        proposal = client.projects.propose_guidelines(
            project,
            model=model,
            max_disagreements=max_disagreements,
            measure_on_gold=measure_on_gold,
            limit=cost(usd=budget_usd),
        )
        emit_one(plain(proposal.guidelines), output)


@app.command(epilog="Example: nextlabel guidelines accept news 2")
def accept(
    ctx: typer.Context, project: ProjectArgument, version: VersionArgument, output: OutputOption = Output.TABLE
) -> None:
    """Put a version in force."""
    with session(ctx).connect() as client:
        from nextlabel.client.cli.plain import plain

        _show(plain(client.projects.accept_guidelines(project, version)), output)


@app.command(epilog="Example: nextlabel guidelines reject news 3")
def reject(
    ctx: typer.Context, project: ProjectArgument, version: VersionArgument, output: OutputOption = Output.TABLE
) -> None:
    """Turn a proposed version down."""
    with session(ctx).connect() as client:
        from nextlabel.client.cli.plain import plain

        _show(plain(client.projects.reject_guidelines(project, version)), output)


def _show(guidelines: dict[str, Any], output: Output) -> None:
    say(f"version {guidelines['version']} is {guidelines['state']}")
    emit_one(guidelines, output, shown={k: guidelines[k] for k in ("version", "state", "author", "create_time")})
