"""The card of an exported model: how it was trained, on what, how good it is, and how to use it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import grpc

from nextlabel.client.errors import NextlabelError
from nextlabel.client.export.datasheet import Datasheet
from nextlabel.client.export.limits import known_limits
from nextlabel.client.export.markdown import labeled_by
from nextlabel.client.export.markup import plain_text, section, table
from nextlabel.client.export.predict_script import packages
from nextlabel.client.messages.amounts import percent, share_within
from nextlabel.client.messages.measures import has_no_classes, shown_measure
from nextlabel.client.messages.plain import plain
from nextlabel.v1.learner_service_pb2 import ExportedModel

if TYPE_CHECKING:
    from nextlabel.client.handles import ProjectHandle
    from nextlabel.client.transport.modes import Blocking

Record = Mapping[str, Any]

_FRONT = "---\nlibrary_name: onnx\npipeline_tag: text-classification\ntags: [nextlabel, active-learning]\n---"
_ALONE = "accuracy_without_advice"


def model_card(project: "ProjectHandle[Blocking]", model: ExportedModel, sheet: Datasheet, *, encoder: bool) -> str:
    """The card in Markdown, a section for each question. `encoder` says that the encoder's files lie beside it."""
    about = plain(model)
    version = about["model_version"]
    points = plain(project.reports.learning_curve())["points"]
    point = next((one for one in points if one["model_version"] == version["version"]), None)
    return (
        "\n\n".join(
            [
                _FRONT,
                f"# Model of {plain_text(sheet.project['name'])}, version {version['version']}",
                f"Written {sheet.written}.",
                _use(model, about, encoder=encoder),
                _classes(sheet, about),
                _quality(project, version, point),
                _training(version, sheet),
                labeled_by(sheet).replace("## Who labeled it", "## Who labeled what it learned from"),
                _licences(about, sheet),
                section(
                    "Known limits",
                    "\n".join(f"- {limit}" for limit in (*_limits(about), *known_limits(sheet))),
                ),
            ]
        )
        + "\n"
    )


def _use(model: ExportedModel, about: Record, *, encoder: bool) -> str:
    given = '"a text"' if model.embedding_model else "embeddings.npy"
    return section(
        "Use",
        f"```console\npip install {packages(model, encoder=encoder)}\npython predict.py {given}\n```",
        f"`head.onnx` takes `embeddings`, (n, {about['embedding_dimension']}) float32, and gives {_gives(about)}.",
        _encoder(about, encoder=encoder),
    )


def _gives(about: Record) -> str:
    if not about["classes"]:
        return "`scores`, (n, 3) float32: the score, and the ends of the interval that holds 95 % of the true ones"
    return f"`probabilities`, (n, {len(about['classes'])}) float32, in the order of `classes` in `model.json`"


def _encoder(about: Record, *, encoder: bool) -> str:
    if not about["embedding_model"]:
        return "The embeddings are those that the project was given; what made them is not recorded here."
    revision = f", revision `{about['embedding_revision']}`" if about["embedding_revision"] else ""
    weights = f", weights with SHA-256 `{about['embedding_fingerprint']}`" if about["embedding_fingerprint"] else ""
    said = f"Texts are embedded by {plain_text(about['embedding_model'])}{revision}{weights}"
    if encoder:
        return f"{said}: `encoder.onnx` with `tokenizer.json`. Its embeddings have length 1 and are rounded to float16."
    why = about["encoder_problem"]
    return (
        f"{said}, which is not in this folder{': ' + plain_text(why) if why else ''}. `predict.py` loads it by this "
        "name with sentence-transformers; its embeddings are brought to length 1 and rounded to float16."
    )


def _classes(sheet: Datasheet, about: Record) -> str:
    if not about["classes"]:
        allowed = sheet.project["score_range"] or {}
        return section("Scores", f"From {allowed.get('minimum', 0):g} to {allowed.get('maximum', 1):g}.")
    described = {one["name"]: one["description"] for one in (sheet.project["label_space"] or {}).get("classes", [])}
    thresholds = about["thresholds"] or [None] * len(about["classes"])
    rows = [
        [plain_text(name), plain_text(described.get(name, "")), f"{sheet.classes.get(name, 0):,}", _figure(given)]
        for name, given in zip(about["classes"], thresholds, strict=True)
    ]
    said = "A class is given above its threshold." if about["thresholds"] else "The most probable class is the answer."
    return section("Classes", said, table(("class", "description", "labeled pool items", "threshold"), rows))


