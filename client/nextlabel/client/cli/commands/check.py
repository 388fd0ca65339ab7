"""`nextlabel check`: whether a project keeps what was promised of it, for pipelines that stop where it does not."""

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from nextlabel.client.cli.options import ProjectArgument
from nextlabel.client.cli.output.forms import Output, OutputOption, Record, TableColumns, emit_many
from nextlabel.client.cli.problems import FAILED
from nextlabel.client.cli.session import session
from nextlabel.client.messages.amounts import usd
from nextlabel.client.messages.gold_askings import newest_compared

EPILOG = "Example: nextlabel check news --min-accuracy 0.9 --min-model-accuracy 0.85 --max-cost 5 --max-unlabeled 0"

_COLUMNS: TableColumns = {
    "CHECK": lambda c: c["check"],
    "FOUND": lambda c: c["found"],
    "ASKED FOR": lambda c: c["asked_for"],
    "RESULT": lambda c: "kept" if c["kept"] else "BROKEN",
    "": lambda c: c["why"],
}


def check(
    ctx: typer.Context,
    project: ProjectArgument,
    min_accuracy: Annotated[
        float | None, typer.Option(min=0, max=1, help="Lower bound of the accuracy of labels that people did not give.")
    ] = None,
    min_model_accuracy: Annotated[
        float | None, typer.Option(min=0, max=1, help="Lower bound of the accuracy of the newest model.")
    ] = None,
    max_cost: Annotated[float | None, typer.Option(min=0, metavar="USD", help="Most that was spent.")] = None,
    max_unlabeled: Annotated[
        int | None, typer.Option(min=0, help="Most items of the pool without a label that is of use.")
    ] = None,
    no_drift: Annotated[
        bool, typer.Option("--no-drift", help="No texts came that are unlike the earlier ones.")
    ] = False,
    no_annotator_drift: Annotated[
        bool,
        typer.Option("--no-annotator-drift", help="No annotator answered gold worse when it was last asked the same."),
    ] = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Check that labels, model and cost are as good as they have to be; exit code 1 where they are not.

    Of an accuracy, the lower end of its 95 % interval counts: of one that may be watched where there is such, as
    pipelines look again and again, else of the one that rests on most items. What is not known is not kept.
    """
    if (min_accuracy, min_model_accuracy, max_cost, max_unlabeled) == (None,) * 4 and not (
        no_drift or no_annotator_drift
    ):
        raise typer.BadParameter("say what has to be kept, such as --min-accuracy 0.9")
    with session(ctx).computing() as client:
        from nextlabel.client.messages.plain import plain

        chosen = client.project(project)
        overview = plain(chosen.reports.overview())
        accuracy: Record = {}
        if min_accuracy is not None or min_model_accuracy is not None:
            accuracy = plain(chosen.quality.accuracy())
        arrivals = plain(chosen.quality.drift())["arrivals"] if no_drift else []
        askings = plain(chosen.quality.annotator_drift())["askings"] if no_annotator_drift else []
    results: list[Record] = []
    if min_accuracy is not None:
        results.append(_accurate("accuracy of labels", accuracy["labels"], min_accuracy))
    if min_model_accuracy is not None:
        results.append(_accurate("accuracy of the model", accuracy["model"], min_model_accuracy))
    results += _counted(overview, max_cost, max_unlabeled)
    if no_drift:
        results.append(_alike(arrivals))
    if no_annotator_drift:
        results.append(_as_good(askings))
    emit_many(results, _COLUMNS, output)
    raise typer.Exit(0 if all(one["kept"] for one in results) else FAILED)


def _accurate(what: str, figures: list[Record], least: float) -> Record:
    if not figures:
        return _result(what, "not known", f"{least:.1%}", kept=False, why="nothing to measure it on")
    figure = max(figures, key=lambda one: (one["anytime"], one["estimate"]["items"]))
    low, items = figure["estimate"]["low"], figure["estimate"]["items"]
    where = f"{figure['kind'].replace('_', ' ')}, {items:,} items"
    return _result(what, f"at least {low:.1%}", f"{least:.1%}", kept=low >= least, why=f"by {where}")


def _counted(overview: Record, max_cost: float | None, max_unlabeled: int | None) -> Iterator[Record]:
    if max_cost is not None:
        spent = (overview["spent"] or {}).get("micro_usd", 0)
        yield _result("cost", usd(spent), f"at most {usd(round(max_cost * 1e6))}", kept=spent <= max_cost * 1e6)
    if max_unlabeled is not None:
        counts = overview["counts"] or {}
        left = counts.get("pool", 0) - counts.get("labeled", 0)
        yield _result("items without a label", f"{left:,}", f"at most {max_unlabeled:,}", kept=left <= max_unlabeled)


def _alike(arrivals: list[Record]) -> Record:
    drifted = [one for one in arrivals if one["drifted"]]
    why = (
        ", ".join(f"{one['texts']:,} texts of {one['time']}" for one in drifted)
        or f"{len(arrivals):,} arrivals compared"
    )
    found = f"{len(drifted):,} that differ"
    return _result("texts like the earlier ones", found, "none that differ", kept=not drifted, why=why)


def _as_good(askings: list[Record]) -> Record:
    compared = newest_compared(askings)
    fallen = [one for one in compared if one["change"]["fallen"]]
    why = (
        ", ".join(
            f"{one['annotator']}: {one['change']['right_before']:.1%} before, {one['change']['right_now']:.1%} now"
            for one in fallen
        )
        or f"{len(compared):,} annotators asked about gold again"
    )
    found = f"{len(fallen):,} that became worse"
    return _result("annotators as good as before", found, "none that became worse", kept=not fallen, why=why)


def _result(check: str, found: str, asked_for: str, *, kept: bool, why: str = "") -> dict[str, Any]:
    return {"check": check, "found": found, "asked_for": asked_for, "kept": kept, "why": why}
