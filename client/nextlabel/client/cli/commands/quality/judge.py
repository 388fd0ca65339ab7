"""`nextlabel quality judge`: an LLM says which labels are wrong, measured on gold before a filter believes it."""

from typing import Annotated, Any

import typer

from nextlabel.client.cli.annotators.choice import LLMS, AnnotatorChoice, names_annotator
from nextlabel.client.cli.annotators.prompting import Prompting, asks_llms
from nextlabel.client.cli.options import ProjectArgument
from nextlabel.client.cli.output.forms import Output, OutputOption, TableColumns, emit_many, emit_one
from nextlabel.client.cli.problems import say
from nextlabel.client.cli.session import session
from nextlabel.client.messages.amounts import share_within, usd

EPILOG = (
    "Example: nextlabel quality judge news --annotator anthropic --model MODEL --rule 'wrong_probability > 0.2' "
    "--budget-usd 1"
)

_JUDGES: TableColumns = {
    "JUDGE": lambda j: j["judge"],
    "RIGHT": lambda j: f"{j['right']:,}",
    "WRONG": lambda j: f"{j['wrong']:,}",
    "NO ANSWER": lambda j: f"{j['none']:,}",
    "GOLD JUDGED": lambda j: j["on_gold"] and j["on_gold"]["answers"],
    "VERDICTS RIGHT": lambda j: share_within(j["on_gold"] and j["on_gold"]["accuracy"]),
    "OF THOSE CALLED WRONG": lambda j: share_within(j["on_gold"] and j["on_gold"]["precision"]),
    "OF THOSE WRONG": lambda j: share_within(j["on_gold"] and j["on_gold"]["recall"]),
}


@asks_llms
@names_annotator
def judge(
    ctx: typer.Context,
    project: ProjectArgument,
    who: AnnotatorChoice,
    prompting: Prompting,
    rule: Annotated[
        str, typer.Option(show_default=False, help="Judge only what a rule names. (default: all but people's labels)")
    ] = "",
    budget_usd: Annotated[float | None, typer.Option(help="Most US dollars to spend.")] = None,
    quote: Annotated[bool, typer.Option("--quote", help="Only say what it would cost.")] = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Have an LLM judge labels that no person gave, those about gold items first.

    A filter goes by it once it has judged 20 answers about gold items: nextlabel quality filters add PROJECT judged
    judged_wrong. A command that was cut off goes on, when it is given again, with what it has not paid for.
    """
    if who.annotator not in LLMS:
        raise typer.BadParameter("an LLM has to judge: anthropic, openai-compatible or local", param_hint="--annotator")
    annotator = who.spec(prompting)
    with session(ctx).connect() as client:
        from nextlabel.client.messages.plain import plain
        from nextlabel.client.messages.settings import limits

        left_usd, cost = budget_usd, 0
        while True:
            limit = limits(usd=left_usd)
            found = plain(client.quality.judge(project, annotator=annotator, rule=rule, limit=limit, quote_only=quote))
            cost += (found["cost"] or {}).get("micro_usd", 0)
            done = found["right"] + found["wrong"] + found["none"]
            if quote or found["stopped"] or not found["left"] or not done:
                break
            say(f"{found['left']:,} labels wait; {usd(cost)} so far")
            if budget_usd is not None and (left_usd := budget_usd - cost / 1e6) < 1e-6:
                break
    found["cost"] = {**(found["cost"] or {}), "micro_usd": cost}
    for problem in found["problems"]:
        say(f"no verdict about {problem['labels']:,} labels: {problem['problem']}")
    if found["stopped"]:
        say(found["stopped"])
    emit_one(found, output, shown=_quoted(found["quote"]) if quote else _figures(found))
    if not quote and found["left"]:
        raise typer.Exit(1)


def judges(ctx: typer.Context, project: ProjectArgument, output: OutputOption = Output.TABLE) -> None:
    """List the LLMs that have judged labels, and how right they were about answers to gold items."""
    with session(ctx).connect() as client:
        from nextlabel.client.messages.plain import plain

        emit_many(
            (plain(one) for one in client.quality.judges(project)), _JUDGES, output, none="no LLM has judged labels yet"
        )


def _quoted(quote: dict[str, Any]) -> dict[str, Any]:
    costs = [usd(quote[name]["micro_usd"]) for name in ("low", "expected", "upper")]
    return {
        "labels": f"{quote['labels']:,}, {quote['gold']:,} of them about gold items",
        "cost": f"{costs[1]} ({costs[0]} to {costs[2]})",
        "assumptions": "; ".join(quote["assumptions"]) or None,
    }


def _figures(found: dict[str, Any]) -> dict[str, Any]:
    report = found["report"] or {"right": 0, "wrong": 0, "none": 0, "on_gold": None}
    on_gold = report["on_gold"]
    return {
        "judge": found["judge"],
        "labels called right": f"{report['right']:,}",
        "labels called wrong": f"{report['wrong']:,}",
        "without an answer": f"{report['none']:,}",
        "still to judge": f"{found['left']:,}",
        "cost": usd(found["cost"]["micro_usd"]),
        **(_on_gold(on_gold) if on_gold else {"on gold": "not measured: it has judged no answer about a gold item"}),
    }


def _on_gold(on_gold: dict[str, Any]) -> dict[str, Any]:
    return {
        "gold answers judged": f"{on_gold['answers']:,}",
        "verdicts that are right": share_within(on_gold["accuracy"]),
        "of those called wrong, wrong": share_within(on_gold["precision"]),
        "of those wrong, called so": share_within(on_gold["recall"]),
        "of those right, called wrong": share_within(on_gold["rejected"]),
        "answers right before": share_within(on_gold["right_before"]),
        "answers right without those": share_within(on_gold["right_after"]),
    }
