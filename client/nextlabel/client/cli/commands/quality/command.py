"""`nextlabel quality`: whether labels and models can be trusted."""

from typing import Annotated

import typer

from nextlabel.client.cli.commands.quality import compare, deliver, filters, judge, route
from nextlabel.client.cli.limits import first_of
from nextlabel.client.cli.options import ProjectArgument
from nextlabel.client.cli.output.forms import Output, OutputOption, Record, TableColumns, emit_many, emit_one
from nextlabel.client.cli.problems import say
from nextlabel.client.cli.session import session
from nextlabel.client.messages.amounts import points_within, share_within
from nextlabel.client.services.slices import class_shares_of, slice_name

app = typer.Typer(help="See whether labels and models can be trusted, with intervals.", no_args_is_help=True)

_COLUMNS: TableColumns = {
    "OF": lambda f: f["of"],
    "KIND": lambda f: f["kind"],
    "VALUE": lambda f: f"{f['estimate']['value']:.1%}",
    "95 % INTERVAL": lambda f: f"{f['estimate']['low']:.1%} to {f['estimate']['high']:.1%}",
    "ITEMS": lambda f: f["estimate"]["items"],
    "HOLDS": lambda f: "at every look" if f["anytime"] else "for one look",
}


_OF_SCORES: TableColumns = {
    **_COLUMNS,
    "VALUE": lambda f: f"{f['estimate']['value']:.3g}",
    "95 % INTERVAL": lambda f: f"{f['estimate']['low']:.3g} to {f['estimate']['high']:.3g}",
}


_OF_SLICES: TableColumns = {
    "VALUE": slice_name,
    "MODEL ON HOLDOUT": lambda s: share_within(s["model"] and s["model"]["estimate"]),
    "AGAINST THE OTHERS": lambda s: points_within(s["model_gap"]),
    "MODELS ON DRAWS": lambda s: _drawn(s, "audit"),
    "WITH PREDICTIONS": lambda s: _drawn(s, "prediction_powered"),
    "LABELS ON GOLD": lambda s: share_within(s["labels"] and s["labels"]["estimate"]),
    "AGAINST THE OTHERS ": lambda s: points_within(s["labels_gap"]),
    "LABELS": lambda s: f"{s['labeled']:,}",
    "CLASSES": lambda s: class_shares_of(s) or None,
}


def _drawn(part: Record, kind: str) -> str | None:
    """The accuracy of models on the draws of a part, as far as it is known from there."""
    return share_within(next((one["estimate"] for one in part["drawn"] if one["kind"] == kind), None))


@app.command(epilog="Examples: nextlabel quality accuracy news;  nextlabel quality accuracy news --by language")
def accuracy(
    ctx: typer.Context,
    project: ProjectArgument,
    by: Annotated[
        str, typer.Option(metavar="FIELD", help="A field of the metadata: show each part of the data by it instead.")
    ] = "",
    output: OutputOption = Output.TABLE,
) -> None:
    """Show how accurate the newest model, the labels and each annotator are, by every way there is to tell."""
    with session(ctx).computing() as client:
        from nextlabel.client.messages.plain import plain

        found = plain(client.quality.accuracy(project, by=by))
    if output is Output.JSON:
        emit_one(found, output)
    elif by:
        emit_many(found["slices"], _OF_SLICES, output)
    else:
        annotators = {f"{one['annotator']} on the pool": one["figures"] for one in found["annotators"]}
        rows = _named({"model": found["model"], "labels": found["labels"], **annotators})
        none = "nothing tells yet: it takes a trained model and a holdout, gold items, or draws that people labeled"
        emit_many(rows, _COLUMNS, output, none=none)


