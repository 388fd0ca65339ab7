"""`nextlabel quality compare`: two annotators on the same gold items."""

from typing import Annotated

import typer

from nextlabel.client.cli.annotators.successors import AskedSuccessor
from nextlabel.client.cli.options import ProjectArgument
from nextlabel.client.cli.output.forms import Output, OutputOption, Record, TableColumns, emit_many, emit_one
from nextlabel.client.cli.problems import say
from nextlabel.client.cli.session import session
from nextlabel.client.messages.amounts import share_within, usd
from nextlabel.client.messages.comparisons import verdict

EPILOG = (
    "Examples: nextlabel quality compare news --annotator anthropic:old --with anthropic:new;  "
    "nextlabel quality compare news --annotator anthropic:old --ask new --budget-usd 1"
)

_COLUMNS: TableColumns = {
    "ANNOTATOR": lambda a: a["annotator"],
    "RIGHT ON GOLD": lambda a: share_within(a["accuracy"]),
    "ONLY THIS ONE RIGHT": lambda a: f"{a['only']:,}",
    "BOTH RIGHT": lambda a: f"{a['both']:,}",
    "GOLD ITEMS": lambda a: f"{a['items']:,}",
}


def compare(
    ctx: typer.Context,
    project: ProjectArgument,
    annotator: Annotated[str, typer.Option(help="Annotator that is in use.")],
    successor: Annotated[
        str,
        typer.Option("--with", show_default=False, help="Annotator that might take its place. (default: by --ask)"),
    ] = "",
    ask: Annotated[
        str,
        typer.Option(
            metavar="MODEL", help="Have this model answer gold items first, asked as the annotator was in its last run."
        ),
    ] = "",
    gold: Annotated[int, typer.Option(min=1, max=1_000, help="With --ask: most gold items to ask about.")] = 100,
    budget_usd: Annotated[
        float | None, typer.Option(min=0.000001, help="With --ask: most US dollars to spend.")
    ] = None,
    quote: Annotated[bool, typer.Option("--quote", help="With --ask: only say what asking would cost.")] = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Compare two annotators by their newest answers about the same gold items, before one replaces the other.

    Without --ask nobody is asked and nothing is paid. With it a run of its own asks the model about gold items that it
    has not answered, and about nothing else; what it may cost is said first, and --budget-usd is never exceeded.
    """
    if not (successor or ask):
        raise typer.BadParameter("name the successor, or the model to --ask", param_hint="--with")
    if ask and budget_usd is None and not quote:
        raise typer.BadParameter("say what asking may cost, or --quote it", param_hint="--budget-usd")
    with session(ctx).connect() as client:
        from nextlabel.client.messages.plain import plain

        if ask:
            asked = AskedSuccessor.like(client, project, annotator, ask, successor)
            expected = plain(asked.quote(client, project, gold, budget_usd))
            if quote:
                emit_one(expected, output)
                return
            say(_cost_of(asked.name, expected))
            ended = asked.ask(client, project, gold, budget_usd)
            successor = asked.name
            say(f"{ended.detail}, for {usd(ended.spent.micro_usd)}")
        found = plain(client.quality.compare(project, annotator=annotator, successor=successor))
    if output is Output.JSON:
        emit_one(found, output)
        return
    emit_many([_row(found, "annotator", annotator), _row(found, "successor", successor)], _COLUMNS, output)
    say(verdict(found, annotator, successor))
    if found["unanswered"]:
        say(f"{successor} has not answered {found['unanswered']:,} gold items that {annotator} has answered")


def _cost_of(name: str, quote: Record) -> str:
    costs = [usd((quote[end] or {}).get("micro_usd", 0)) for end in ("expected", "upper")]
    warnings = [said for said in quote["assumptions"] if said.startswith("WARNING")]
    return "; ".join([f"asking {name} costs about {costs[0]}, at most {costs[1]}", *warnings])


def _row(found: Record, role: str, name: str) -> Record:
    return {
        "annotator": name,
        "accuracy": found[f"{role}_accuracy"],
        "only": found[f"only_{role}_right"],
        "both": found["both_right"],
        "items": found["items"],
    }
