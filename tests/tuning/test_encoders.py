"""Encoders are tuned on labels, kept where labels that were held out speak for it, and never see what evaluates."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from nextlabel.server.assessment.agreement.paired_accuracy import PairedAccuracy
from nextlabel.server.learners.embedding.weights import fingerprint
from nextlabel.server.learners.specification import LearnerSpec, parse_learner_spec
from nextlabel.server.tuning.encoders.labeled_texts import TuningTexts, labeled, read
from nextlabel.server.tuning.encoders.training import EncoderSettings
from nextlabel.server.tuning.encoders.tune import EncoderProgress, EncoderTuning, tune_encoder
from nextlabel.server.tuning.encoders.validation import is_worth_it
from nextlabel.server.tuning.measuring import GoldItem
from nextlabel.server.tuning.model_folders import ModelFolders, opened
from nextlabel.server.tuning.project_answers import ProjectAnswers
from nextlabel.server.values.annotation_type import AnnotationType
from nextlabel.server.values.errors import FailedPrecondition
from nextlabel.server.values.labeling.answers import Label
from nextlabel.server.values.labeling.tasks import Task
from tests.tuning.test_tuning import sft, task_of, texts
from tests.tuning.tiny import DIMENSION, tiny_encoder

LABELED = texts(0, 60)
QUICK = EncoderSettings(steps=30, batch_size=12, learning_rate=3e-3)
LOGISTIC: LearnerSpec = parse_learner_spec("logistic_regression", {})


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_encoder(tmp_path_factory.mktemp("encoder"), [text for text, _ in LABELED])


def tuning(base: Path, data: TuningTexts | None = None, **changes: Any) -> EncoderTuning:
    data = data or labeled(sft(LABELED), task_of(), [])
    values: dict[str, Any] = {"project": "weather", "spec": LOGISTIC, "settings": QUICK, **changes}
    return EncoderTuning(base=str(base), data=data, **values)


def test_an_encoder_that_helps_is_published_with_what_held_out_labels_said(base: Path, tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformer

    folds: list[int] = []
    steps: list[int] = []
    folders = ModelFolders(tmp_path, "weather-encoder-")
    found, version = tune_encoder(tuning(base), folders, EncoderProgress(folds.append, steps.append))
    assert version is not None
    assert version.folder.name == "weather-encoder-0001"
    assert (folds, steps) == ([1, 2, 3], [*range(1, 31)])
    assert found.items == len(LABELED)
    assert found.of_second.value > found.of_first.value
    manifest = opened(version.folder).manifest
    assert manifest["validation"]["gain"]["value"] == found.difference.value
    assert manifest["data"]["labels"] == len(LABELED)
    assert {path.suffix for path in version.folder.rglob("*") if path.is_file()} <= {".json", ".safetensors", ".txt"}
    assert SentenceTransformer(str(version.folder)).encode(["snow here"]).shape == (1, DIMENSION)
    assert folders.next_version == 2


def test_labels_that_say_nothing_of_texts_publish_nothing_unless_asked(base: Path, tmp_path: Path) -> None:
    names = np.random.default_rng(0).permutation([name for _, name in LABELED]).tolist()
    noise = labeled(sft([(text, name) for (text, _), name in zip(LABELED, names, strict=True)]), task_of(), [])
    folders = ModelFolders(tmp_path, "weather-encoder-")
    _, version = tune_encoder(tuning(base, noise), folders, EncoderProgress())
    assert version is None
    assert not list(tmp_path.iterdir())
    _, version = tune_encoder(tuning(base, noise, anyway=True), folders, EncoderProgress())
    assert version is not None


def test_a_gain_has_to_exceed_its_standard_error() -> None:
    assert is_worth_it(PairedAccuracy(both=80, first=2, second=12, neither=6))
    assert not is_worth_it(PairedAccuracy(both=80, first=7, second=8, neither=5))
    assert not is_worth_it(PairedAccuracy(both=100, first=0, second=0, neither=0))


class _Answers:
    """What is read of a project."""

    project = "weather"

    def __init__(self, pairs: Sequence[tuple[str, str]], task: Task, model: str) -> None:
        self._pairs, self._task, self._model = pairs, task, model

    def embedding_model(self) -> str:
        return self._model

    def task(self) -> Task:
        return self._task

    def records(self, form: object) -> list[dict[str, Any]]:
        return sft(self._pairs)

    def gold(self) -> list[GoldItem]:
        return [GoldItem(LABELED[0][0].upper(), Label("cold"))]

    def holdout(self) -> list[str]:
        return [f"{LABELED[1][0]}!"]

    def unlabeled(self) -> list[str]:
        return ["palm frost", "frost palm"]


def answers(
    pairs: Sequence[tuple[str, str]] = LABELED, task: Task | None = None, model: str = "tiny"
) -> ProjectAnswers:
    return cast("ProjectAnswers", _Answers(pairs, task or task_of(), model))


def test_what_says_the_same_as_gold_or_holdout_is_left_out() -> None:
    data = read(answers(), seed=0)
    assert data.contaminated == 2
    assert not {LABELED[0][0], LABELED[1][0]} & set(data.texts)
    assert sorted(data.pool) == ["frost palm", "palm frost"]
    assert [one.text for one in data.class_texts] == ["cold", "warm"]


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (answers(LABELED[:40]), "takes 50 of two classes"),
        (answers([pair for pair in texts(0, 130) if pair[1] == "cold"]), "of 1 classes"),
        (answers(task=task_of(AnnotationType.MULTI_LABEL)), "tuned on single labels"),
        (answers(model=""), "come with embeddings"),
    ],
)
def test_too_little_to_tune_on_is_refused(given: ProjectAnswers, why: str) -> None:
    with pytest.raises(FailedPrecondition, match=why):
        read(given, seed=0)


def test_the_same_labels_give_the_same_encoder(base: Path, tmp_path: Path) -> None:
    quick = EncoderSettings(steps=3, batch_size=12)
    written = [
        tune_encoder(tuning(base, settings=quick, anyway=True), ModelFolders(tmp_path / name), EncoderProgress())[1]
        for name in ("one", "other")
    ]
    one, other = (fingerprint(version.folder) for version in written if version)
    assert one == other != fingerprint(base)
