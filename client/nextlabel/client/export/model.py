"""A trained model in a folder of its own: what predicts with it, and what has to be known of it."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from nextlabel.client.export.markdown import markdown
from nextlabel.client.export.model_card import model_card
from nextlabel.client.export.predict_script import predict_script
from nextlabel.client.export.release import datasheet
from nextlabel.client.messages.enums import enum_name
from nextlabel.client.messages.plain import plain
from nextlabel.client.writers.replacing import check_folder, replacing_folder
from nextlabel.v1 import learner_service_pb2 as pb
from nextlabel.v1.project_service_pb2 import Project

if TYPE_CHECKING:
    from nextlabel.client.handles import ProjectHandle
    from nextlabel.client.transport.modes import Blocking

MARK = "model.json"
# What a server calls a file never becomes a path.
_NAMES = {
    pb.MODEL_FILE_HEAD: "head.onnx",
    pb.MODEL_FILE_ENCODER: "encoder.onnx",
    pb.MODEL_FILE_TOKENIZER: "tokenizer.json",
}


@dataclass(frozen=True, slots=True)
class WrittenModel:
    """What was written: the model, the names of the files in the folder, and their bytes together."""

    model: pb.ExportedModel
    files: tuple[str, ...]
    size: int


def write_model(
    project: "ProjectHandle[Blocking]",
    folder: Path,
    *,
    version: int = 0,
    encoder: bool = True,
    progress: Callable[[int], object] = lambda received: None,
) -> WrittenModel:
    """Write a model version (0: the newest) into a folder that is new, empty or of an earlier model.

    The folder holds head.onnx and, where texts are embedded and it has that form, encoder.onnx with tokenizer.json;
    model.json with classes and settings, predict.py, the model card README.md and the datasheet of its labels.
    It is there whole or not at all. `progress` is told how many bytes have come.

    Raises FileError where something else is in the way.
    """
    check_folder(folder, MARK)
    with replacing_folder(folder, MARK) as new:
        new.mkdir()
        model = _receive(project.learner.export(version=version, encoder=encoder), new, progress)
        settings = project.get()
        has_encoder = (new / _NAMES[pb.MODEL_FILE_ENCODER]).exists()
        sheet = datasheet(project, project.labels())
        costs = _costs(model)
        described = _settings(model, settings) | ({"costs": costs} if costs else {})
        texts = {
            MARK: json.dumps(described, ensure_ascii=False, indent=2) + "\n",
            "predict.py": predict_script(model, settings.annotation_type, encoder=has_encoder, costs=bool(costs)),
            "README.md": model_card(project, model, sheet, encoder=has_encoder),
            "datasheet.md": markdown(sheet) + "\n",
        }
        for name, text in texts.items():
            (new / name).write_text(text, encoding="utf-8")
        written = sorted(new.iterdir())
        return WrittenModel(model, tuple(path.name for path in written), sum(path.stat().st_size for path in written))


def _receive(
    responses: Iterable[pb.ExportModelResponse], folder: Path, progress: Callable[[int], object]
) -> pb.ExportedModel:
    """Write the parts as they come."""
    model = pb.ExportedModel()
    received = 0
    files: dict[str, BinaryIO] = {}
    with ExitStack() as opened:
        for response in responses:
            if response.HasField("model"):
                model = response.model
            name = _NAMES.get(response.part.file)
            if name is None:
                continue
            if name not in files:
                files[name] = opened.enter_context((folder / name).open("xb"))
            received += files[name].write(response.part.content)
            progress(received)
    return model


def _settings(model: pb.ExportedModel, project: Project) -> dict[str, Any]:
    return {
        "project": project.name,
        "version": model.model_version.version,
        "annotation_type": enum_name(project, "annotation_type"),
        "classes": list(model.classes),
        "thresholds": list(model.thresholds),
        "parents": _parents(model.classes) if project.label_space.paths else [],
        "embedding_model": model.embedding_model,
        "embedding_revision": model.embedding_revision,
        "embedding_fingerprint": model.embedding_fingerprint,
        "embedding_dimension": model.embedding_dimension,
        "text_prefix": model.text_prefix,
    }


def _costs(model: pb.ExportedModel) -> Mapping[str, Mapping[str, float]]:
    """What wrong answers cost, by the true class and the answer; nothing where no costs are declared."""
    params = plain(model.model_version.learner).get("params") or {}
    given = params.get("costs") or {}
    costs = json.loads(given) if isinstance(given, str) else given
    known = set(model.classes)
    return {
        true: {answer: float(cost) for answer, cost in row.items() if answer in known}
        for true, row in costs.items()
        if true in known
    }


def _parents(classes: Sequence[str]) -> list[int]:
    """The place of the class that each one is a kind of, -1 for none: what applies to `a/b`, `a` applies to.

    >>> _parents(["animal", "animal/cat", "plant"])
    [-1, 0, -1]
    """
    place = {name: number for number, name in enumerate(classes)}
    return [place.get(name.rpartition("/")[0], -1) for name in classes]
