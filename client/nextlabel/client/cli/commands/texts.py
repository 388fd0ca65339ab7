"""`nextlabel texts`: candidate texts, who judges them, and the best of each item."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from nextlabel.client.cli.label_spaces import codebook, score_range
from nextlabel.client.cli.options import ProjectArgument
from nextlabel.client.cli.output.forms import Output, OutputOption, Record, TableColumns, emit_many
from nextlabel.client.cli.problems import say
from nextlabel.client.cli.session import session
from nextlabel.client.messages.amounts import share_within, usd
from nextlabel.client.upload import rejections

if TYPE_CHECKING:
    from nextlabel.v1.text_service_pb2 import WrittenItem

app = typer.Typer(help="See what was written of items, have it judged, and find the best.", no_args_is_help=True)

By = Annotated[Literal["preference", "score"], typer.Option(help="Two at a time, or each by a score.")]
ScoresOption = Annotated[
    str,
    typer.Option(
        "--score-range",
        metavar="MIN,MAX[,STEP]",
        show_default=False,
        help="With --by score: the scores that are allowed. (default: 1,5,1)",
    ),
]
JudgedBy = Annotated[str, typer.Option(metavar="PROJECT", help="Project in which the texts are judged.")]

_SHOWN_CHARACTERS = 100
_USUAL_SCORES = (1.0, 5.0, 1.0)
_TEXTS: TableColumns = {
    "ITEM": lambda t: t["item_id"],
    "ID": lambda t: t["annotation_id"],
    "BEST": lambda t: "*" if t["best"] else None,
    "MERIT": lambda t: None if t["merit"] is None else f"{t['merit']:.3g}",
    "WON-TIED-LOST": lambda t: _pairs(t),
    "BY": lambda t: t["annotator"],
    "COST": lambda t: usd(t["cost"]["micro_usd"]) if t["cost"] else None,
    "TEXT": lambda t: t["text"][:_SHOWN_CHARACTERS],
}
_JUDGES: TableColumns = {
    "JUDGE": lambda j: j["annotator"],
    "KIND": lambda j: j["annotator_kind"],
    "JUDGED": lambda j: j["answers"],
    "AGREES WITH PEOPLE": lambda j: share_within(j["agreement"]),
    "SAME IN BOTH ORDERS": lambda j: share_within(j["consistency"]),
    "FIRST / SECOND TWICE": lambda j: f"{j['preferred_first']} / {j['preferred_second']}" if j["consistency"] else None,
    "COST": lambda j: usd(j["cost"]["micro_usd"]) if j["cost"] else None,
}


@app.command("list", epilog="Example: nextlabel texts list replies --judged-by replies-judged")
def list_(
    ctx: typer.Context, project: ProjectArgument, judged_by: JudgedBy = "", output: OutputOption = Output.TABLE
) -> None:
    """List the candidate texts of each item, the best first."""
    with session(ctx).connect() as client:
        from nextlabel.client.messages.plain import plain

        found = (plain(item) for item in client.texts.list(project, judged_by=judged_by))
        texts = ({"item_id": item["item_id"], **text} for item in found for text in item["candidates"])
        emit_many(texts, _TEXTS, output, none="there are no such texts")


@app.command(epilog="Example: nextlabel texts judge replies replies-judged --by preference")
def judge(
    ctx: typer.Context,
    project: ProjectArgument,
    judging: Annotated[str, typer.Argument(help="Project to judge in; it is created where there is none.")],
    by: By = "preference",
    pairs: Annotated[
        int, typer.Option(min=0, show_default=False, help="Most pairs of an item's texts. (default: all)")
    ] = 0,
    scores: ScoresOption = "",
    guidelines: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Rubric. (default: the guidelines of the texts)")
    ] = None,
) -> None:
    """Put the texts into a project in which people and LLMs judge them; again for what was written since."""
    allowed = score_range(scores)
    if by == "preference" and allowed is not None:
        raise typer.BadParameter("it goes with --by score", param_hint="--score-range")
    if by == "score" and pairs:
        raise typer.BadParameter("it goes with --by preference", param_hint="--pairs")
    rubric = codebook(guidelines)
    if by == "score" and allowed is None:
        allowed = _USUAL_SCORES
    with session(ctx).connect() as client:
        added = client.texts.judge(
            project, judging, by=by, pairs_per_item=pairs, score_range=allowed, guidelines=rubric
        )
    for line in rejections([added], "row"):
        say(line)
    if not added.accepted + added.duplicates + added.rejected:
        alone = "two texts of an item, and no item" if by == "preference" else "a text, and no item"
        say(f"nothing to judge: it takes {alone} of {project} has as many; have some written by a run first")
        raise typer.Exit(1)
    say(f"{added.accepted:,} to judge were added to {judging}, {added.duplicates:,} were there already")
    say(f"next: nextlabel run start {judging} --annotator anthropic --model MODEL, or label {judging} by hand")
    if added.rejected:
        raise typer.Exit(1)


@app.command(
    epilog="Example: nextlabel texts criticise replies i17 --of 42 --critique 'Say when.' --text 'It snows today.'"
    " --annotator ann"
)
def criticise(
    ctx: typer.Context,
    project: ProjectArgument,
    item_id: Annotated[str, typer.Argument(metavar="ITEM", help="The item that the text is about.")],
    of: Annotated[str, typer.Option(metavar="ID", help="The text: its id in texts list.")],
    critique: Annotated[str, typer.Option(help="What has to be changed in it.")],
    annotator: Annotated[str, typer.Option(metavar="NAME", help="Who says so.")],
    text: Annotated[
        str, typer.Option(show_default=False, help="What you write in its stead. (default: a run writes it anew)")
    ] = "",
) -> None:
    """Say what is wrong with a text, and write a better one or have an LLM do it."""
    with session(ctx).connect() as client:
        written = next((item for item in client.texts.list(project) if item.item_id == item_id), None)
        candidates = {one.annotation_id: one.text for one in written.candidates} if written else {}
        if of not in candidates:
            known = ", ".join(candidates) or "nothing was written of it"
            raise typer.BadParameter(f"no text of item {item_id} has this id: {known}", param_hint="--of")
        said = {item_id: {**_said_before(written, annotator), candidates[of]: critique}}
        if text:
            (result,) = client.labeling.submit(project, {item_id: text}, annotator=annotator, critiques=said)
        else:
            (result,) = client.labeling.criticise(project, said, annotator=annotator)
    if result.message:
        say(f"refused: {result.message}")
        raise typer.Exit(1)
    if text:
        say(f"kept as the text of {annotator}; export --form dpo sets it against the one that you criticised")
    else:
        say(
            f"kept; to have it written anew: nextlabel run start {project} --criticised --annotator anthropic --model …"
        )


@app.command(epilog="Example: nextlabel texts judges replies-judged")
def judges(ctx: typer.Context, project: ProjectArgument, output: OutputOption = Output.TABLE) -> None:
    """Show how far each judge can be trusted: agreement with people, and whether it prefers a place."""
    with session(ctx).connect() as client:
        from nextlabel.client.messages.plain import plain

        emit_many(
            (plain(one) for one in client.texts.judges(project)),
            _JUDGES,
            output,
            none=f"no text was judged yet: nextlabel texts judge {project} --help",
        )


def _said_before(written: "WrittenItem | None", annotator: str) -> dict[str, str]:
    """What an annotator says of the texts of an item by now: all of it is given anew with each critique."""
    candidates = written.candidates if written else ()
    return {one.text: said.critique for one in candidates for said in one.critiques if said.critic == annotator}


def _pairs(text: Record) -> str | None:
    counts = [text["won"], text["tied"], text["lost"]]
    return "-".join(map(str, counts)) if any(counts) else None
