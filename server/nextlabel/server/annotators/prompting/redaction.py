"""The gate through which texts of items leave: placeholders go out, and come back as what they stand for.

Everything that shows an item to a model passes here: items and their demonstrations, shortlists, and what critics see.
Guidelines and classes are the operator's own words, and go out as they are.

The patterns find what has a fixed form. They do not find names or addresses; a project that holds such data needs
more than this.
"""

import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from functools import partial

from nextlabel.server.ports.annotators import Annotator, DemonstrationSource
from nextlabel.server.values.labeling.answers import Answer, Body, Text
from nextlabel.server.values.labeling.tasks import CriticisedText, Demonstration, ItemToAnnotate, Task

_PATTERNS = (
    ("EMAIL", re.compile(r"\b[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,5}\b")),
    ("URL", re.compile(r"\bhttps?://[^\s<>\"']{0,2000}[^\s<>\"'.,;:!?)]")),
    ("IBAN", re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,3})?\b")),
    ("CARD", re.compile(r"\b(?:\d[ -]?){12,18}\d\b")),
    ("IP", re.compile(r"\b(?:\d{1,3}\.){3}\d{1,3}\b")),
    ("PHONE", re.compile(r"(?<![\w.])\+?\d(?:[ ()./-]{0,2}\d){7,14}(?!\w)")),
)


@dataclass(slots=True)
class Redactor:
    """Replaces personal data of one item by numbered placeholders, equal data by equal ones; holds the way back."""

    originals: dict[str, str] = field(default_factory=dict)

    def redact(self, text: str) -> str:
        """`text` with placeholders such as ``[EMAIL-1]``."""
        for kind, pattern in _PATTERNS:
            text = pattern.sub(partial(self._placeholder, kind), text)
        return text

    def restore(self, text: str) -> str:
        """`text` with every placeholder of this item replaced by what it stands for."""
        return re.sub(r"\[[A-Z]+-\d+\]", lambda found: self.originals.get(found.group(), found.group()), text)

    def item(self, item: ItemToAnnotate) -> ItemToAnnotate:
        """`item` with placeholders in everything that a model may see of it."""
        return replace(
            item,
            text=self.redact(item.text),
            metadata={name: self.redact(value) for name, value in item.metadata.items()},
            alternatives=self._both(item.alternatives),
            earlier=item.earlier and CriticisedText(self.redact(item.earlier.text), self.redact(item.earlier.critique)),
        )

    def body(self, body: Body) -> Body:
        """`body` with placeholders where it is written text."""
        return Text(self.redact(body.text)) if isinstance(body, Text) else body

    def demonstration(self, shown: Demonstration) -> Demonstration:
        """`shown` with placeholders in its text, its answer and its rationale."""
        return replace(
            shown,
            text=self.redact(shown.text),
            body=self.body(shown.body),
            rationale=self.redact(shown.rationale),
            alternatives=self._both(shown.alternatives),
        )

    def _both(self, alternatives: tuple[str, str] | None) -> tuple[str, str] | None:
        return alternatives and (self.redact(alternatives[0]), self.redact(alternatives[1]))

    def _placeholder(self, kind: str, found: re.Match[str]) -> str:
        original = found.group()
        for placeholder, known in self.originals.items():
            if known == original:
                return placeholder
        number = 1 + sum(placeholder.startswith(f"[{kind}-") for placeholder in self.originals)
        placeholder = f"[{kind}-{number}]"
        self.originals[placeholder] = original
        return placeholder


class RedactingAnnotator:
    """Implements `Annotator`: the annotator below, and so its endpoint, sees placeholders only."""

    def __init__(self, annotator: Annotator) -> None:
        self._annotator = annotator

    @property
    def name(self) -> str:
        """The name that provenance carries."""
        return self._annotator.name

    async def annotate(
        self, task: Task, items: Sequence[ItemToAnnotate]
    ) -> AsyncGenerator[tuple[ItemToAnnotate, Answer]]:
        """Yield answers about the original items, their free text restored."""
        originals = {item.item_id: item for item in items}
        redactors = {item.item_id: Redactor() for item in items}
        redacted = [redactors[item.item_id].item(item) for item in items]
        async with aclosing(self._annotator.annotate(redacted_task(task), redacted)) as answers:
            async for item, answer in answers:
                yield originals[item.item_id], _restored(answer, redactors[item.item_id])

    async def check(self) -> None:
        """Probe the annotator below."""
        await self._annotator.check()

    async def close(self) -> None:
        """Close the annotator below."""
        await self._annotator.close()


@dataclass(frozen=True, slots=True)
class RedactedDemonstrations:
    """Implements `DemonstrationSource` over another one, for items that are redacted already."""

    source: DemonstrationSource

    async def fixed(self, k: int) -> Sequence[Demonstration]:
        """See `DemonstrationSource.fixed`."""
        return [Redactor().demonstration(shown) for shown in await self.source.fixed(k)]

    async def nearest(self, item: ItemToAnnotate, k: int) -> Sequence[Demonstration]:
        """See `DemonstrationSource.nearest`."""
        return _others(item, await self.source.nearest(item, k))

    async def nearest_per_label(self, item: ItemToAnnotate, k: int) -> Sequence[Demonstration]:
        """See `DemonstrationSource.nearest_per_label`."""
        return _others(item, await self.source.nearest_per_label(item, k))


def redacted_task(task: Task) -> Task:
    """`task` with placeholders in its demonstrations."""
    return replace(task, demonstrations=tuple(Redactor().demonstration(shown) for shown in task.demonstrations))


def _others(item: ItemToAnnotate, found: Sequence[Demonstration]) -> list[Demonstration]:
    """Redact what was found, without what reads like `item` itself, which its source could not tell any more."""
    redacted = [Redactor().demonstration(shown) for shown in found]
    return [shown for shown in redacted if (shown.text, shown.alternatives) != (item.text, item.alternatives)]


def _restored(answer: Answer, redactor: Redactor) -> Answer:
    body = answer.body
    if isinstance(body, Text):
        body = Text(redactor.restore(body.text))
    return replace(
        answer,
        body=body,
        rationale=redactor.restore(answer.rationale),
        feedback=redactor.restore(answer.feedback),
        reviews=tuple(
            replace(review, text=redactor.restore(review.text), critique=redactor.restore(review.critique))
            for review in answer.reviews
        ),
    )
