"""`nextlabel report`: the learning curve, as data and as a picture."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from nextlabel.client.cli.options import ProjectArgument
from nextlabel.client.cli.output.forms import Output, OutputOption, Record, TableColumns, emit_many, emit_one
from nextlabel.client.cli.output.sources import shares_by_source, source_columns
from nextlabel.client.cli.problems import say
from nextlabel.client.cli.session import session
from nextlabel.client.literals import AxisName, MeasureName, PlotFormName
from nextlabel.client.messages.amounts import figure_within, percent, points_within, share_within, thousand_right, usd
from nextlabel.client.messages.curve_points import ON_HOLDOUT, measured
from nextlabel.client.messages.measures import DECIDED, ERROR, LOG_LOSS, shown_measure
from nextlabel.client.messages.source_points import source_rows
from nextlabel.client.services.slices import slice_name

EPILOG = (
    "Examples: nextlabel report news --output json;  nextlabel report news --plot curve.svg --axis usd;  "
    "nextlabel report news --forecast 200;  nextlabel report news --against-random;  "
    "nextlabel report news --sources --person-usd 0.05;  nextlabel report tone --ranking"
)


_POINT = (
    "labels",
    "tokens",
    "micro_usd",
    "seconds",
    *ON_HOLDOUT,
    "measures",
    "sources",
    "holdout_items",
    "model_version",
)

_COLUMNS: TableColumns = {
    "LABELS": lambda p: p["labels"],
    "OF THEM": lambda p: shares_by_source(p["sources"]),
    "TOKENS": lambda p: p["tokens"],
    "COST": lambda p: usd(p["micro_usd"]),
    "SECONDS": lambda p: f"{p['seconds']:,.1f}",
    "ACCURACY": lambda p: _within(p["accuracy"], p["accuracy_interval"]),
    "MACRO-F1": lambda p: _within(p["macro_f1"], p["macro_f1_interval"]),
    "HOLDOUT": lambda p: p["holdout_items"],
    "MODEL": lambda p: p["model_version"],
}

_SCORE_COLUMNS: TableColumns = {
    **{name: column for name, column in _COLUMNS.items() if name != "MACRO-F1"},
    "ERROR": lambda p: shown_measure(ERROR, p["measures"][ERROR]) if ERROR in p["measures"] else None,
    "RANK CORRELATION": lambda p: shown_measure("spearman", p["measures"].get("spearman", 0.0)),
}


_PREFERENCE_COLUMNS: TableColumns = {
    **{name: column for name, column in _COLUMNS.items() if name != "MACRO-F1"},
    "OF NO TIES": lambda p: shown_measure(DECIDED, p["measures"][DECIDED]) if DECIDED in p["measures"] else None,
    "LOG LOSS": lambda p: shown_measure(LOG_LOSS, p["measures"][LOG_LOSS]) if LOG_LOSS in p["measures"] else None,
}


def report(
    ctx: typer.Context,
    project: ProjectArgument,
    run: Annotated[list[str] | None, typer.Option("--run", help="Only this run; several for --plot.")] = None,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also write the picture: .svg, .png, or .json for Vega-Lite.")
    ] = None,
    axis: Annotated[AxisName, typer.Option(help="Horizontal axis of the picture.")] = "labels",
    measure: Annotated[MeasureName, typer.Option(help="Vertical axis of the picture.")] = "accuracy",
    dark: Annotated[bool, typer.Option("--dark", help="Draw the picture light on dark.")] = False,
    annotators: Annotated[bool, typer.Option("--annotators", help="Report how each annotator does instead.")] = False,
    by: Annotated[
        str,
        typer.Option(metavar="FIELD", help="With --annotators: of each part of the data by a field of the metadata."),
    ] = "",
    forecast: Annotated[
        int | None,
        typer.Option(min=1, metavar="LABELS", help="Forecast what so many more labels would bring."),
    ] = None,
    forecast_usd: Annotated[
        float | None, typer.Option(min=0.000001, help="The same for that many more US dollars.")
    ] = None,
    against_random: Annotated[
        bool,
        typer.Option("--against-random", help="Report what choosing items saved against drawing them at random."),
    ] = False,
    sources: Annotated[
        bool,
        typer.Option(
            "--sources", help="Report what labels of people, of LLMs and of others bought, each by themselves."
        ),
    ] = False,
    more_labels: Annotated[
        int, typer.Option(min=1, max=1_000_000, help="With --sources: so many more labels to forecast for.")
    ] = 200,
    more_usd: Annotated[
        float, typer.Option(min=0.000001, help="With --sources: that many more US dollars to forecast for.")
    ] = 5.0,
    person_usd: Annotated[
        float, typer.Option(min=0, help="With --sources: what a label by a person costs in US dollars.")
    ] = 0.0,
    ranking: Annotated[
        bool, typer.Option("--ranking", help="Report how texts rank by preferences between them.")
    ] = False,
    by_learner: Annotated[
        bool,
        typer.Option(
            "--by-learner", help="With --ranking: begin with what is expected of each text by what it is like."
        ),
    ] = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Report what the labels bought: the learning curve, in labels, tokens, dollars and seconds.

    Accuracy and macro-F1 are those on the holdout, with 95 % intervals for one look. Scores that are no farther off
    than a tenth of the range count as right, and the error is the mean absolute one. Of preferences, the accuracy of no
    ties is how often the better text of two is found.
    """
    runs = run or []
    form = None if plot is None else _plot_form(plot)
    with session(ctx).computing() as client:
        from nextlabel.client.messages.plain import plain

        if plot is not None and form is not None:
            content = client.reports.plot(
                project,
                runs=runs,
                form=form,
                axis=axis,
                measure=measure,
                dark=dark,
                by_source=sources,
                person_usd=person_usd,
            )
            plot.write_bytes(content)
            say(f"wrote {plot}")
        if by and not annotators:
            raise typer.BadParameter("is given with --annotators", param_hint="--by")
        if annotators:
            _emit_annotators([plain(one) for one in client.reports.annotators(project, by=by)], by, output)
            return
        if forecast is not None or forecast_usd is not None:
            outlook = client.reports.forecast(
                project, run=runs[0] if runs else "", more_labels=forecast or 0, more_usd=forecast_usd or 0.0
            )
            emit_one(plain(outlook), output, shown=_outlook(plain(outlook)))
            return
        if sources:
            found = plain(
                client.reports.source_curves(project, more_labels=more_labels, more_usd=more_usd, person_usd=person_usd)
            )
            _emit_sources(found, output)
            return
        if ranking:
            _emit_ranking(plain(client.reports.ranking(project, by_learner=by_learner)), output)
            return
        if against_random:
            found = plain(client.reports.random_control(project))
            emit_one(found, output, shown=_control(found))
            return
        if len(runs) > 1 and plot is None:
            raise typer.BadParameter("several runs can only be drawn; give --plot", param_hint="--run")
        curve = plain(client.reports.learning_curve(project, run=runs[0] if len(runs) == 1 else ""))
    _emit_curve(project, curve, output)


