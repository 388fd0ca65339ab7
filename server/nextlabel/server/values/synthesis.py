"""Texts that an LLM writes for a class, and what becomes of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from nextlabel.server.values.labeling.tasks import ItemToAnnotate


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
    """One call to a writer: ``count`` new texts of class ``label``.

    ``seeds`` are real items that show what texts look like; ``attributes`` say how the new ones are to differ.
    ``boundary`` is the class that the texts could be mistaken for, '' for none. ``number`` tells equal requests apart.
    """

    label: str
    boundary: str
    count: int
    seeds: Sequence[ItemToAnnotate]
    attributes: str
    number: int


@dataclass(frozen=True, slots=True)
class Written:
    """What came of one call: texts, or why there are none."""

    request: WritingRequest
    texts: Sequence[str]
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Judged:
    """A written text with its verdict; ``detail`` says why. ``seeds`` are the ids of the items it was written from."""

    text: str
    label: str
    seeds: Sequence[str]
    attributes: str
    verdict: Verdict
    detail: str
