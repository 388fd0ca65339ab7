"""From exported answers to a new version of a model that is measured on gold."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nextlabel.server.annotators.prompting.canonical import digest
from nextlabel.server.system.clock import SystemClock
from nextlabel.server.tuning.examples import Form, TuningData, tuning_data
from nextlabel.server.tuning.language_model import LanguageModel, load_language_model
from nextlabel.server.tuning.libraries import installed
from nextlabel.server.tuning.measuring import GoldItem, measured, rights
from nextlabel.server.tuning.model_folders import ModelFolders, TunedModel
from nextlabel.server.tuning.training import TuningSettings, described, tuned
from nextlabel.server.values.annotation_type import AnnotationType
from nextlabel.server.values.errors import FailedPrecondition
from nextlabel.server.values.labeling.tasks import Task

FEWEST_EXAMPLES = 4
_LIBRARIES = ("torch", "transformers", "peft", "safetensors")


@dataclass(frozen=True, slots=True)
class Tuning:
    """What is to be tuned, and on what.

    Attributes:
        project: name of the project that the answers are from.
        base: folder or hub id of the model that the first version is tuned from, and later ones, too.
        records: lines of the export ``form``.
        evaluating: texts of the holdout and gold items.
    """

    project: str
    task: Task
    base: str
    form: Form
    records: Iterable[Mapping[str, Any]]
    gold: Sequence[GoldItem]
    evaluating: Sequence[str]
    settings: TuningSettings


@dataclass(frozen=True, slots=True)
class Told:
    """Who hears how far it is: of steps done, of all, the loss; and of gold items asked, of all."""

    step: Callable[[int, int, float], None] = lambda done, of, loss: None
    gold: Callable[[int, int], None] = lambda done, of: None
    data: Callable[[TuningData], None] = lambda data: None


def tune(tuning: Tuning, folders: ModelFolders, told: Told) -> TunedModel:
    """Tune a model, measure it beside its predecessor, and publish it as the next version.

    The predecessor is the version before, or the base. The same call after a kill goes on where it was.

    Raises:
        InvalidArgument: the base is no model.
        FailedPrecondition: there are too few answers, or the project's items are pairs.
    """
    if tuning.task.annotation_type is AnnotationType.PREFERENCE:
        raise FailedPrecondition(
            f"project {tuning.project} asks for preferences of pairs; models are tuned to answer about single texts. "
            "Export its preferences (--form dpo) for a trainer of your own",
            reason="NO_TUNING",
        )
    data = tuning_data(tuning.records, tuning.task, tuning.evaluating)
    told.data(data)
    if len(data.examples) < FEWEST_EXAMPLES:
        raise FailedPrecondition(
            f"{len(data.examples)} answers to tune on, and {data.contaminated} left out as copies of holdout or gold; "
            f"it takes {FEWEST_EXAMPLES}: label more items"
            + (", or have an LLM answer items that people answered (--form dpo)" if tuning.form is Form.DPO else ""),
            reason="TOO_FEW_EXAMPLES",
        )
    number, before = folders.next_version, folders.latest()
    checkpoint = folders.checkpoint(
        digest([data.sha256, tuning.base, described(tuning.settings), tuning.form.value, number])
    )
    base = load_language_model(tuning.base)
    was_right = _was_right(base if before is None else load_language_model(str(before.folder)), tuning, told)
    model, loss = tuned(base, data.examples, tuning.settings, checkpoint, told.step)
    measure = measured(model, was_right, tuning.gold, tuning.task, told.gold)
    manifest = {
        "name": f"{tuning.project}-{number}",
        "project": tuning.project,
        "annotation_type": tuning.task.annotation_type.value,
        "version": number,
        "base": tuning.base,
        "predecessor": tuning.base if before is None else before.name,
        "form": tuning.form.value,
        "settings": described(tuning.settings),
        "data": {"examples": len(data.examples), "sha256": data.sha256, "contaminated": data.contaminated},
        "guidelines_version": tuning.task.guidelines.version,
        "loss": loss,
        "gold": None if measure is None else measure.described,
        "created_at": SystemClock().now().isoformat(timespec="seconds"),
        "libraries": installed(_LIBRARIES),
    }
    published = folders.publish(model, number, manifest)
    shutil.rmtree(checkpoint, ignore_errors=True)
    return published


def _was_right(before: LanguageModel, tuning: Tuning, told: Told) -> list[bool] | None:
    if not tuning.gold or tuning.task.annotation_type is AnnotationType.TEXT:
        return None
    return rights(before, tuning.gold, tuning.task, told.gold)
