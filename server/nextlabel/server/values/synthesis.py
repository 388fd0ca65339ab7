"""Texts that an LLM writes, and what becomes of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from nextlabel.server.values.labeling.answers import Label, MultiLabel, Score
from nextlabel.server.values.labeling.tasks import ItemToAnnotate

Target = Label | MultiLabel | Score | None
"""The answer that a text is written for; None where it is an instruction, which is written with its answer."""


class Verdict(StrEnum):
    """What the gate says of a text. Only what it let through may be used for training, and never for evaluation."""

    PASSED = "passed"
    CONTAMINATED = "contaminated"
    DUPLICATE = "duplicate"
    ODD_LENGTH = "odd_length"
    INCONSISTENT = "inconsistent"
    OVER_CAP = "over_cap"


@dataclass(frozen=True, slots=True)
class WritingRequest:
    """One call to a writer: ``count`` new texts for a target.

    ``seeds`` are real items that show what texts look like, and ``rare`` ones are those that are hard to tell;
    ``attributes`` say how the new texts are to differ, and ``metadata`` what they would have in which fields.
    ``boundary`` is the class that they could be mistaken for, '' for none. ``number`` tells equal requests apart.
    """

    target: Target
    boundary: str
    count: int
    seeds: Sequence[ItemToAnnotate]
    attributes: str
    number: int
    rare: Sequence[ItemToAnnotate] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class WrittenText:
    """A text as it was written; ``answer`` is that to an instruction, '' for other texts."""

    text: str
    answer: str = ""


@dataclass(frozen=True, slots=True)
class Written:
    """What came of one call: texts, or why there are none."""

    request: WritingRequest
    texts: Sequence[WrittenText]
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Judged:
    """A written text with its verdict; ``detail`` says why. ``seeds`` are the ids of the items it was written from."""

    written: WrittenText
    target: Target
    seeds: Sequence[str]
    attributes: str
    verdict: Verdict
    detail: str
