"""Small models are tuned on answers, go on after a kill, and are measured on gold that they have never seen."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from nextlabel.server.tuning.examples import AskedPrompts, Form, tuning_data
from nextlabel.server.tuning.language_model import load_language_model
from nextlabel.server.tuning.measuring import GoldItem, answered
from nextlabel.server.tuning.model_folders import ModelFolders, opened
from nextlabel.server.tuning.training import Method, TuningSettings
from nextlabel.server.tuning.tune import Told, Tuning, tune
from nextlabel.server.values.annotation_type import AnnotationType
from nextlabel.server.values.errors import DomainError, FailedPrecondition, InvalidArgument
from nextlabel.server.values.labeling.answers import Body, Label, MultiLabel, Score
from nextlabel.server.values.labeling.tasks import Task
from nextlabel.server.values.projects.guidelines import Guidelines
from nextlabel.server.values.projects.projects import LabelClass
from nextlabel.server.values.projects.score_range import ScoreRange
from tests.tuning.tiny import tiny_model

COLD, WARM = ("snow", "ice", "frost", "sleet"), ("sun", "sand", "heat", "palm")
WORDS = ("today", "here", "again", "there", "much", "more", "soon", "late")
QUICK = TuningSettings(method=Method.FULL, epochs=10, learning_rate=3e-3, checkpoint_every=5)


def task_of(kind: AnnotationType = AnnotationType.SINGLE_LABEL) -> Task:
    labels = () if kind is AnnotationType.SCORE else (LabelClass("cold"), LabelClass("warm"))
    return Task(kind, labels, Guidelines("How is it?"), score_range=ScoreRange(1, 2, 1))


def texts(first: int, count: int) -> list[tuple[str, str]]:
    """Different texts with their labels."""
    found = []
    for n in range(first, first + count):
        own = (COLD, WARM)[n % 2][n // 2 % 4]
        found.append((f"{own} {WORDS[n // 8 % 8]} {WORDS[n % 8]} {own}", ("cold", "warm")[n % 2]))
    return found


def sft(pairs: Sequence[tuple[str, str]]) -> list[dict[str, Any]]:
    return [
        {
            "messages": [
                {"role": "system", "content": "How is it?"},
                {"role": "user", "content": text},
                {"role": "assistant", "content": answer},
            ]
        }
        for text, answer in pairs
    ]


def dpo(pairs: Sequence[tuple[str, str]]) -> list[dict[str, Any]]:
    other = {"cold": "warm", "warm": "cold"}
    return [
        {
            "prompt": [{"role": "user", "content": text}],
            "chosen": [{"role": "assistant", "content": answer}],
            "rejected": [{"role": "assistant", "content": other[answer]}],
        }
        for text, answer in pairs
    ]


LEARNED, GOLD = texts(0, 32), texts(32, 16)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    said = [text for text, _ in [*LEARNED, *GOLD]]
    return tiny_model(tmp_path_factory.mktemp("base"), task_of(), [*said, "1 2 true false", "Give a score"])


def tuning(base: Path, **changes: Any) -> Tuning:
    values: dict[str, Any] = {
        "project": "weather",
        "task": task_of(),
        "base": str(base),
        "form": Form.SFT,
        "records": sft(LEARNED),
        "gold": [GoldItem(text, Label(name)) for text, name in GOLD],
        "evaluating": [text for text, _ in GOLD],
        "settings": QUICK,
    }
    return Tuning(**(values | changes))


def weights(folder: Path) -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = load_language_model(str(folder)).model.state_dict()
    return found


def test_a_version_is_written_measured_and_compared_with_the_one_before(base: Path, tmp_path: Path) -> None:
    folders = ModelFolders(tmp_path)
    first = tune(tuning(base), folders, Told())
    gold = first.manifest["gold"]
    assert gold["accuracy"]["value"] > 0.9
    assert gold["gain"]["low"] > 0
    assert gold["before"]["value"] < gold["accuracy"]["value"]
    second = tune(tuning(base, settings=TuningSettings(Method.FULL, epochs=1)), folders, Told())
    assert [opened(one.folder).name for one in (first, second)] == ["weather-1", "weather-2"]
    assert second.manifest["predecessor"] == "weather-1"
    assert second.manifest["gold"]["before"]["value"] == gold["accuracy"]["value"]
    kept = {path.suffix for path in tmp_path.rglob("*") if path.is_file()}
    assert kept <= {".json", ".safetensors", ".jinja"}
    assert not list(tmp_path.glob(".*"))


def test_what_was_cut_off_goes_on_with_the_same_result(base: Path, tmp_path: Path) -> None:
    class Killed(BaseException):
        pass

    def killed(done: int, of: int, loss: float) -> None:
        if done == 17:
            raise Killed

    steps: list[int] = []
    whole = tune(tuning(base), ModelFolders(tmp_path / "whole"), Told())
    with pytest.raises(Killed):
        tune(tuning(base), ModelFolders(tmp_path / "cut"), Told(step=killed))
    assert ModelFolders(tmp_path / "cut").latest() is None
    again = tune(tuning(base), ModelFolders(tmp_path / "cut"), Told(step=lambda done, of, loss: steps.append(done)))
    assert steps[0] == 16
    one, other = weights(whole.folder), weights(again.folder)
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert again.manifest["loss"] == pytest.approx(whole.manifest["loss"])


def test_nothing_that_says_the_same_as_gold_or_holdout_is_learned(base: Path, tmp_path: Path) -> None:
    held = ["The Sun shines upon the sand, again and again today", "snow here much"]
    copies = ["the sun shines upon the sand again and again today!", "snow  HERE much.", "snow here much"]
    data = tuning_data(sft([*((text, "warm") for text in copies), *LEARNED]), task_of(), held)
    assert data.contaminated == 3
    assert len(data.examples) == len(LEARNED)
    assert not any("shines" in example.user or "snow here much" in example.user.lower() for example in data.examples)
    with pytest.raises(FailedPrecondition, match="3 left out as copies"):
        tune(
            tuning(base, records=sft([(text, "warm") for text in copies]), evaluating=held),
            ModelFolders(tmp_path),
            Told(),
        )


def test_pairs_teach_what_is_better(base: Path, tmp_path: Path) -> None:
    found = tune(tuning(base, form=Form.DPO, records=dpo(LEARNED)), ModelFolders(tmp_path), Told())
    assert found.manifest["gold"]["accuracy"]["value"] > 0.9


@pytest.mark.parametrize(
    ("kind", "said", "body"),
    [
        (
            AnnotationType.MULTI_LABEL,
            {"cold": "cold", "warm": ""},
            {"cold": MultiLabel(("cold",)), "warm": MultiLabel(())},
        ),
        (AnnotationType.SCORE, {"cold": "1", "warm": "2"}, {"cold": Score(1.0), "warm": Score(2.0)}),
    ],
)
def test_several_labels_and_scores_are_learned_as_they_are_asked(
    base: Path, tmp_path: Path, kind: AnnotationType, said: dict[str, str], body: dict[str, Body]
) -> None:
    task = task_of(kind)
    records = sft([(text, said[name]) for text, name in LEARNED])
    gold = [GoldItem(text, body[name]) for text, name in GOLD]
    found = tune(tuning(base, task=task, records=records, gold=gold), ModelFolders(tmp_path), Told())
    assert found.manifest["gold"]["accuracy"]["value"] > 0.9
    model = load_language_model(str(found.folder))
    assert answered(model, *AskedPrompts(task).of(GOLD[0][0]), task) == body[GOLD[0][1]]


def test_adapters_are_merged_into_a_model_of_its_own(base: Path, tmp_path: Path) -> None:
    settings = TuningSettings(Method.LORA, epochs=10, learning_rate=3e-2, checkpoint_every=5)
    found = tune(tuning(base, settings=settings), ModelFolders(tmp_path), Told())
    assert weights(found.folder).keys() == weights(base).keys()
    assert found.manifest["gold"]["gain"]["value"] > 0


def test_adapters_without_their_extra_say_what_to_install(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def without(name: str, *more: Any, **named: Any) -> Any:
        if name == "peft":
            raise ImportError(name)
        return real(name, *more, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(FailedPrecondition, match=r"nextlabel\[tune\]"):
        tune(tuning(base, settings=TuningSettings()), ModelFolders(tmp_path), Told())


@pytest.mark.parametrize(
    ("changes", "error", "says"),
    [
        ({"base": "/nowhere/at-all"}, InvalidArgument, "base"),
        ({"records": sft(LEARNED[:2])}, FailedPrecondition, "it takes 4"),
        ({"task": task_of(AnnotationType.PREFERENCE)}, FailedPrecondition, "preferences"),
    ],
)
def test_what_cannot_be_tuned_is_refused_with_the_reason(
    base: Path, tmp_path: Path, changes: dict[str, Any], error: type[DomainError], says: str
) -> None:
    with pytest.raises(error, match=says):
        tune(tuning(**{"base": base, **changes}), ModelFolders(tmp_path / "models"), Told())
    assert not list(tmp_path.rglob("v*"))


def test_settings_out_of_range_are_named() -> None:
    with pytest.raises(InvalidArgument) as refused:
        TuningSettings(epochs=0, learning_rate=0)
    assert {one.field for one in refused.value.violations} == {"epochs", "learning_rate"}


def test_a_folder_that_is_no_tuned_model_says_so(tmp_path: Path) -> None:
    (tmp_path / "nextlabel.json").write_text("{", encoding="utf-8")
    with pytest.raises(InvalidArgument, match="tune-local"):
        opened(tmp_path)
