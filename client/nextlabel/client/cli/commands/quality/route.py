"""`nextlabel quality route`: who should label the rest of the pool for a budget."""

from typing import TYPE_CHECKING, Annotated

import typer

from nextlabel.client.cli.options import ProjectArgument
from nextlabel.client.cli.output.forms import Output, OutputOption, Record, TableColumns, emit_many, emit_one
from nextlabel.client.cli.problems import say
from nextlabel.client.cli.session import session
from nextlabel.client.cli.watching import watch_run

if TYPE_CHECKING:
    from nextlabel.v1.run_service_pb2 import AnnotatorSpec

EPILOG = (
    "Example: nextlabel quality route news --budget-usd 5 --annotator anthropic:claude-haiku-4-5 "
    "--annotator anthropic:claude-opus-4-8=0.004 --person-usd 0.05"
)

_STEPS: TableColumns = {
    "ASKED IN TURN": lambda step: ", then ".join(step["asked"]) or "nobody: the learner's label",
    "LEARNER SURE": lambda step: f"{step['lowest_confidence']:.1%} to {step['highest_confidence']:.1%}",
    "ITEMS": lambda step: step["items"],
    "SHARE": lambda step: f"{step['share']:.1%}",
    "RIGHT": lambda step: f"{step['accuracy']:.1%}",
    "COST": lambda step: _usd(step["micro_usd"]),
}


def route(
    ctx: typer.Context,
    project: ProjectArgument,
    budget_usd: Annotated[float, typer.Option(min=0, help="Money for the labels that are missing.")],
    annotator: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME[=USD]",
            help="LLM annotator that may be asked, and what its answer costs. (default: what it has cost so far) "
            "Repeat it for several.",
        ),
    ] = None,
    person_usd: Annotated[float, typer.Option(min=0, help="What a label by a person costs; 0 asks no people.")] = 0.0,
    carry_out: Annotated[
        bool,
        typer.Option(
            "--carry-out", help="Start a run that asks about gold, plans, asks one after the other, and watch it."
        ),
    ] = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Plan who should label what nobody has answered: learner, LLMs and people, for most right labels for the money.

    Nobody is asked without --carry-out. Asking an item's annotators in turn ends when one of them repeats a label given
    before. With --carry-out annotators are named KIND:NAME: anthropic:MODEL, openai-compatible:MODEL or replay:SET.
    """
    if carry_out:
        members = [(_annotator(name), usd) for name, usd in map(_price, annotator or [])]
        with session(ctx).connect() as client:
            from nextlabel.client import run_spec, specs

            spec = run_spec(specs.route(members, person_usd=person_usd), budget_usd=budget_usd)
            run_id = client.runs.start(project, spec).run_id
            say(f"started run {run_id}; it goes on when you leave: nextlabel run watch {project} {run_id}")
            raise typer.Exit(watch_run(client, project, run_id, output))
    with session(ctx).computing() as client:
        from nextlabel.client.messages.plain import plain

        prices = dict(_price(one) for one in annotator or [])
        found = plain(client.quality.quote_routes(project, budget_usd, annotators=prices, person_usd=person_usd))
    if output is Output.JSON:
        emit_one(found, output)
        return
    emit_many([{**step, "share": step["items"] / found["items"]} for step in found["steps"]], _STEPS, output)
    _say_worth(found)


def _annotator(name: str) -> "AnnotatorSpec":
    from nextlabel.client import specs

    try:
        return specs.named(name)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--annotator") from error


def _price(given: str) -> tuple[str, float]:
    name, equals, price = given.rpartition("=")
    if not equals:
        return given, 0.0
    try:
        usd = float(price)
    except ValueError as error:
        raise typer.BadParameter(f"{given!r}: what follows = must be dollars, as in {name}=0.004") from error
    return name, usd


def _say_worth(found: Record) -> None:
    right, alone, people = found["accuracy"], found["llm_alone"], found["people_micro_usd"]
    say(
        f"{right['value']:.1%} of {found['items']:,} labels are expected to be right ({right['low']:.1%} to "
        f"{right['high']:.1%}, by {right['items']:,} gold items) for {_usd(found['micro_usd'])}; "
        f"{found['learner_accuracy']:.1%} for nothing, by the learner alone"
    )
    if alone is not None:
        say(
            f"{alone['annotator']} alone: {alone['accuracy']:.1%} for the same money, asked about {alone['items']:,} "
            "items, the learner for the rest"
        )
    if people is not None:
        say(f"people alone: {_usd(people)} for the same accuracy, the learner for the rest")
    if found["person_accuracy"] is None and any("person" in step["asked"] for step in found["steps"]):
        say("people are taken as right: fewer than 20 of their answers are about gold items")


def _usd(micro: int) -> str:
    return f"${micro / 1e6:,.2f}"
