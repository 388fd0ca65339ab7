"""By what labels were made: versions, models, prompts, guidelines, seeds."""

from collections import Counter
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from typing import Any

from nextlabel.client.export.datasheet import Datasheet

Record = Mapping[str, Any]
_ASKED = ("requested_model", "answered_model", "prompt_hash", "schema_hash", "guidelines_hash", "api_version")


class Origins:
    """Counts annotations by what they were made by, as they pass."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, ...]] = Counter()

    def add(self, annotation: Record) -> None:
        """Take an annotation in."""
        origin = annotation["provenance"]
        self._counts[(origin["annotator"], *(str(origin.get(name, "")) for name in _ASKED))] += 1

    def records(self) -> Iterable[Record]:
        """Each origin with its number of answers, the most frequent first."""
        for (annotator, *asked), answers in self._counts.most_common():
            given = {name: value for name, value in zip(_ASKED, asked, strict=True) if value}
            yield {"annotator": annotator, **given, "answers": answers}


def provenance(sheet: Datasheet, origins: Origins) -> dict[str, Any]:
    """All of it as one JSON object. Hashes are SHA-256, hexadecimal."""
    project = sheet.project
    return {
        "written": sheet.written,
        "nextlabel": version("nextlabel"),
        "project": {name: project[name] for name in ("name", "create_time", "annotation_type", "model_version")},
        "embedding": project["embedding"],
        "learner": project["learner"],
        "strategy": project["default_strategy"],
        "annotations_by_origin": list(origins.records()),
        "guidelines": [
            {name: one[name] for name in ("version", "state", "author", "create_time", "text_hash", "text")}
            for one in sheet.guidelines
        ],
        "runs": [
            {name: one.get(name) for name in ("run_id", "spec", "state", "rounds", "start_time", "end_time")}
            for one in sheet.runs
        ],
        "filters": sheet.filters,
    }