def _emit_curve(project: str, curve: Record, output: Output) -> None:
    points = [{name: point[name] for name in _POINT} for point in map(measured, curve["points"])]
    if output is Output.JSON:
        named = {"project": project, "run": curve["run"], "strategy": curve["strategy"]}
        emit_one({**named, "learning_curve": points}, output)
    else:
        emit_many(
            points,
            _columns_of(points),
            output,
            none=f"the curve has no points yet; each training makes one: nextlabel train {project}",
        )


def _emit_sources(found: Record, output: Output) -> None:
    if output is Output.TABLE:
        emit_many(found["curves"], source_columns(found), output)
        say(f"95 % intervals, on {found['holdout_items']:,} holdout items; a point is 1 % of accuracy")
    elif output is Output.CSV:
        emit_many(source_rows(found), {}, output)
    else:
        emit_one(found, output)


_RANKING_COLUMNS: TableColumns = {
    "TEXT": lambda t: t["text"],
    "REWARD": lambda t: f"{t['reward']['value']:.2f}",
    "95 % INTERVAL": lambda t: f"{t['reward']['low']:.2f} to {t['reward']['high']:.2f}",
    "ANSWERS": lambda t: t["reward"]["items"],
}


def _emit_ranking(found: Record, output: Output) -> None:
    for line in _beside_ranking(found):
        say(line)
    emit_many(found["texts"], _RANKING_COLUMNS, output)


_RANKING_MODELS = {
    "davidson": "by Davidson's model",
    "thurstone": "by Thurstone's model",
    "gaussian_process": "by a Gaussian process over embeddings",
}


def _beside_ranking(found: Record) -> list[str]:
    named = _RANKING_MODELS.get(found["model"], f"by {found['model']}")
    model = f"{named}, which foresaw answers left out best" if found["model"] else ""
    return [line for line in (model, *map(_of_annotator, found["annotators"])) if line]


def _of_annotator(found: Record) -> str:
    at = found["position"]
    within = f"{at['value']:+.2f} ({at['low']:+.2f} to {at['high']:+.2f})"
    skill = f"{found['annotator']}: skill {found['skill']:.2f}"
    return f"{skill}, adds {within} to the text shown first, by {at['items']:,} answers"


def _columns_of(points: Sequence[Record]) -> TableColumns:
    told = {name for point in points for name in point["measures"]}
    return _SCORE_COLUMNS if ERROR in told else _PREFERENCE_COLUMNS if LOG_LOSS in told else _COLUMNS