@app.command(
    epilog="Examples: nextlabel quality shares news --output json;  nextlabel quality shares news --by language"
)
def shares(
    ctx: typer.Context,
    project: ProjectArgument,
    by: Annotated[
        str, typer.Option(metavar="FIELD", help="A field of the metadata: show each part of the pool by it instead.")
    ] = "",
    output: OutputOption = Output.TABLE,
) -> None:
    """Show how frequent each class is in the pool, by labels of the audit stream, with predictions, and by choices.

    In projects of scores it is the mean score of the pool.
    """
    with session(ctx).computing() as client:
        from nextlabel.client.messages.plain import plain

        found = plain(client.quality.class_shares(project, by=by))
    if output is Output.JSON:
        emit_one(found, output)
        return
    columns = _OF_SCORES if found["mean_score"] else _COLUMNS
    if by:
        rows = [{**row, "part": slice_name(part)} for part in found["slices"] for row in _shares(part)]
        emit_many(rows, {"PART": lambda f: f["part"], **columns}, output)
    else:
        emit_many(_shares(found), columns, output)
    if output is Output.TABLE and found["unanswered_draws"]:
        draws = f"{found['unanswered_draws']:,} random draws have no label by a person"
        say(f"{draws}, whose answers make intervals narrower: nextlabel label {project} --audit --annotator NAME")
    elif output is Output.TABLE and not found["draws"]:
        say(f"no person has labeled a random draw yet: nextlabel label {project} --audit --annotator NAME")


def _shares(found: Record) -> list[Record]:
    of = {share["label"]: share["figures"] for share in found["shares"]}
    return _named({"mean score": found["mean_score"]} if found["mean_score"] else of)


@app.command(epilog="Example: nextlabel quality consensus news")
def consensus(ctx: typer.Context, project: ProjectArgument, output: OutputOption = Output.TABLE) -> None:
    """Compare ways to join the answers of several annotators on gold items that they have not seen."""
    with session(ctx).computing() as client:
        from nextlabel.client.messages.plain import plain

        found = plain(client.quality.consensus(project))
        joined_by = plain(client.projects.get(project))["consensus"]
    if output is Output.JSON:
        emit_one(found, output)
        return
    figures = {one["name"]: [one["on_gold"]] if one["on_gold"] else [] for one in found["methods"]}
    emit_many(_named(figures), _COLUMNS, output)
    say(
        f"{found['chosen'] or 'none'} suits this project: {found['shared_items']:,} items with several answers, "
        f"{found['gold_items']:,} gold items"
    )
    if found["chosen"] and joined_by not in (found["chosen"], "auto", ""):
        change = f"nextlabel project update {project} --consensus auto"
        say(f"its labels are joined by {joined_by} now; to have them joined by what suits: {change}")


@app.command(epilog="Example: nextlabel quality certify news --annotator anthropic:claude-haiku-4-5 --accuracy 0.9")
def certify(
    ctx: typer.Context,
    project: ProjectArgument,
    annotator: Annotated[str, typer.Option(help="Annotator whose labels are to stand.")],
    accuracy: Annotated[float, typer.Option(min=0, max=1, help="Share of the accepted labels that has to be right.")],
    output: OutputOption = Output.TABLE,
) -> None:
    """Find the labels that may stand without a person looking, under a promise that gold proves with 95 % confidence.

    Exit code 1 when the promise cannot be proven.
    """
    with session(ctx).computing() as client:
        from nextlabel.client.messages.plain import plain

        found = plain(client.quality.certify(project, annotator=annotator, accuracy=accuracy))
    emit_one(_certified(found) if output is Output.TABLE else found, output)
    if found["certificate"] is None:
        more = f"at least {found['missing_gold']:,} more gold items are needed" if found["missing_gold"] else ""
        say(
            f"{accuracy:.1%} cannot be proven for any of its labels; "
            f"{more or 'more gold items, or a lower accuracy, may help'}"
        )
        if found["people_at_least"] > 0:
            say(f"people would have to look at {found['people_at_least']:.1%} of its labels or more for that")
        raise typer.Exit(1)


