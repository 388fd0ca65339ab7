"""`nextlabel synthesize`: texts that an LLM writes, judged before anything is trained on them."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from nextlabel.client.cli.annotators.choice import LLMS, AnnotatorChoice, names_annotator
from nextlabel.client.cli.annotators.prompting import Prompting, asks_llms
from nextlabel.client.cli.options import ProjectArgument
from nextlabel.client.cli.output.forms import Output, OutputOption, emit_one
from nextlabel.client.cli.problems import say
from nextlabel.client.cli.session import session
from nextlabel.client.export.tables import write_rows
from nextlabel.client.items import WRITTEN
from nextlabel.client.messages.amounts import percent, usd
from nextlabel.client.writers.table import check_ending

EPILOG = (
    "Example: nextlabel synthesize news --class refund --count 200 --annotator anthropic --model MODEL "
    "--budget-usd 1 --to written.jsonl"
)

_TELLABLE = 0.9


@asks_llms
@names_annotator
def synthesize(
    ctx: typer.Context,
    project: ProjectArgument,
    who: AnnotatorChoice,
    prompting: Prompting,
    classes: Annotated[
        list[str] | None, typer.Option("--class", help="Class to write texts for; again for several at once.")
    ] = None,
    score: Annotated[
        float | None, typer.Option(help="Score that the texts are to deserve, in projects of scores.")
    ] = None,
    boundary: Annotated[
        str, typer.Option(show_default=False, help="Class that the texts could be mistaken for. (default: none)")
    ] = "",
    rare: Annotated[bool, typer.Option("--rare", help="Texts like those that the learner is least sure of.")] = False,
    where: Annotated[
        list[str] | None,
        typer.Option(metavar="FIELD=VALUE", help="Texts like the items that have this in their metadata; repeatable."),
    ] = None,
    like: Annotated[
        list[str] | None,
        typer.Option(metavar="TEXT", help="What the texts are to be like, as `by a nurse`; more take turns."),
    ] = None,
    count: Annotated[int, typer.Option(min=1, max=200, help="Texts to write.")] = 20,
    budget_usd: Annotated[float | None, typer.Option(help="Most US dollars to spend.")] = None,
    to: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="File for the texts and verdicts: .csv, .tsv, .xlsx, .parquet or .jsonl."),
    ] = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Have an LLM write texts of a class or score, and judge each before you use it.

    In a project of texts it writes instructions with their answers. All that pass are measured on real labels, too.

    Nothing is added to the project. A command that was cut off finds, when it is given again, what it has paid for.
    """
    if who.annotator not in LLMS:
        raise typer.BadParameter("an LLM has to write: anthropic or openai-compatible", param_hint="--annotator")
    if to is not None:
        check_ending(to)
    metadata = _fields(where or ())
    annotator = who.spec(prompting)
    with session(ctx).connect() as client:
        from nextlabel.client.messages.plain import plain
        from nextlabel.client.messages.settings import limits

        limit = limits(usd=budget_usd)
        response = client.synthesis.synthesize(
            project,
            classes[0] if classes and len(classes) == 1 else classes or "",
            count=count,
            annotator=annotator,
            boundary=boundary,
            score=score,
            rare=rare,
            metadata=metadata,
            attributes=like or (),
            limit=limit,
        )
    found = plain(response)
    if to is not None:
        written = write_rows(to, [{**text, WRITTEN: True} for text in found["texts"]])
        say(f"wrote {written:,} texts to {to}, all marked as synthetic")
    for problem in [*found["problems"], *filter(None, [found["stopped"]])]:
        say(problem)
    emit_one(found, output, shown=_figures(found))


def _fields(where: Sequence[str]) -> dict[str, str]:
    pairs = [one.partition("=") for one in where]
    if any(not name or not equals for name, equals, _ in pairs):
        raise typer.BadParameter("write FIELD=VALUE, as in --where lang=en", param_hint="--where")
    return {name: value for name, _, value in pairs}


def _figures(found: dict[str, Any]) -> dict[str, Any]:
    verdicts = Counter(text["verdict"] for text in found["texts"])
    realism = found["realism"]
    return {
        "written": len(found["texts"]),
        **{verdict.replace("_", " "): number for verdict, number in verdicts.most_common()},
        "cost": usd(found["cost"]["micro_usd"]),
        "told from real ones": _told_apart(realism["distinguishability"]),
        "median length": _beside(realism["length"], realism["real_length"], "{:.0f}"),
        "spread": _beside(realism["spread"], realism["real_spread"], "{:.2f}"),
        "use": _use(found["usefulness"]),
    }


def _told_apart(area: float | None) -> str | None:
    if area is None:
        return None
    warning = ": they are unlike real ones" if area >= _TELLABLE else ""
    return f"AUC {area:.2f}, where 0.5 is not at all{warning}"


def _beside(value: float | None, real: float | None, form: str) -> str | None:
    if value is None:
        return None
    return form.format(value) + ("" if real is None else f"; real ones {form.format(real)}")


def _use(usefulness: dict[str, Any] | None) -> str:
    if usefulness is None:
        return "not measured: it takes 20 real labels of two classes, and a text that passed"
    gain = usefulness["accuracy_with"] - usefulness["accuracy_without"]
    measured = (
        f"{percent(usefulness['accuracy_without'])} → {percent(usefulness['accuracy_with'])} "
        f"({gain:+.1%} ± {usefulness['error']:.1%}, out of fold on {usefulness['items']:,} real items)"
    )
    return f"they help: {measured}" if usefulness["helps"] else f"leave them out, a gain is not proven: {measured}"