_ANNOTATOR_COLUMNS: TableColumns = {
    "ANNOTATOR": lambda a: a["annotator"],
    "KIND": lambda a: a["kind"],
    "ON GOLD": lambda a: share_within(a["gold_accuracy"]),
    "MACRO-F1": lambda a: share_within(a["on_gold"]["macro_f1"]) if a["on_gold"] else None,
    "KAPPA": lambda a: figure_within(a["on_gold"]["cohen_kappa"]) if a["on_gold"] else None,
    "AGREEMENT": lambda a: share_within(a["agreement"]),
    "ALPHA": lambda a: figure_within(a["alpha"]),
    "SCORES": lambda a: _scoring(a["scoring"]) if a["scoring"] else None,
    "CALIBRATION ERROR": lambda a: None if a["calibration_error"] is None else f"{a['calibration_error']:.3f}",
    "CANARIES OBEYED": lambda a: f"{a['canaries']['obeyed']} of {a['canaries']['asked']}" if a["canaries"] else None,
    "OTHER MODELS": lambda a: ", ".join(f"{one['model']} {one['answers']:,}" for one in a["other_models"]) or None,
    "COST": lambda a: usd(a["cost"]["micro_usd"]) if a["cost"] else None,
    "1,000 RIGHT ONES": lambda a: thousand_right(a["cost"], a["gold_accuracy"]),
}


_SLICE_COLUMNS: TableColumns = {
    "ANNOTATOR": lambda s: s["annotator"],
    "VALUE": slice_name,
    "ON GOLD": lambda s: share_within(s["gold_accuracy"]),
    "AGAINST THE OTHERS": lambda s: points_within(s["gold_accuracy_gap"]),
    "MACRO-F1": lambda s: share_within(s["on_gold"]["macro_f1"]) if s["on_gold"] else None,
    "KAPPA": lambda s: figure_within(s["on_gold"]["cohen_kappa"]) if s["on_gold"] else None,
    "AGREEMENT": lambda s: share_within(s["agreement"]),
    "AGAINST THE OTHERS ": lambda s: points_within(s["agreement_gap"]),
    "ALPHA": lambda s: figure_within(s["alpha"]),
    "FLEISS": lambda s: figure_within(s["fleiss_kappa"]),
    "NOTE": lambda s: "too few items to tell much" if s["few"] else None,
}


def _emit_annotators(reports: Sequence[Record], by: str, output: Output) -> None:
    if by:
        parts = ({"annotator": one["annotator"], **part} for one in reports for part in one["slices"])
        emit_many(parts, _SLICE_COLUMNS, output)
    else:
        emit_many(reports, _ANNOTATOR_COLUMNS, output, none="nobody has answered gold or holdout items yet")


def _scoring(found: Record) -> str:
    return f"{found['bias']:+.2g}, scale {found['scale']:.2g}, ± {found['spread']:.2g}"


def _control(found: Record) -> Record:
    saved = found["saved_labels"]
    money = {end: usd(round(saved[end] * found["label_micro_usd"])) for end in ("value", "low", "high")}
    most = "" if found["reached"] else "at most "
    return {
        "labels compared": found["labels"],
        "accuracy of chosen ones": percent(found["chosen_accuracy"]),
        "accuracy of random ones": percent(found["random_accuracy"]),
        "gain": _points(found["gain"]),
        "labels saved": most + "{value:,.0f} ({low:,.0f} to {high:,.0f})".format(**saved),
        "money saved": most + "{value} ({low} to {high})".format(**money),
        "holdout items": saved["items"],
    }


def _points(gain: Record) -> str:
    """A difference of two shares in points, with its 95 % interval."""
    form = "{value:+.1f} points ({low:+.1f} to {high:+.1f})"
    return form.format(**{end: 100 * gain[end] for end in ("value", "low", "high")})


def _outlook(found: Record) -> Record:
    return {
        "labels more": found["more_labels"],
        "at what they cost so far": usd(found["micro_usd"]),
        "accuracy then": share_within(found["accuracy"]),
        "gain": _points(found["gain"]),
        "points of the curve": found["points"],
    }


def _within(share: float | None, interval: Record | None) -> str | None:
    """A share with its 95 % interval, as far as they are known."""
    if share is None:
        return None
    return share_within({"value": share, **interval}) if interval else percent(share)


def _plot_form(path: Path) -> PlotFormName:
    forms: dict[str, PlotFormName] = {".svg": "svg", ".png": "png", ".json": "vega_lite"}
    if path.suffix.lower() not in forms:
        raise typer.BadParameter(f"{path} does not end in .svg, .png or .json", param_hint="--plot")
    return forms[path.suffix.lower()]
