"""From a project's labels to a new version of its encoder, where validation says that it is worth its place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nextlabel.server.annotators.prompting.canonical import digest
from nextlabel.server.assessment.agreement.paired_accuracy import PairedAccuracy
from nextlabel.server.learners.specification import LearnerSpec
from nextlabel.server.system.clock import SystemClock
from nextlabel.server.tuning.encoders.labeled_texts import TuningTexts
from nextlabel.server.tuning.encoders.training import EncoderSettings, tuned
from nextlabel.server.tuning.encoders.validation import is_worth_it, validated
from nextlabel.server.tuning.libraries import installed
from nextlabel.server.tuning.model_folders import ModelFolders, TunedModel

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

_LIBRARIES = ("torch", "transformers", "sentence-transformers", "safetensors")


@dataclass(frozen=True, slots=True)
class EncoderTuning:
    """What is to be tuned, and on what.

    Attributes:
        project: name of the project that the labels are from.
        base: name or folder of the encoder that every version is tuned from.
        spec: the learner that is to predict from its embeddings.
        anyway: whether a version is made that validation does not speak for.
    """

    project: str
    base: str
    data: TuningTexts
    spec: LearnerSpec
    settings: EncoderSettings
    anyway: bool = False


@dataclass(frozen=True, slots=True)
class EncoderProgress:
    """Who hears how far it is: of folds of the validation that are done, and of steps of the encoder that is kept."""

    fold: Callable[[int], None] = lambda fold: None
    step: Callable[[int], None] = lambda step: None


def tune_encoder(
    tuning: EncoderTuning, folders: ModelFolders, told: EncoderProgress
) -> tuple[PairedAccuracy, TunedModel | None]:
    """Validate a tuned encoder beside its base, and publish one tuned on all labels where it is worth it.

    Return what validation found, of the base and of tuned encoders, and the version.

    Raises:
        FailedPrecondition: the base cannot be loaded.
    """
    found = validated(tuning.base, tuning.data, tuning.spec, tuning.settings, told.fold)
    if not (tuning.anyway or is_worth_it(found)):
        return found, None
    model = tuned(tuning.base, tuning.data.texts, tuning.data.labels_N, tuning.settings, told.step)
    number = folders.next_version
    return found, folders.publish(_Encoder(model), number, _manifest(tuning, found, number))


def described(found: PairedAccuracy) -> dict[str, Any]:
    """Return the figures of a validation as they are kept beside an encoder."""
    return {
        name: {"value": one.value, "low": one.low, "high": one.high, "items": one.items}
        for name, one in (("before", found.of_first), ("accuracy", found.of_second), ("gain", found.difference))
    }


@dataclass(frozen=True, slots=True, eq=False)
class _Encoder:
    model: SentenceTransformer

    def save(self, folder: Path) -> None:
        """Write the encoder in safetensors, as sentence-transformers reads it."""
        self.model.save(str(folder), create_model_card=False)


def _manifest(tuning: EncoderTuning, found: PairedAccuracy, number: int) -> dict[str, Any]:
    data = tuning.data
    return {
        "name": f"{tuning.project}-encoder-{number}",
        "project": tuning.project,
        "version": number,
        "base": tuning.base,
        "settings": asdict(tuning.settings),
        "data": {
            "labels": len(data.texts),
            "sha256": digest([[text, label] for text, label in zip(data.texts, data.labels_N.tolist(), strict=True)]),
            "contaminated": data.contaminated,
        },
        "validation": described(found),
        "created_at": SystemClock().now().isoformat(timespec="seconds"),
        "libraries": installed(_LIBRARIES),
    }
