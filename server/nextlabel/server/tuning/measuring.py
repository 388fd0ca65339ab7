"""How often a language model is right about gold, and whether it has become better than the one before it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from nextlabel.server.assessment.agreement.paired_accuracy import PairedAccuracy
from nextlabel.server.assessment.intervals import Estimate, wilson_interval
from nextlabel.server.tasks.registry import task_type
from nextlabel.server.tuning.examples import FALSE, TRUE, AskedPrompts, about_class
from nextlabel.server.tuning.language_model import LanguageModel
from nextlabel.server.values.annotation_type import AnnotationType
from nextlabel.server.values.labeling.answers import Body, Label, MultiLabel, Score
from nextlabel.server.values.labeling.tasks import Task


@dataclass(frozen=True, slots=True)
class GoldItem:
    """A text with its trusted answer."""

    text: str
    body: Body


@dataclass(frozen=True, slots=True)
class GoldMeasure:
    """Shares of gold items that are right, each with its interval; ``gain`` is paired, None without a predecessor."""

    accuracy: Estimate
    before: Estimate | None
    gain: Estimate | None

    @property
    def described(self) -> dict[str, Any]:
        """The figures as they are kept beside a model."""
        return {
            name: None if one is None else {"value": one.value, "low": one.low, "high": one.high, "items": one.items}
            for name, one in (("accuracy", self.accuracy), ("before", self.before), ("gain", self.gain))
        }


def measured(
    model: LanguageModel,
    before: Sequence[bool] | None,
    gold: Sequence[GoldItem],
    task: Task,
    progress: Callable[[int, int], None],
) -> GoldMeasure | None:
    """Compare a model with gold, and with whether its predecessor was right about each item.

    None without gold, and for written texts, which judges compare.
    """
    if not gold or task_type(task.annotation_type).writes_text:
        return None
    right = rights(model, gold, task, progress)
    if before is None:
        return GoldMeasure(wilson_interval(sum(right), len(right)), None, None)
    paired = PairedAccuracy.of(list(zip(before, right, strict=True)))
    return GoldMeasure(paired.of_second, paired.of_first, paired.difference)


def rights(
    model: LanguageModel, gold: Sequence[GoldItem], task: Task, progress: Callable[[int, int], None]
) -> list[bool]:
    """Return for each gold item whether the model finds its answer."""
    prompts, found = AskedPrompts(task), []
    for place, item in enumerate(gold):
        found.append(_same(answered(model, *prompts.of(item.text), task), item.body, task))
        progress(place + 1, len(gold))
    return found


def answered(model: LanguageModel, system: str, user: str, task: Task) -> Body:
    """Return the most probable answer of a closed type; of several classes those that more likely apply than not."""
    if task.annotation_type is AnnotationType.MULTI_LABEL:
        yes = [name for name in task.label_names if applies(model, about_class(system, name), user) >= 0.5]
        return MultiLabel(tuple(yes))
    choices = choices_of(task)
    shares = model.distribution(system, user, choices)
    best = choices[max(range(len(choices)), key=shares.__getitem__)]
    return Score(float(best)) if task.annotation_type is AnnotationType.SCORE else Label(best)


def applies(model: LanguageModel, system: str, user: str) -> float:
    """Return how probable it is that the answer to a question of yes or no is yes."""
    return model.distribution(system, user, [TRUE, FALSE])[0]


def choices_of(task: Task) -> list[str]:
    """Return what an answer is one of, as a model was tuned to write it."""
    if task.annotation_type is AnnotationType.SCORE:
        return [f"{level:.12g}" for level in task.score_levels]
    return list(task.label_names)


def _same(found: Body, true: Body, task: Task) -> bool:
    if isinstance(found, Score) and isinstance(true, Score):
        return task.score_range.same(found.value, true.value)
    return found == true
