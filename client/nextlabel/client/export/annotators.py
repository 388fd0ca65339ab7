"""The sections of a datasheet about annotators: how right each is, how far they agree, and where they are biased."""

from collections.abc import Iterable, Mapping
from typing import Any

from nextlabel.client.export.datasheet import Datasheet
from nextlabel.client.export.markup import plain_text, section, table
from nextlabel.client.messages.amounts import figure_within, points_within, share_within, usd
from nextlabel.client.services.slices import slice_name

Record = Mapping[str, Any]


def of_annotators(sheet: Datasheet) -> Iterable[str]:
    """The sections in their order."""
    yield _annotators(sheet)
    yield _agreement(sheet)
    if sheet.sliced_by:
        yield _slices(sheet)


def _annotators(sheet: Datasheet) -> str:
    if not sheet.annotators:
        return section("Annotators", "Nobody has annotated.")
    reports = {one["annotator"]: one for one in sheet.reports}
    rows = [_row(one, reports.get(one["name"])) for one in sheet.annotators]
    header = ("name", "kind", "answers", "right on gold", "macro-F1", "Cohen's kappa", "calibration error", "cost")
    return section(
        "Annotators",
        table(header, rows),
        "On gold: the newest answer of each about every gold item, beside its known label; the number of items is in "
        "brackets. The calibration error is that of the confidence that comes with a label, cross-validated. Answers "
        "and cost are those that stand: what was asked again since is part of what it all cost.",
    )


def _row(one: Record, report: Record | None) -> list[str | None]:
    on_gold = (report and report["on_gold"]) or {"macro_f1": None, "cohen_kappa": None}
    right = report and report["gold_accuracy"]
    error = report and report["calibration_error"]
    return [
        plain_text(one["name"]),
        one["kind"],
        f"{one['annotation_count']:,}",
        f"{share_within(right)} \\[{right['items']:,}\\]" if right else None,
        share_within(on_gold["macro_f1"]),
        figure_within(on_gold["cohen_kappa"]),
        None if error is None else f"{error:.3f}",
        usd((one["cost"] or {}).get("micro_usd", 0)),
    ]


def _agreement(sheet: Datasheet) -> str:
    found = sheet.consensus
    if found.get("missing"):
        return section("How far annotators agree", f"Not known: {plain_text(found['missing'])}.")
    shared = found["shared_items"]
    way = sheet.project.get("consensus") or "majority"
    joined = (
        "the way that gold and agreement speak for, as `joined_by` of each item says" if way == "auto" else f"`{way}`"
    )
    said = (
        f"{shared:,} items have answers of several annotators, copies of one answer left out. Answers about an item "
        f"are joined by {joined}."
    )
    rows = [
        [
            plain_text(one["annotator"]),
            share_within(one["agreement"]),
            figure_within(one["alpha"]),
            figure_within(one["fleiss_kappa"]),
        ]
        for one in sheet.reports
        if one["agreement"]
    ]
    header = ("annotator", "agreement with others", "Krippendorff's alpha", "Fleiss' kappa")
    return section(
        "How far annotators agree",
        said if shared else f"{said} Agreement is not known.",
        table(header, rows) if rows else "",
    )


def _slices(sheet: Datasheet) -> str:
    rows = [
        [
            plain_text(one["annotator"]),
            plain_text(slice_name(part)),
            share_within(part["gold_accuracy"]),
            points_within(part["gold_accuracy_gap"]),
            share_within(part["agreement"]),
            points_within(part["agreement_gap"]),
            "too few items to tell much" if part["few"] else "",
        ]
        for one in sheet.reports
        for part in one["slices"]
    ]
    beside = "points above its others"
    header = ("annotator", "value", "right on gold", beside, "agreement with others", beside, "note")
    title = f"Whether annotators are biased by {plain_text(sheet.sliced_by)}"
    if not rows:
        return section(title, "Not known: no item of the gold, or that several answered, has the field.")
    return section(
        title,
        table(header, rows),
        "The intervals of an annotator hold for all of its rows at once (Bonferroni): points whose interval leaves out "
        "0 are a bias, and no chance find.",
    )
