"""What the judges of written texts are given: pairs of candidates, or one at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256

from nextlabel.server.assessment.consensus.votes import newest_answers
from nextlabel.server.values.labeling.annotations import Annotation, AnnotatorKind
from nextlabel.server.values.labeling.answers import MOST_CRITIQUES, Text, TextReview
from nextlabel.server.values.pairs import TextPair

MOST_CANDIDATES = 45
"""Candidates of an item that are looked at, so that it has fewer than 1,000 pairs."""


@dataclass(frozen=True, slots=True)
class WrittenCandidate:
    """A text that somebody wrote of an item, and what people said of it, the oldest first."""

    annotation: Annotation
    text: str
    critiques: tuple[TextReview, ...] = ()

    @property
    def number(self) -> int:
        """The id of its annotation, by which judging items name it."""
        return self.annotation.id


@dataclass(frozen=True, slots=True)
class JudgingItem:
    """An item of a judging project: ``pair`` answers ``text``; without one, ``text`` holds both."""

    item_id: str
    text: str
    pair: TextPair | None = None


def candidates(annotations: Sequence[Annotation]) -> list[WrittenCandidate]:
    """Return the newest text of each annotator, the oldest first; of equal texts the one written first."""
    by_text: dict[str, WrittenCandidate] = {}
    for annotation in sorted(newest_answers(annotations, Text), key=lambda a: a.id):
        if isinstance(body := annotation.answer.body, Text):
            by_text.setdefault(body.text, WrittenCandidate(annotation, body.text, by_people(annotations, body.text)))
    return list(by_text.values())[:MOST_CANDIDATES]


def by_people(annotations: Sequence[Annotation], text: str) -> tuple[TextReview, ...]:
    """Return what people say of a text by the annotations of its item, the newest 10 at most."""
    said = [one for a in annotations if a.kind is AnnotatorKind.HUMAN for one in a.answer.reviews if one.text == text]
    return tuple(said[-MOST_CRITIQUES:])


def pairs_of(written: Sequence[WrittenCandidate], most: int = 0) -> list[tuple[WrittenCandidate, WrittenCandidate]]:
    """Return pairs of an item's candidates: all, or at most ``most``, spread evenly over the candidates.

    They stand on a circle, and neighbours are paired first. Which of two comes first is drawn by their numbers, so that
    it says nothing of who wrote them.
    """
    size = len(written)
    found: dict[frozenset[int], tuple[WrittenCandidate, WrittenCandidate]] = {}
    for distance in range(1, size // 2 + 1):
        for place in range(size):
            one, other = written[place], written[(place + distance) % size]
            found.setdefault(frozenset((one.number, other.number)), _drawn(one, other))
    return list(found.values())[: most or None]


def _drawn(one: WrittenCandidate, other: WrittenCandidate) -> tuple[WrittenCandidate, WrittenCandidate]:
    earlier, later = sorted((one, other), key=lambda candidate: candidate.number)
    turned = sha256(pair_id(earlier, later).encode()).digest()[0] % 2
    return (later, earlier) if turned else (earlier, later)


def pair_id(one: WrittenCandidate, other: WrittenCandidate) -> str:
    """Return the id of the judging item about a pair, of which ``one`` comes first."""
    return f"{one.number}-{other.number}"


def in_pairs(prompt: str, written: Sequence[WrittenCandidate], most: int = 0) -> Iterator[JudgingItem]:
    """Yield the judging items of an item's candidates, two at a time."""
    for one, other in pairs_of(written, most):
        yield JudgingItem(pair_id(one, other), prompt, TextPair(one.text, other.text))


def one_by_one(prompt: str, written: Sequence[WrittenCandidate]) -> Iterator[JudgingItem]:
    """Yield the judging items of an item's candidates, each alone, below what it answers."""
    for one in written:
        yield JudgingItem(str(one.number), to_score(prompt, one.text))


def to_score(prompt: str, text: str) -> str:
    """Return what is scored: a candidate below what it answers.

    >>> to_score("Say hello.", "Hello!")
    'Asked:\\nSay hello.\\n\\nAnswer:\\nHello!'
    """
    return f"Asked:\n{prompt}\n\nAnswer:\n{text}"
