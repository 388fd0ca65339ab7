"""Writes the folder file by file, so that a command that was cut off goes on with the next one."""

import csv
import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nextlabel.client.export.croissant import croissant
from nextlabel.client.export.datasheet import Counts, Datasheet, annotator_kinds, collected
from nextlabel.client.export.handover import recompute
from nextlabel.client.export.handover.provenance import Origins, provenance
from nextlabel.client.export.handover.readme import readme
from nextlabel.client.export.handover.stated import Passed, stated
from nextlabel.client.export.markdown import markdown
from nextlabel.client.export.tables import write_rows
from nextlabel.client.export.terms import NO_TERMS, Terms
from nextlabel.client.labeled_items import LabeledItem
from nextlabel.client.literals import FilteredName
from nextlabel.client.messages.answers import plain_answer
from nextlabel.client.messages.plain import plain
from nextlabel.client.writers.replacing import check_folder, replacing

if TYPE_CHECKING:
    from nextlabel.client.handles import ProjectHandle
    from nextlabel.client.transport.modes import Blocking

MARK = "SHA256SUMS"
"""The file that is written last: a folder with it is whole."""
_STATE = "state.json"
_AT_A_TIME = 1_000


class PartialFolder:
    """The files that were written so far, in ``FOLDER.partial`` beside the folder that is to be.

    They belong to one state of the project; those of another one are dropped. `goes_on` says whether there are any.
    """

    def __init__(self, to: Path, state: Mapping[str, Any]) -> None:
        self._to = to
        self.path = to.with_name(f"{to.name}.partial")
        kept = self.path / _STATE
        self.goes_on = kept.is_file() and json.loads(kept.read_text()) == state
        self.dropped = kept.is_file() and not self.goes_on
        if not self.goes_on:
            shutil.rmtree(self.path, ignore_errors=True)
            self.path.mkdir(parents=True)
            _write(kept, state)

    def file(self, name: str, write: Callable[[Path], None]) -> None:
        """Have a file written unless it is there already; a half-written one never is."""
        if not (self.path / name).exists():
            with replacing(self.path / name) as beside:
                write(beside)

    def finish(self, kept: Sequence[str]) -> None:
        """Write the checksums of the files that are handed over, and put the folder where it belongs."""
        for path in self.path.iterdir():
            if path.name not in kept:
                path.unlink()
        sums = [f"{_sha256(self.path / name)}  {name}" for name in kept]
        (self.path / MARK).write_text("\n".join(sums) + "\n")
        check_folder(self._to, MARK)
        shutil.rmtree(self._to, ignore_errors=True)
        self.path.replace(self._to)


def write_handover(
    project: "ProjectHandle[Blocking]",
    items: Iterable[LabeledItem],
    to: Path,
    filtered: FilteredName = "drop",
    *,
    by: str = "",
    terms: Terms = NO_TERMS,
) -> tuple[int, bool]:
    """Write the folder; returns how many items are in it, and whether files of an earlier call were used.

    `filtered` is what became of the labels among `items` that filters leave out, `by` a metadata field by which
    accuracy is told apart too, `terms` those of the hand-over. Raises FileError for a folder that holds something else.
    """
    check_folder(to, MARK)
    annotators = [plain(one) for one in project.labeling.annotators()]
    partial = PartialFolder(to, _state(project, annotators, filtered, by))
    counts, passed, origins = Counts(annotator_kinds(annotators)), Passed(), Origins()
    partial.file("labels.jsonl", lambda path: _labels(path, items))
    partial.file("annotations.jsonl", lambda path: _annotations(project, path))
    partial.file("costs.csv", lambda path: _costs(project, path))
    _count(partial.path, counts, passed, origins)
    has_model = bool(project.get().model_version)
    files = ["labels.jsonl", "annotations.jsonl", "costs.csv"]
    if has_model and passed.items["holdout"]:
        partial.file("predictions.jsonl", lambda path: _predictions(project, partial.path, path))
        files.append("predictions.jsonl")
    if has_model:
        partial.file("curve.csv", lambda path: _curve(project, path))
        partial.file("curve.svg", lambda path: _picture(project, path))
        files += ["curve.csv", "curve.svg"]
    sheet = collected(project, counts, annotators, filtered, by, terms)
    if sheet.advice:
        partial.file("advice.jsonl", lambda path: _advice(project, path))
        files.append("advice.jsonl")
    files += _about(partial, sheet, stated(sheet, passed, _settled(partial.path)), origins, files)
    partial.finish(sorted(files))
    return sum(passed.items.values()), partial.goes_on


