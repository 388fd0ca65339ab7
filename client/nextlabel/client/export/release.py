"""Everything a reader of labels needs, in one folder: labels, annotations with provenance, and their datasheet."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from nextlabel.client.export.croissant import croissant
from nextlabel.client.export.datasheet import Counts, Datasheet, annotator_kinds, collected
from nextlabel.client.export.markdown import markdown
from nextlabel.client.export.tables import write_rows
from nextlabel.client.export.terms import NO_TERMS, Terms
from nextlabel.client.labeled_items import LabeledItem
from nextlabel.client.literals import FilteredName
from nextlabel.client.messages.plain import plain
from nextlabel.client.readers.errors import FileError
from nextlabel.client.writers.replacing import check_folder, replacing, replacing_folder

if TYPE_CHECKING:
    from nextlabel.client.handles import ProjectHandle
    from nextlabel.client.transport.modes import Blocking

_MARK = "croissant.json"


def check_release(path: Path | None) -> None:
    """Check that a datasheet can be written there: a name in .md or .json, or a folder's, without an ending.

    Raises FileError for another ending, and for a folder that holds something else.
    """
    if path is None or path.suffix.lower() in (".md", ".json"):
        return
    if path.suffix:
        raise FileError(f"{path}: a datasheet ends in .md or .json; without an ending it is a folder, labels included")
    check_folder(path, _MARK)


def write_release(
    project: "ProjectHandle[Blocking]",
    items: Iterable[LabeledItem],
    path: Path,
    filtered: FilteredName = "drop",
    *,
    by: str = "",
    terms: Terms = NO_TERMS,
) -> str:
    """Write the datasheet as the name of `path` says; returns what was written, for people.

    Markdown, its figures as JSON, or a folder with labels.jsonl, annotations.jsonl, datasheet.md, figures.json and
    croissant.json. `filtered` is what became of the labels among `items` that filters leave out. `by` is a metadata
    field by which accuracy is told apart too, and `terms` those of the hand-over. Raises what `check_release` raises.
    """
    if path.suffix:
        sheet = datasheet(project, items, filtered, by=by, terms=terms)
        with replacing(path) as beside:
            beside.write_text(markdown(sheet) + "\n" if path.suffix.lower() == ".md" else _json(sheet.figures()))
        return f"the datasheet to {path}"
    with replacing_folder(path, _MARK) as folder:
        folder.mkdir()
        annotators = [plain(one) for one in project.labeling.annotators()]
        counts = Counts(annotator_kinds(annotators))
        rows = (item.columns() for item in counts.passing(items))
        written = write_rows(folder / "labels.jsonl", rows)
        with (folder / "annotations.jsonl").open("wb") as lines:
            lines.writelines(project.labeling.export(filtered=filtered))
        sheet = collected(project, counts, annotators, filtered, by, terms)
        (folder / "datasheet.md").write_text(markdown(sheet) + "\n")
        (folder / "figures.json").write_text(_json(sheet.figures()))
        (folder / _MARK).write_text(_json(croissant(sheet, folder / "labels.jsonl")))
    return f"{written:,} items with annotations and datasheet to {path}"


def datasheet(
    project: "ProjectHandle[Blocking]",
    items: Iterable[LabeledItem],
    filtered: FilteredName = "drop",
    *,
    by: str = "",
    terms: Terms = NO_TERMS,
) -> Datasheet:
    """The datasheet of a project with these items, accuracy told apart by a metadata field where one is named."""
    annotators = [plain(one) for one in project.labeling.annotators()]
    counts = Counts(annotator_kinds(annotators))
    for _ in counts.passing(items):
        pass
    return collected(project, counts, annotators, filtered, by, terms)


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2) + "\n"
