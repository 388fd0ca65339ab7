"""What a model is tuned on: exported records, less whatever says the same as an item that evaluates."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from nextlabel.server.annotators.prompting.canonical import digest
from nextlabel.server.annotators.prompting.marking import NO_CODE
from nextlabel.server.annotators.prompting.prompts import PromptBuilder, Question
from nextlabel.server.annotators.prompting.technique import Technique
from nextlabel.server.assessment.filters.near_duplicates import earlier_twins
from nextlabel.server.values.annotation_type import AnnotationType
from nextlabel.server.values.labeling.tasks import ItemToAnnotate, Task
from nextlabel.server.values.runs.annotator_options import Marking

_RATIONALE = "rationale"


class Form(StrEnum):
    """What is learned: answers, answers rather than others, or answers and the reasons for them."""

    SFT = "sft"
    DPO = "dpo"
    RATIONALE = "rationale"


@dataclass(frozen=True, slots=True)
class Example:
    """A prompt with what is to be answered to it; ``rejected`` is the worse answer, None where there is none."""

    system: str
    user: str
    answer: str
    rejected: str | None = None


@dataclass(frozen=True, slots=True)
class TuningData:
    """Examples, and how many records were left out since they say the same as holdout or gold."""

    examples: Sequence[Example]
    contaminated: int

    @property
    def sha256(self) -> str:
        """What tells data apart: the same for the same examples in the same order."""
        return digest([[e.system, e.user, e.answer, e.rejected] for e in self.examples])


class AskedPrompts:
    """The prompts by which a model is asked later on: those of a run with ``--data-marking quoted``.

    They hold no random code, so that a model learns the very prompt that it will meet.
    """

    def __init__(self, task: Task) -> None:
        self._builder = PromptBuilder(task, Technique(marking=Marking.QUOTED, verbalised=False), NO_CODE)

    def of(self, text: str) -> tuple[str, str]:
        """Return what stands before the answer about a text: instructions, and the question."""
        made = self._builder.build([Question(ItemToAnnotate("", 0, text))], variant=0, code=NO_CODE)
        return made.system, made.user


def tuning_data(records: Iterable[Mapping[str, Any]], task: Task, evaluating: Sequence[str]) -> TuningData:
    """Return the examples in exported records, in their order, each once.

    Left out is what says the same as one of the texts that evaluate, in equal words or nearly equal ones: such a model
    would be measured on what it has seen.
    """
    prompts = AskedPrompts(task)
    read = [(_text(record), example) for record in records for example in _examples(record, task, prompts)]
    contaminated = copies_of(evaluating, [text for text, _ in read])
    kept = [example for place, (_, example) in enumerate(read) if place not in contaminated]
    return TuningData(list(dict.fromkeys(kept)), len(contaminated))


def copies_of(evaluating: Sequence[str], texts: Sequence[str]) -> set[int]:
    """Return the places of the texts that say the same as one that evaluates, in equal words or nearly equal ones."""
    first = len(evaluating)
    twins = earlier_twins([*evaluating, *texts])[first:]
    # A copy of a copy has the first as its twin, and that one may be of those that evaluate.
    return {place for place, twin in enumerate(twins) if 0 <= twin < first}


def _examples(record: Mapping[str, Any], task: Task, prompts: AskedPrompts) -> Iterable[Example]:
    reason = record.get("task") == _RATIONALE
    said = record.get("prompt") or record["messages"][:-1]
    system, user = _of(said, "system"), _of(said, "user")
    if not reason:
        system, user = prompts.of(user)
    if "chosen" in record:
        yield Example(system, user, record["chosen"][0]["content"], record["rejected"][0]["content"])
        return
    answer = record["messages"][-1]["content"]
    if task.annotation_type is AnnotationType.MULTI_LABEL and not reason:
        named = set(answer.split(", "))
        yield from (Example(about_class(system, name), user, _truth(name in named)) for name in task.label_names)
    else:
        yield Example(system, user, answer)


def about_class(system: str, name: str) -> str:
    """Return the instructions of the question whether a class applies, as a decision endpoint gets them."""
    return f"{system}\n\nDoes the label {json.dumps(name, ensure_ascii=False)} apply?"


def _truth(applies: bool) -> str:
    return TRUE if applies else FALSE


TRUE, FALSE = "true", "false"


def said_in(record: Mapping[str, Any]) -> tuple[str, str]:
    """Return the text that an exported answer (`Form.SFT`) is about, and the answer."""
    return _text(record), str(record["messages"][-1]["content"])


def _text(record: Mapping[str, Any]) -> str:
    return _of(record.get("prompt") or record["messages"], "user")


def _of(messages: Sequence[Mapping[str, str]], role: str) -> str:
    return next((message["content"] for message in messages if message["role"] == role), "")