def _certified(found: Record) -> Record:
    """A certificate for people."""
    proof, on_gold = found["certificate"], found["accuracy"]
    all_labels = {
        "labels": f"{found['labels']:,}",
        "right on gold": f"{share_within(on_gold)}, {on_gold['items']:,} items" if on_gold else None,
    }
    if proof is None:
        return {**all_labels, "may stand": "none"}
    return {
        **all_labels,
        "may stand": f"{proof['accepted_share']:.1%}, those with a score from {proof['threshold']:.3f}",
        "at least right": f"{proof['lower_bound']:.1%}, by {proof['right']:,} of {proof['gold_items']:,} gold items",
    }


_DRIFT_COLUMNS: TableColumns = {
    "CAME": lambda a: a["time"],
    "TEXTS": lambda a: f"{a['texts']:,}",
    "EARLIER": lambda a: f"{a['earlier_texts']:,}",
    "TOLD APART": lambda a: f"{a['told_apart']:.1%}",
    "LIKE THE EARLIER": lambda a: "NO" if a["drifted"] else "nothing shows otherwise",
}


_ASKING_COLUMNS: TableColumns = {
    "ANNOTATOR": lambda a: a["annotator"],
    "ASKED": lambda a: a["time"],
    "CHANGED": lambda a: ", ".join(a["changed"]) or None,
    "GOLD ITEMS": lambda a: f"{a['items']:,}",
    "RIGHT": lambda a: f"{a['right'] / a['items']:.1%}",
    "SAME ITEMS BEFORE": lambda a: f"{a['change']['right_before']:.1%}" if a["change"] else None,
    "NOW": lambda a: f"{a['change']['right_now']:.1%}" if a["change"] else None,
    "WORSE": lambda a: "YES" if a["change"] and a["change"]["fallen"] else "nothing shows it" if a["change"] else None,
}