def _about(
    partial: PartialFolder, sheet: Datasheet, numbers: Mapping[str, Any], origins: Origins, files: Sequence[str]
) -> list[str]:
    """Write what is said of the rows, always anew; returns the names of the files."""
    folder = partial.path
    _write(folder / "stated.json", numbers)
    _write(folder / "figures.json", sheet.figures())
    _write(folder / "agreement.json", list(sheet.reports))
    _write(folder / "provenance.json", provenance(sheet, origins))
    (folder / "datasheet.md").write_text(markdown(sheet) + "\n", encoding="utf-8")
    _write(folder / "croissant.json", croissant(sheet, folder / "labels.jsonl"))
    shutil.copyfile(Path(recompute.__file__), folder / "recompute.py")
    written = ["stated.json", "figures.json", "agreement.json", "provenance.json", "datasheet.md", "croissant.json"]
    written.append("recompute.py")
    (folder / "README.md").write_text(readme(sheet, numbers, sorted([*files, *written])) + "\n", encoding="utf-8")
    return [*written, "README.md"]


def _state(
    project: "ProjectHandle[Blocking]", annotators: Sequence[Mapping[str, Any]], filtered: str, by: str
) -> dict[str, Any]:
    """What has to be equal for files of an earlier call to be of use."""
    found = plain(project.get())
    told = {name: found[name] for name in ("name", "create_time", "model_version", "counts", "guidelines_version")}
    answers = {one["name"]: one["annotation_count"] for one in annotators}
    spent = plain(project.reports.overview())["spent"]
    return json.loads(json.dumps({**told, "answers": answers, "spent": spent, "filtered": filtered, "by": by}))  # type: ignore[no-any-return]


def _labels(path: Path, items: Iterable[LabeledItem]) -> None:
    write_rows(path, (item.columns() for item in items))


def _annotations(project: "ProjectHandle[Blocking]", path: Path) -> None:
    """Write all annotations: figures rest on those of labels that filters leave out too."""
    with path.open("wb") as file:
        file.writelines(project.labeling.export(filtered="mark"))


def _advice(project: "ProjectHandle[Blocking]", path: Path) -> None:
    with path.open("wb") as file:
        file.writelines(project.labeling.export(form="advice"))


def _costs(project: "ProjectHandle[Blocking]", path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["number", "kind", "line", "run", "reservation", "labels", "tokens", "micro_usd", "time"])
        for one in map(plain, project.budgets.ledger()):
            amount = one["amount"] or {}
            spent = [amount.get(name, 0) for name in ("labels", "tokens", "micro_usd")]
            rows.writerow(
                [one["number"], one["kind"], one["line"], one["run"], one["reservation"], *spent, one["create_time"]]
            )


def _predictions(project: "ProjectHandle[Blocking]", folder: Path, path: Path) -> None:
    ids = [row["id"] for row in _rows(folder / "labels.jsonl") if row["split"] == "holdout"]
    with path.open("w", encoding="utf-8") as file:
        for start in range(0, len(ids), _AT_A_TIME):
            part = ids[start : start + _AT_A_TIME]
            found = project.learner.predict(item_ids=part).predictions
            for item_id, one in zip(part, found, strict=True):
                record = {"id": item_id, "label": plain_answer(one.answer), "probability": one.probability}
                file.write(json.dumps(record, ensure_ascii=False) + "\n")


def _curve(project: "ProjectHandle[Blocking]", path: Path) -> None:
    points = [plain(one) for one in project.reports.learning_curve().points]
    names = ("model_version", "labels", "tokens", "micro_usd", "accuracy", "macro_f1", "holdout_items")
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.DictWriter(file, names, extrasaction="ignore")
        rows.writeheader()
        rows.writerows(points)


def _picture(project: "ProjectHandle[Blocking]", path: Path) -> None:
    path.write_bytes(project.reports.plot(form="svg", axis="labels", measure="accuracy"))


def _count(folder: Path, counts: Counts, passed: Passed, origins: Origins) -> None:
    """Count the rows of the files, whichever call wrote them."""
    for row in _rows(folder / "labels.jsonl"):
        passed.row(row)
        counts.row(row)
    for annotation in _rows(folder / "annotations.jsonl"):
        passed.annotations += 1
        origins.add(annotation)


def _settled(folder: Path) -> Mapping[str, int]:
    settled: Counter[str] = Counter()
    with (folder / "costs.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            settled[row["line"]] += int(row["micro_usd"]) if row["kind"] == "settle" else 0
    return {line: amount for line, amount in settled.items() if amount}


def _rows(path: Path) -> Iterable[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


def _write(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
