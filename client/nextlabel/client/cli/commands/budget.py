"""`nextlabel budget`: set limits and see what was spent."""

from typing import Annotated

import typer

from nextlabel.client.cli.options import ProjectArgument
from nextlabel.client.cli.output.forms import Output, OutputOption, Record, TableColumns, emit_many
from nextlabel.client.cli.problems import say
from nextlabel.client.cli.session import session
from nextlabel.client.literals import DimensionName, WindowName
from nextlabel.client.messages.amounts import usd

app = typer.Typer(help="Set limits and see what was spent.", no_args_is_help=True)

NO_LIMIT = "none"


def _amount(budget: Record, field: str) -> str | None:
    if budget[field] is None:
        return None
    return usd(budget[field]) if budget["dimension"] == "micro_usd" else f"{budget[field]:,}"


_COLUMNS: TableColumns = {
    "RUN": lambda b: b["run"] or "(project)",
    "DIMENSION": lambda b: b["dimension"],
    "WINDOW": lambda b: b["window"],
    "LIMIT": lambda b: _amount(b, "limit"),
    "SPENT": lambda b: _amount(b, "settled"),
    "RESERVED": lambda b: _amount(b, "reserved"),
    "PRESUMED": lambda b: _amount(b, "presumed"),
}


def _cost(cost: Record) -> str:
    amounts = {
        f"{cost['labels']:,} labels": cost["labels"],
        f"{cost['tokens']:,} tokens": cost["tokens"],
        usd(cost["micro_usd"]): cost["micro_usd"],
    }
    return ", ".join(text for text, amount in amounts.items() if amount) or "0"


_ENTRY_COLUMNS: TableColumns = {
    "NUMBER": lambda e: e["number"],
    "TIME": lambda e: e["create_time"],
    "KIND": lambda e: e["kind"],
    "LINE": lambda e: e["line"],
    "AMOUNT": lambda e: _cost(e["amount"]),
    "RUN": lambda e: e["run"],
    "RESERVATION": lambda e: e["reservation"],
}
_RESERVATION_COLUMNS: TableColumns = {
    "ID": lambda r: r["reservation_id"],
    "MADE": lambda r: r["create_time"],
    "HOLDER": lambda r: r["holder"],
    "LINE": lambda r: r["line"],
    "REMAINING": lambda r: _cost(r["remaining"]),
    "RUN": lambda r: r["run"],
}


@app.command(epilog="Example: nextlabel budget show news --output json")
def show(ctx: typer.Context, project: ProjectArgument, output: OutputOption = Output.TABLE) -> None:
    """Show the budgets of a project and of its runs: limit, spent, reserved.

    PRESUMED is the part of what is spent that is the worst case of calls whose server died before their cost was known.
    """
    with session(ctx).connect() as client:
        from nextlabel.client.messages.plain import plain

        emit_many(
            (plain(budget) for budget in client.budgets.list(project)),
            _COLUMNS,
            output,
            none=f"no budget is set: nextlabel budget set {project} --usd 5",
        )


@app.command(
    "set", epilog="Examples: nextlabel budget set news --usd 10 --labels 5000;  nextlabel budget set news --usd 2 --day"
)
def set_budget(
    ctx: typer.Context,
    project: ProjectArgument,
    labels: Annotated[str | None, typer.Option(metavar="N", help="Most labels; none takes the limit away.")] = None,
    tokens: Annotated[str | None, typer.Option(metavar="N", help="Most tokens; none takes the limit away.")] = None,
    dollars: Annotated[
        str | None, typer.Option("--usd", metavar="X", help="Most US dollars; none takes the limit away.")
    ] = None,
    run: Annotated[str, typer.Option(help="For this run instead of the project.")] = "",
    day: Annotated[bool, typer.Option("--day", help="For each day, from 00:00 UTC.")] = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Set limits; they hold from the next reservation on, for runs that are under way too."""
    limits: dict[DimensionName, int | None] = {
        "labels": _limit(labels, 1, "--labels"),
        "tokens": _limit(tokens, 1, "--tokens"),
        "micro_usd": _limit(dollars, 1_000_000, "--usd"),
    }
    given = {"labels": labels, "tokens": tokens, "micro_usd": dollars}
    if not any(given.values()):
        raise typer.BadParameter("give at least one of --labels, --tokens and --usd")
    with session(ctx).connect() as client:
        from nextlabel.client.messages.plain import plain

        window: WindowName = "day" if day else "total"
        budgets = [
            plain(client.budgets.set(project, dimension, limit, run=run, window=window))
            for dimension, limit in limits.items()
            if given[dimension] is not None
        ]
        emit_many(budgets, _COLUMNS, output)


def _limit(given: str | None, unit: int, option: str) -> int | None:
    if given is None or given == NO_LIMIT:
        return None
    try:
        limit = round(float(given) * unit)
    except (ValueError, OverflowError):
        raise typer.BadParameter(f"expected a number or {NO_LIMIT}, got {given!r}", param_hint=option) from None
    if limit < 0:
        raise typer.BadParameter(f"a limit is at least 0, got {given}", param_hint=option)
    return limit


@app.command(epilog="Examples: nextlabel budget ledger news;  nextlabel budget ledger news --deleted --output jsonl")
def ledger(
    ctx: typer.Context,
    project: ProjectArgument,
    run: Annotated[str, typer.Option(help="Only the lines of this run.")] = "",
    deleted: Annotated[
        bool, typer.Option("--deleted", help="The lines of deleted projects that had this name; for admins.")
    ] = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Show the ledger line by line, oldest first: everything that was reserved, settled, released or limited."""
    with session(ctx).connect() as client:
        from nextlabel.client.messages.plain import plain

        entries = client.budgets.ledger(project, run=run, deleted=deleted)
        emit_many((plain(entry) for entry in entries), _ENTRY_COLUMNS, output, none="nothing was reserved or spent")


@app.command(epilog="Example: nextlabel budget reservations news")
def reservations(ctx: typer.Context, project: ProjectArgument, output: OutputOption = Output.TABLE) -> None:
    """Show what is reserved and neither settled nor released, oldest first, and who may still settle it."""
    with session(ctx).connect() as client:
        from nextlabel.client.messages.plain import plain

        found = client.budgets.reservations(project)
        emit_many(
            (plain(reservation) for reservation in found), _RESERVATION_COLUMNS, output, none="nothing is reserved"
        )


@app.command(epilog="Example: nextlabel budget close news 5f3a --refund")
def close(
    ctx: typer.Context,
    project: ProjectArgument,
    reservation: Annotated[str, typer.Argument(metavar="ID", help="Id of the reservation.")],
    refund: Annotated[
        bool, typer.Option("--refund", help="Nothing was charged, as the provider's bill shows: give it back.")
    ] = False,
) -> None:
    """Close a reservation that nothing will settle; without --refund its worst case counts as spent."""
    with session(ctx).connect() as client:
        client.budgets.close_reservation(project, reservation, refund=refund)
    say(f"{'refunded' if refund else 'booked at its worst case'}: reservation {reservation}")
