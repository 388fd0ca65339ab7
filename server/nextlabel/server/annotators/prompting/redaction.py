"""Keeps personal data on this machine: placeholders go out, and come back as what they stand for.

The patterns find what has a fixed form. They do not find names or addresses; a project that holds such data needs
more than this.
"""

import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from functools import partial

from nextlabel.server.ports.annotators import Annotator
from nextlabel.server.values.answers import Answer, Text
from nextlabel.server.values.tasks import ItemToAnnotate, Task

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
        redacted = [_redacted(item, redactors[item.item_id]) for item in items]
        async with aclosing(self._annotator.annotate(task, redacted)) as answers:
            async for item, answer in answers:
                yield originals[item.item_id], _restored(answer, redactors[item.item_id])

    async def check(self) -> None:
        """Probe the annotator below."""
        await self._annotator.check()

    async def close(self) -> None:
        """Close the annotator below."""
        await self._annotator.close()


def _redacted(item: ItemToAnnotate, redactor: Redactor) -> ItemToAnnotate:
    alternatives = item.alternatives
    return replace(
        item,
        text=redactor.redact(item.text),
        metadata={name: redactor.redact(value) for name, value in item.metadata.items()},
        alternatives=alternatives and (redactor.redact(alternatives[0]), redactor.redact(alternatives[1])),
    )


def _restored(answer: Answer, redactor: Redactor) -> Answer:
    body = answer.body
    if isinstance(body, Text):
        body = Text(redactor.restore(body.text))
    return replace(
        answer, body=body, rationale=redactor.restore(answer.rationale), feedback=redactor.restore(answer.feedback)
    )
