"""A datasheet for machines: Croissant, the metadata format of MLCommons, with its vocabulary for responsible AI."""

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from nextlabel.client.export.datasheet import Datasheet
from nextlabel.client.export.limits import known_limits
from nextlabel.client.services.slices import slice_name

_CONTEXT: Mapping[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/",
    "conformsTo": "dct:conformsTo",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}

_TYPES = ((bool, "sc:Boolean"), (int, "sc:Integer"), (float, "sc:Float"))


def croissant(sheet: Datasheet, labels: Path) -> dict[str, Any]:
    """The datasheet with a description of `labels`, a file of JSON Lines of which each column becomes a field."""
    name = str(sheet.project["name"])
    return {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": ["http://mlcommons.org/croissant/1.0", "http://mlcommons.org/croissant/RAI/1.0"],
        "name": name,
        "description": f"Labels of the project {name}, one record an item, with whose label it is and how sure.",
        "datePublished": sheet.written,
        "version": f"1.0.{sheet.project['model_version'] or 0}",
        **{key: said for key, said in (("license", sheet.license), ("citeAs", sheet.cite_as)) if said},
        "rai:dataCollection": "Items were chosen by active learning; see dataLimitations.",
        "rai:dataAnnotationProtocol": _in_force(sheet) or "There are no guidelines.",
        "rai:dataAnnotationAnalysis": [
            sheet.told_human_share(),
            *_estimates(sheet),
            *_of_annotators(sheet),
        ],
        "rai:machineAnnotationTools": list(sheet.models),
        "rai:dataBiases": list(_biases(sheet)),
        "rai:dataLimitations": known_limits(sheet),
        "distribution": [
            {
                "@type": "cr:FileObject",
                "@id": labels.name,
                "name": labels.name,
                "contentUrl": labels.name,
                "encodingFormat": "application/jsonlines",
                "sha256": _sha256(labels),
            }
        ],
        "recordSet": [
            {
                "@type": "cr:RecordSet",
                "@id": "labels",
                "name": "labels",
                "field": _fields(labels),
            }
        ],
    }


def _estimates(sheet: Datasheet) -> Iterable[str]:
    for of, figure in sheet.accuracy_figures():
        yield f"Accuracy of {of}, by {figure['kind']}: {_within(figure['estimate'])}"


_OF_ANNOTATORS: Sequence[tuple[str, Callable[[Mapping[str, Any]], Mapping[str, Any] | None]]] = (
    ("accuracy on gold", lambda one: one["gold_accuracy"]),
    ("macro-F1 on gold", lambda one: one["on_gold"] and one["on_gold"]["macro_f1"]),
    ("Cohen's kappa with gold", lambda one: one["on_gold"] and one["on_gold"]["cohen_kappa"]),
    ("agreement with others", lambda one: one["agreement"]),
    ("Krippendorff's alpha with others", lambda one: one["alpha"]),
    ("Fleiss' kappa with others", lambda one: one["fleiss_kappa"]),
)


def _of_annotators(sheet: Datasheet) -> Iterable[str]:
    for one in sheet.reports:
        for what, estimate_of in _OF_ANNOTATORS:
            estimate = estimate_of(one)
            if estimate:
                yield f"Annotator {one['annotator']}, {what}: {_within(estimate)}"


def _biases(sheet: Datasheet) -> Iterable[str]:
    """Parts of the data in which an annotator is better or worse than in the others, by intervals that hold at once."""
    for one in sheet.reports:
        for part in one["slices"]:
            gap = part["gold_accuracy_gap"]
            if gap and (gap["low"] > 0 or gap["high"] < 0):
                yield (
                    f"Annotator {one['annotator']}, accuracy on gold where {sheet.sliced_by} is {slice_name(part)}, "
                    f"beside all other values: {_within(gap)}"
                )


def _within(estimate: Mapping[str, Any]) -> str:
    return (
        f"{estimate['value']:.4f} (95 % interval {estimate['low']:.4f} to {estimate['high']:.4f}, "
        f"{estimate['items']} items)"
    )


def _in_force(sheet: Datasheet) -> str:
    return next((str(one["text"]) for one in sheet.guidelines if one["state"] == "accepted"), "")


def _fields(labels: Path) -> list[dict[str, Any]]:
    taken: set[str] = set()
    fields = []
    for column, kind in _columns(labels).items():
        # Ids may not hold spaces, and readers take them apart at slashes.
        plain = re.sub(r"\W+", "_", column)
        name = plain if plain not in taken else f"{plain}_{len(taken)}"
        taken.add(name)
        fields.append(
            {
                "@type": "cr:Field",
                "@id": f"labels/{name}",
                "name": f"labels/{name}",
                "description": column,
                "dataType": kind,
                "source": {"fileObject": {"@id": labels.name}, "extract": {"column": column}},
            }
        )
    return fields


def _columns(path: Path) -> dict[str, str]:
    """The type of each column: that of its values, text where they are of several."""
    found: dict[str, set[str]] = {}
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            for name, value in json.loads(line).items():
                kinds = found.setdefault(name, set())
                if value is not None:
                    kinds.add(next((kind for python, kind in _TYPES if isinstance(value, python)), "sc:Text"))
    numbers = {"sc:Integer", "sc:Float"}
    return {
        name: kinds.pop() if len(kinds) == 1 else "sc:Float" if kinds == numbers else "sc:Text"
        for name, kinds in found.items()
    }


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
