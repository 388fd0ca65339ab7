"""`nextlabel guidelines`: the versions of the codebook."""

from difflib import unified_diff
from pathlib import Path
from typing import Annotated, Any

import typer

from nextlabel.client.cli.options import ProjectArgument
from nextlabel.client.cli.output.forms import Output, OutputOption, TableColumns, emit_many, emit_one
from nextlabel.client.cli.output.terminal import printable
from nextlabel.client.cli.problems import say
from nextlabel.client.cli.session import session
from nextlabel.client.messages.amounts import percent, usd
from nextlabel.client.readers.text import read_text

app = typer.Typer(help="Add, list, show, accept and reject versions of the codebook.", no_args_is_help=True)

_COLUMNS: TableColumns = {
    "VERSION": lambda g: g["version"],
    "STATE": lambda g: g["state"],
    "AUTHOR": lambda g: g["author"],
    "ON GOLD": lambda g: _accuracies(g["effect"]) if g["effect"] else None,
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
        from nextlabel.client.messages.plain import plain

        _show(plain(client.guidelines.add(project, text, accept=accept)), output)


@app.command("list", epilog="Example: nextlabel guidelines list news")
def list_guidelines(ctx: typer.Context, project: ProjectArgument, output: OutputOption = Output.TABLE) -> None:
    """List the versions, newest first."""
    with session(ctx).connect() as client:
        from nextlabel.client.messages.plain import plain

        emit_many(
            (plain(version) for version in client.guidelines.list(project)),
            _COLUMNS,
            output,
            none=f"there are no guidelines yet: nextlabel guidelines add {project} FILE --accept",
        )


@app.command(epilog="Example: nextlabel guidelines show news 2")
def show(
    ctx: typer.Context,
    project: ProjectArgument,
    version: Annotated[int, typer.Argument(min=0, help="Number of the version; 0 for the one in force.")] = 0,
    output: OutputOption = Output.TABLE,
) -> None:
    """Show the text of a version, and the critique it came from."""
    with session(ctx).connect() as client:
        from nextlabel.client.messages.plain import plain

        guidelines = plain(client.guidelines.get(project, version))
    emit_one(guidelines, output)


@app.command(epilog="Example: nextlabel guidelines propose news --measure --budget-usd 0.50")
def propose(
    ctx: typer.Context,
    project: ProjectArgument,
    model: Annotated[
        str, typer.Option(show_default="that of the annotator", help="Model that writes the critique.")
    ] = "",
    max_disagreements: Annotated[
        int, typer.Option(min=0, show_default="the server's", help="Most disagreements to show it.")
    ] = 0,
    measure_on_gold: Annotated[bool, typer.Option("--measure", help="Measure the proposal on gold.")] = False,
    budget_usd: Annotated[float | None, typer.Option(help="Most US dollars to spend.")] = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Have an LLM propose guidelines from what the newest run's LLM got wrong: a new version, not in force.

    With --measure the annotator answers half of the gold items under both versions; the critic sees none of those.
    """
    with session(ctx).connect() as client:
        from nextlabel.client.messages.plain import plain
        from nextlabel.client.messages.settings import limits

        response = client.guidelines.propose(
            project,
            model=model,
            max_disagreements=max_disagreements,
            measure_on_gold=measure_on_gold,
            limit=limits(usd=budget_usd),
        )
        proposal = plain(response)
        before = client.guidelines.get(project, response.guidelines.base_version).text
    if output is Output.TABLE:
        _print_proposal(proposal, before)
    emit_one(proposal, output, shown=_proposal_figures(proposal))
    say(f"put it in force with: nextlabel guidelines accept {project} {proposal['guidelines']['version']}")


@app.command(epilog="Example: nextlabel guidelines accept news 2")
def accept(
    ctx: typer.Context, project: ProjectArgument, version: VersionArgument, output: OutputOption = Output.TABLE
) -> None:
    """Put a version in force."""
    with session(ctx).connect() as client:
        from nextlabel.client.messages.plain import plain

        _show(plain(client.guidelines.accept(project, version)), output)


@app.command(epilog="Example: nextlabel guidelines reject news 3")
def reject(
    ctx: typer.Context, project: ProjectArgument, version: VersionArgument, output: OutputOption = Output.TABLE
) -> None:
    """Turn a proposed version down."""
    with session(ctx).connect() as client:
        from nextlabel.client.messages.plain import plain

        _show(plain(client.guidelines.reject(project, version)), output)


def _show(guidelines: dict[str, Any], output: Output) -> None:
    say(f"version {guidelines['version']} is {guidelines['state']}")
    emit_one(guidelines, output, shown={k: guidelines[k] for k in ("version", "state", "author", "create_time")})


def _print_proposal(proposal: dict[str, Any], before: str) -> None:
    after = proposal["guidelines"]
    changes = unified_diff(
        before.splitlines(), after["text"].splitlines(), f"version {after['base_version']}", "proposed", lineterm=""
    )
    typer.echo(printable(f"{after['critique']}\n"))
    for line in changes:
        typer.echo(printable(line))
    typer.echo()


def _proposal_figures(proposal: dict[str, Any]) -> dict[str, Any]:
    guidelines = proposal["guidelines"]
    figures = {
        "version": guidelines["version"],
        "state": guidelines["state"],
        "author": guidelines["author"],
        "disagreements": proposal["disagreements"],
        "cost": usd(proposal["cost"]["micro_usd"]),
        "not measured": proposal["not_measured"],
    }
    if effect := guidelines["effect"]:
        low, high = effect["difference_low"], effect["difference_high"]
        change = effect["accuracy_after"] - effect["accuracy_before"]
        figures["accuracy"] = _accuracies(effect)
        figures["difference"] = f"{change:+.1%}, 95 % interval {low:+.1%} to {high:+.1%}"
        figures["gold items"] = effect["gold_items"]
    return figures


def _accuracies(effect: dict[str, Any]) -> str:
    return f"{percent(effect['accuracy_before'])} → {percent(effect['accuracy_after'])}"
