"""From a task and items to the request a model gets.

The system prompt holds what all requests share (codebook, labels, fixed demonstrations, what the marks of data mean)
and ends in the cache breakpoint; the user message holds what differs (preselected labels, retrieved demonstrations,
items), all of it fenced as data.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from nextlabel.server.annotators.prompting.canonical import digest
from nextlabel.server.annotators.prompting.marking import NO_CODE, Fence, rule
from nextlabel.server.annotators.prompting.schemas import answer_schema
from nextlabel.server.annotators.prompting.technique import Technique
from nextlabel.server.annotators.prompting.templates import render_system
from nextlabel.server.tasks.answer_form import answer_rule
from nextlabel.server.tasks.json_schema import JsonSchema
from nextlabel.server.tasks.label_space import label_lines
from nextlabel.server.tasks.registry import type_of
from nextlabel.server.values.labeling.tasks import Demonstration, ItemToAnnotate, Task
from nextlabel.server.values.projects.projects import LabelClass

_PHRASES = (
    "Decide what the guidelines say about each item.",
    "Read each item and judge it as the guidelines ask.",
    "For every item, find the answer that fits the guidelines best.",
)

_ANEW = "Write the answer anew, so that it follows the guidelines where the reviewer found that it does not."


@dataclass(frozen=True, slots=True)
class Question:
    """An item with what was looked up for it: retrieved demonstrations, and preselected labels if any."""

    item: ItemToAnnotate
    demonstrations: tuple[Demonstration, ...] = ()
    labels: tuple[str, ...] = ()
    swapped: bool = False


@dataclass(frozen=True, slots=True)
class Prompt:
    """What is sent. `ids` are the short ids that the reply has to use, one per question, in their order."""

    system: str
    user: str
    schema: JsonSchema
    ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PromptBuilder:
    """Builds prompts for one task and technique.

    `code` fences the fixed demonstrations: it stays the same as long as the builder lives, so that the prompt
    cache works. Requests get a fresh code each.
    """

    task: Task
    technique: Technique
    code: str
    _made: dict[tuple[str, int], str] = field(default_factory=dict, init=False, repr=False, compare=False)

    def build(self, questions: Sequence[Question], *, variant: int, code: str) -> Prompt:
        """The prompt for `questions`; `variant` 0 is the canonical wording and label order."""
        ids = tuple(f"q{number}" for number in range(1, len(questions) + 1))
        return Prompt(
            system=self.system(variant),
            user=self._user(questions, ids, Fence(code, self.technique.marking)),
            schema=answer_schema(self.task, self.technique, ids),
            ids=ids,
        )

    def system(self, variant: int) -> str:
        """The part of the prompt that all requests of a variant share."""
        return self._once("system", variant, lambda: _system(self.task, self.technique, variant, self.code))

    def prompt_hash(self, variant: int = 0) -> str:
        """SHA-256 of the wording: everything but items and random codes."""
        return self._once("prompt", variant, lambda: _prompt_hash(self.task, self.technique, variant))

    def schema_hash(self) -> str:
        """SHA-256 of the schema that one item is answered in."""
        return self._once("schema", 0, lambda: digest(answer_schema(self.task, self.technique, ("q1",))))

    def _once(self, what: str, variant: int, make: Callable[[], str]) -> str:
        """What does not depend on the items is made once a builder: hashing a task costs more than all else here."""
        made = self._made.get((what, variant))
        if made is None:
            made = self._made[what, variant] = make()
        return made

    def _user(self, questions: Sequence[Question], ids: Sequence[str], fence: Fence) -> str:
        parts = []
        if options := _in_order(self.task, [name for question in questions for name in question.labels]):
            parts.append("Labels to choose from here:\n" + label_lines(options))
        shown = {demo.item_id: demo for question in questions for demo in question.demonstrations}
        if shown:
            parts.append(
                "Similar items and their answers:\n" + _demonstrations(tuple(shown.values()), fence, self.technique)
            )
        parts += [_item(question, name, fence) for question, name in zip(questions, ids, strict=True)]
        parts.append(_closing(self.task, self.technique, ids))
        return "\n\n".join(parts)


def variant_label_order(labels: Sequence[LabelClass], variant: int) -> tuple[LabelClass, ...]:
    """The labels as variant `variant` lists them: 0 in their own order, the others permuted, reproducibly."""
    ordered = list(labels)
    if variant:
        random.Random(variant).shuffle(ordered)  # noqa: S311
    return tuple(ordered)


def _system(task: Task, technique: Technique, variant: int, code: str) -> str:
    fence = Fence(code, technique.marking)
    labels = "" if technique.preselected_labels else label_lines(variant_label_order(task.labels, variant))
    wording = render_system(
        technique.template,
        instruction=_PHRASES[variant % len(_PHRASES)],
        guidelines=task.guidelines.text,
        labels=labels,
        demonstrations=_demonstrations(task.demonstrations, fence, technique),
        data_rule=fence.explain() if task.demonstrations else "",
        answer_rule=answer_rule(task, technique.form),
    )
    return f"{wording.rstrip()}\n\n{rule(technique.marking)}"


def _prompt_hash(task: Task, technique: Technique, variant: int) -> str:
    empty = Question(ItemToAnnotate(item_id="", row=0, text=""))
    builder = PromptBuilder(task, technique, NO_CODE)
    prompt = builder.build([empty], variant=variant, code=NO_CODE)
    return digest([prompt.system, prompt.user])


def _in_order(task: Task, names: Sequence[str]) -> tuple[LabelClass, ...]:
    wanted = set(names)
    return tuple(label for label in task.labels if label.name in wanted)


def _demonstrations(demonstrations: Sequence[Demonstration], fence: Fence, technique: Technique) -> str:
    """Show answers, and the reasons for them where reasons are asked for, in the order in which they are."""
    blocks = []
    for shown in demonstrations:
        kind = type_of(shown.body)
        answer = kind.shown(shown.body)
        if kind.writes_text:
            answer = "\n" + fence.wrap(answer)
        parts = [fence.wrap(shown.text)] if shown.text or shown.alternatives is None else []
        if shown.alternatives is not None:
            first, second = map(fence.wrap, shown.alternatives)
            parts += ["First answer:", first, "Second answer:", second]
        said = [f"Answer: {answer}"]
        if shown.rationale and technique.justification:
            said.insert(0 if technique.reason_first else 1, f"Because:\n{fence.wrap(shown.rationale)}")
        blocks.append("\n".join([*parts, *said]))
    return "\n\n".join(blocks)


def _item(question: Question, name: str, fence: Fence) -> str:
    item = question.item
    # Two texts may be all there is: nothing was asked that they answer.
    parts = [fence.wrap(item.text, id=name)] if item.text or item.alternatives is None else []
    parts += [f"{field} of {name}:\n{fence.wrap(value)}" for field, value in sorted(item.metadata.items())]
    if item.alternatives is not None:
        first, second = reversed(item.alternatives) if question.swapped else item.alternatives
        parts += [f"First answer to {name}:", fence.wrap(first), f"Second answer to {name}:", fence.wrap(second)]
    if item.earlier is not None:
        parts += [f"Earlier answer to {name}:", fence.wrap(item.earlier.text)]
        parts += [f"A reviewer said of it:\n{fence.wrap(item.earlier.critique)}", _ANEW]
    return "\n".join(parts)


def _closing(task: Task, technique: Technique, ids: Sequence[str]) -> str:
    asked = f"Answer for item {ids[0]}." if len(ids) == 1 else f"Answer once for each of {', '.join(ids)}, with its id."
    # A template of the user's need not hold the rule for answers; ours does.
    return asked if technique.template is None else f"{asked} {answer_rule(task, technique.form)}"