@app.command(epilog="Examples: nextlabel quality drift news;  nextlabel quality drift news --annotators")
def drift(
    ctx: typer.Context,
    project: ProjectArgument,
    annotators: Annotated[
        bool, typer.Option("--annotators", help="Show whether annotators answer gold items worse than before instead.")
    ] = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Show whether the texts that came to the pool are like those before them; 50 % told apart is chance.

    Texts that came together, at least 100, are compared once, ten seconds after the last one. While nothing changes 1
    of 1,000 arrivals raises an alarm at most, and of 100 projects less than one ever has any. With --annotators every
    time that an annotator was asked about gold is compared with the times before; 1 in 1,000 is taken for a fall by
    mistake.
    """
    with session(ctx).computing() as client:
        from nextlabel.client.messages.plain import plain

        if annotators:
            askings = plain(client.quality.annotator_drift(project))["askings"]
            none = "no server-side annotator has answered gold items yet: add some, and start a run"
            emit_many(askings, _ASKING_COLUMNS, output, none=none)
            return
        found = plain(client.quality.drift(project))
    none = "there is nothing to compare yet: it takes 100 texts, and 100 more that came at another time"
    emit_many(found["arrivals"], _DRIFT_COLUMNS, output, none=none)


_REVIEW_COLUMNS: TableColumns = {
    "ITEM": lambda e: e["item_id"],
    "LABEL": lambda e: e["label"],
    "LEARNER": lambda e: e["other_label"] or None,
    "PROBABLY WRONG": lambda e: f"{e['wrong_probability']:.1%}",
    "GAIN": lambda e: f"{e['expected_gain']:.2f}",
    "WHY": lambda e: ", ".join([reason.replace("_", " ") for reason in e["reasons"]]) + _by(e["filtered_by"]),
}


@app.command(epilog="Examples: nextlabel quality review news;  nextlabel label news --annotator ann --review")
def review(
    ctx: typer.Context,
    project: ProjectArgument,
    annotator: Annotated[str, typer.Option(help="Only what this annotator may review: no own answers.")] = "",
    unlabeled: Annotated[
        int, typer.Option(min=0, max=1_000, help="Most items without a label to have on the list, too.")
    ] = 0,
    person_usd: Annotated[
        float, typer.Option(min=0, help="What a look by a person costs: shows what a right label more costs.")
    ] = 0.0,
    limit: Annotated[int, typer.Option(min=1, help="Most entries to show.")] = 100,
    output: OutputOption = Output.TABLE,
) -> None:
    """List the labels worth another look, and why; first where a look is expected to gain most right labels."""
    with session(ctx).computing() as client:
        from nextlabel.client.messages.plain import plain

        entries = client.quality.review(project, annotator=annotator, unlabeled=unlabeled)
        priced = first_of((_priced(plain(entry), person_usd) for entry in entries), limit)
        emit_many(
            priced,
            {**_REVIEW_COLUMNS, **_PRICE_COLUMN} if person_usd else _REVIEW_COLUMNS,
            output,
            none="no label is worth another look",
        )


_PRICE_COLUMN: TableColumns = {
    "A RIGHT LABEL COSTS": lambda e: f"${e['usd_a_right_label']:.2f}" if e["usd_a_right_label"] is not None else None
}


def _priced(entry: Record, person_usd: float) -> Record:
    """Add what a right label costs here, where a look has a price."""
    if not person_usd:
        return entry
    gain = entry["expected_gain"]
    return {**entry, "usd_a_right_label": round(person_usd / gain, 4) if gain else None}


_FILTER_COLUMNS: TableColumns = {
    "ITEM": lambda h: h["item_id"],
    "LABEL": lambda h: h["label"],
    "WHY": lambda h: h["why"],
}


@app.command("filter", epilog="Example: nextlabel quality filter news 'len(text) < 20 or wrong_probability > 0.9'")
def filter_labels(
    ctx: typer.Context,
    project: ProjectArgument,
    rule: Annotated[str, typer.Argument(help="What the labels have in common.")],
    limit: Annotated[int, typer.Option(min=1, help="Most labels to show.")] = 100,
    output: OutputOption = Output.TABLE,
) -> None:
    """List the labels that a rule names, and why; nothing is changed.

    A rule compares text, label, other_label, confidence, vote_share, wrong_probability, annotations, trusted,
    llm_share, judged_wrong, judge_reason, duplicate_of, duplicate_label, in projects of scores score, other_score and
    duplicate_score, and metadata.FIELD or metadata["FIELD"] with texts in quotes, numbers, true, false or none, by
    ==, !=, <, <=, >, >=, in and not in; and, or, not and parentheses join comparisons; len(text), lower(text) and
    FUNCTION(text) or FUNCTION(id), of those that the server was given, may stand in them.
    """
    with session(ctx).computing() as client:
        from nextlabel.client.messages.plain import plain

        hits = client.quality.filter_hits(project, rule)
        emit_many(first_of(map(plain, hits), limit), _FILTER_COLUMNS, output, none="the rule names no label")


app.command("compare", epilog=compare.EPILOG)(compare.compare)
app.command("deliver", epilog=deliver.EPILOG)(deliver.deliver)
app.command("route", epilog=route.EPILOG)(route.route)
app.add_typer(filters.app, name="filters")
app.command("judge", epilog=judge.EPILOG)(judge.judge)
app.command("judges", epilog="Example: nextlabel quality judges news")(judge.judges)
app.command("filtered", epilog="Example: nextlabel quality filtered news")(filters.filtered)
app.command("keep", epilog="Example: nextlabel quality keep news item-17 item-18")(filters.keep)
app.command("kept", epilog="Example: nextlabel quality kept news")(filters.kept)


def _by(filters: list[str]) -> str:
    return f" by {', '.join(filters)}" if filters else ""


def _named(figures: dict[str, list[Record]]) -> list[Record]:
    return [{"of": name, **one} for name, found in figures.items() for one in found]
