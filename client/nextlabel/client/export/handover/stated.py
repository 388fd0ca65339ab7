"""The numbers that are stated of a folder of labels, each as the service gives it."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from nextlabel.client.export.datasheet import Datasheet

Record = Mapping[str, Any]


def stated(sheet: Datasheet, passed: "Passed", settled: Mapping[str, int]) -> dict[str, Any]:
    """The numbers that rows can be checked against, and those that only the service can tell, apart.

    `numbers` are computed anew by `recompute.py`; `told` rest on what is not in the folder, such as models of earlier
    versions and probabilities of draws, and say what they are.
    """
    single = sheet.project["annotation_type"] == "single_label"
    numbers: dict[str, Any] = {
        "items": dict(sorted(passed.items.items())),
        "sources": dict(sorted(passed.sources.items())),
        "annotations": passed.annotations,
        "settled_micro_usd": dict(sorted(settled.items())),
    }
    if single:
        numbers["classes"] = dict(sorted(sheet.classes.items()))
        numbers["gold_accuracy"] = _estimates(sheet, "gold_accuracy")
        numbers["cohen_kappa"] = _kappas(sheet)
        numbers["agreement"] = _estimates(sheet, "agreement")
        numbers["beyond_chance"] = _beyond_chance(sheet)
        numbers["holdout_accuracy"] = _holdout(sheet)
    return {
        "annotation_type": sheet.project["annotation_type"],
        "numbers": numbers,
        "told": {
            "accuracy_of_labels": sheet.accuracy.get("labels") or [],
            "accuracy_of_model": sheet.accuracy.get("model") or [],
            "accuracy_of_annotators": sheet.accuracy.get("annotators") or [],
            "slices": sheet.accuracy.get("slices") or [],
            "class_shares": sheet.shares,
            "spent": sheet.spent,
            "human_share": sheet.human_share,
        },
    }


class Passed:
    """What went into the files, counted."""

    def __init__(self) -> None:
        self.items: Counter[str] = Counter()
        self.sources: Counter[str] = Counter()
        self.annotations = 0

    def row(self, row: Record) -> None:
        """Count an item."""
        self.items[row["split"]] += 1
        if row["split"] == "pool":
            self.sources[row["source"]] += 1


def _estimates(sheet: Datasheet, name: str) -> dict[str, Any]:
    found = {str(one["annotator"]): one[name] for one in sheet.reports}
    return {annotator: dict(estimate) for annotator, estimate in sorted(found.items()) if estimate}


def _kappas(sheet: Datasheet) -> dict[str, float]:
    found = {str(one["annotator"]): one["on_gold"] and one["on_gold"]["cohen_kappa"] for one in sheet.reports}
    return {annotator: kappa["value"] for annotator, kappa in sorted(found.items()) if kappa}


def _beyond_chance(sheet: Datasheet) -> dict[str, dict[str, float]]:
    named = {"krippendorff_alpha": "alpha", "fleiss_kappa": "fleiss_kappa"}
    found = {
        str(one["annotator"]): {name: one[key]["value"] for name, key in named.items() if one[key]}
        for one in sheet.reports
    }
    return {annotator: figures for annotator, figures in sorted(found.items()) if figures}


def _holdout(sheet: Datasheet) -> dict[str, Any] | None:
    for figure in sheet.accuracy.get("model") or ():
        if figure["kind"] == "holdout" and not figure["anytime"]:
            return dict(figure["estimate"])
    return None