def _figure(value: float | None) -> str | None:
    return None if value is None else f"{value:.3f}"


def _quality(project: "ProjectHandle[Blocking]", version: Record, point: Record | None) -> str:
    found = version["evaluation"]
    if not found:
        return section("How good it is", "Not known: there was no holdout when it was trained.")
    measures = found["measures"]
    if _ALONE in measures:
        said = "without advice, as it is exported"
        accuracy, macro_f1 = percent(measures[_ALONE]), percent(measures["macro_f1_without_advice"])
        error = measures["calibration_error_without_advice"]
    else:
        said = "with 95 % intervals for one look"
        accuracy, macro_f1 = (_within(found, point, name) for name in ("accuracy", "macro_f1"))
        error = found["calibration_error"]
    of_classes = [] if has_no_classes(measures) else [["macro-F1", macro_f1], ["calibration error", percent(error)]]
    further = [
        [name.replace("_", " "), shown_measure(name, value)] for name, value in measures.items() if "advice" not in name
    ]
    rows = [["accuracy", accuracy], *of_classes, *further]
    by_class = () if _ALONE in measures else _by_class(project, version["version"])
    return section(
        "How good it is",
        f"Measured on {found['items']:,} holdout items, {said}. The holdout was in no training.",
        table(("figure", "value"), rows),
        table(("class", "precision", "recall", "F1", "holdout items of now"), by_class) if by_class else "",
    )


def _within(found: Record, point: Record | None, name: str) -> str:
    interval = (point or {}).get(f"{name}_interval")
    return percent(found[name]) if interval is None else str(share_within({"value": found[name], **interval}))


def _by_class(project: "ProjectHandle[Blocking]", version: int) -> Sequence[Sequence[str]]:
    try:
        scores = project.learner.evaluate(model_version=version).evaluation.classes
    except NextlabelError as error:
        if error.code is not grpc.StatusCode.FAILED_PRECONDITION:
            raise
        return ()  # The holdout was deleted since.
    return [
        [plain_text(one.label), percent(one.precision), percent(one.recall), percent(one.f1), f"{one.items:,}"]
        for one in scores
    ]


def _training(version: Record, sheet: Datasheet) -> str:
    learner = version["learner"] or {}
    params = ", ".join(f"{key} = {value}" for key, value in (learner.get("params") or {}).items())
    counts = sheet.project["counts"] or {}
    rows = [
        ["learner", plain_text(f"{learner.get('estimator') or 'default'} {params}")],
        ["what it chose", plain_text(version["description"])],
        ["labels trained on", f"{version['labels']:,}"],
        ["of them trusted", f"{version['trusted_labels']:,}"],
        ["labels that filters left out", f"{version['labels_filtered']:,}"],
        ["items in the pool", f"{counts.get('pool', 0):,}"],
        ["trained", version["create_time"]],
        ["seconds", f"{version['train_seconds']:.2f}"],
        ["run", plain_text(version["run"]) or None],
    ]
    return section("How it was trained", table(("", ""), rows))


def _licences(about: Record, sheet: Datasheet) -> str:
    hints = ["The texts belong to whom they belong to; say here under which licence they and this model may be used."]
    if about["embedding_model"]:
        hints.append(f"The encoder {plain_text(about['embedding_model'])} has a licence of its own.")
    if sheet.models:
        names = ", ".join(plain_text(name) for name in sheet.models)
        hints.append(f"Labels come from {names}: their providers' terms say what may be trained on answers.")
    if _is_of_neighbours(about):
        hints.append("`head.onnx` holds the embeddings of the items trained on, which tell much about their texts.")
    return section("Licences", "\n".join(f"- {hint}" for hint in hints))


def _is_of_neighbours(about: Record) -> bool:
    return ((about["model_version"]["learner"] or {}).get("estimator") or "") == "nearest_neighbors"


def _limits(about: Record) -> Iterator[str]:
    if about["model_version"]["advice"]:
        yield (
            "In the project, items that annotators advised on are predicted with this advice. "
            "Here there is none: this is the learner alone."
        )
