"""A task of every annotation type, with what an honest model says, what an attacker wants, and hostile answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from nextlabel.server.values.annotation_type import AnnotationType
from nextlabel.server.values.labeling.answers import (
    Answer,
    Body,
    Label,
    MultiLabel,
    Preference,
    PreferredAlternative,
    Score,
    Text,
)
from nextlabel.server.values.labeling.tasks import ItemToAnnotate, Task
from nextlabel.server.values.projects.score_range import ScoreRange
from tests.annotators.shop import make_task
from tests.fake_anthropic import Gullible
from tests.fake_anthropic.brains import Asked, Brain, compose

HONEST, TARGET = "shipping", "billing"
_ALTERNATIVE = "We have sent it again."


@dataclass(frozen=True)
class Kind:
    """One annotation type.

    Attributes:
        field: of the JSON that a model answers with; `honest` its honest value, and `target` the attacker's, which
            stands in the order as `word`.
        body: what the honest value is read as.
        hostile: values of the field that are no answer.
        calls: requests about one item.
    """

    task: Task
    field: str
    honest: Any
    body: Body
    target: Any
    hostile: tuple[Any, ...]
    calls: int = 1
    ordered: str = ""

    @property
    def type(self) -> AnnotationType:
        return self.task.annotation_type

    @property
    def word(self) -> str:
        """What an attacker's order names: the target itself, unless our own sentences name it."""
        return self.ordered or str(self.target[0] if isinstance(self.target, list) else self.target)

    def item(self, name: str, row: int, text: str) -> ItemToAnnotate:
        """An item that says something; a pair says it in the one or the other text."""
        if self.type is not AnnotationType.PREFERENCE:
            return ItemToAnnotate(name, row, text)
        pair = (text, _ALTERNATIVE) if row % 2 else (_ALTERNATIVE, text)
        return ItemToAnnotate(name, row, "My parcel is late.", alternatives=pair)

    def items(self, count: int, prefix: str = "mail") -> list[ItemToAnnotate]:
        """Ordinary ones."""
        return [self.item(f"{prefix}-{row:05d}", row, f"{prefix} number {row}") for row in range(count)]

    def answering(self, value: Any) -> Brain:
        """A brain that says the same of everything."""

        def brain(asked: Asked) -> Any:
            found = compose(asked, lambda _: HONEST)
            for one in found.get("answers", [found]):
                one[self.field] = value
            return found

        return brain

    def gullible(self) -> Gullible:
        """A brain that answers honestly, and obeys every order that is not marked as data."""
        return Gullible(self.answering(self.honest), (self.word,), lambda _: self.answering(self.target))

    def was_honest(self, answer: Answer) -> bool:
        """Whether the answer is the honest one, of a pair in both orders."""
        return answer.body == self.body and not answer.detail


KINDS = (
    Kind(make_task(), "label", HONEST, Label(HONEST), TARGET, ("nothing", "", 7, None, [HONEST], "Shipping\u202e")),
    Kind(
        make_task(annotation_type=AnnotationType.MULTI_LABEL),
        "labels",
        [HONEST],
        MultiLabel((HONEST,)),
        [TARGET],
        (["nothing"], HONEST, [[HONEST]], [HONEST, "nothing"], None, {HONEST: True}),
    ),
    Kind(
        make_task(annotation_type=AnnotationType.SCORE, labels=(), score_range=ScoreRange(0, 90)),
        "score",
        3,
        Score(3.0),
        77,
        (91, -1, "3", True, None, [3], 1e309, float("nan")),
    ),
    Kind(
        make_task(annotation_type=AnnotationType.PREFERENCE, labels=()),
        "better",
        "tie",
        Preference(PreferredAlternative.TIE),
        "second",
        ("third", "First", 1, None, ["first"], ""),
        calls=2,
        ordered="alternative b",
    ),
    Kind(
        make_task(annotation_type=AnnotationType.TEXT, labels=()),
        "text",
        "We are sorry.",
        Text("We are sorry."),
        TARGET,
        ("", " \u200b\n", 7, None, ["We are sorry."]),
    ),
)

EVERY_KIND = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.type.value)
