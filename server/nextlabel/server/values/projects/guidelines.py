"""The codebook: what annotators read, and the stored versions it comes in."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from nextlabel.server.values.ids import ProjectId
from nextlabel.server.values.money.costs import Cost


@dataclass(frozen=True, slots=True)
class Guidelines:
    """The codebook as annotators get it."""

    text: str
    version: int = 1

    @property
    def digest(self) -> str:
        """SHA-256 of the text, hexadecimal; equal texts have equal digests whatever their version."""
        return hashlib.sha256(self.text.encode()).hexdigest()


class GuidelinesStatus(StrEnum):
    """Only an accepted version is shown to annotators."""

    ACCEPTED = "accepted"
    PROPOSED = "proposed"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class GuidelinesEffect:
    """What a version does on gold items against its base: accuracies in [0, 1] and the interval of their difference."""

    items: int
    accuracy_before: float
    accuracy_after: float
    difference_low: float
    difference_high: float
    cost: Cost


@dataclass(frozen=True, slots=True)
class GuidelinesVersion:
    """One immutable version of a project's codebook.

    ``comment`` is the critique of a version that an LLM wrote. ``base_version`` is the one it was made from, 0 for one
    written anew.
    """

    project: ProjectId
    version: int
    text: str
    status: GuidelinesStatus
    author: str
    comment: str
    created_at: datetime
    base_version: int = 0
    effect: GuidelinesEffect | None = None
