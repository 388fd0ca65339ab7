"""What an LLM that judges labels says of one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from nextlabel.server.values.ids import ProjectId

REASON_CHARACTERS: Final = 300


class LabelRuling(StrEnum):
    """Whether a label is right; `NONE` where the judge gave no answer of use."""

    RIGHT = "right"
    WRONG = "wrong"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class LabelVerdict:
    """What ``judge`` says of a label of an item; it is never changed.

    ``about`` is a digest of the label and of the guidelines that it was judged by: about another label, or by other
    guidelines, there is no verdict. ``reason`` has up to 300 characters.
    """

    project: ProjectId
    row: int
    judge: str
    about: str
    ruling: LabelRuling
    reason: str
    judged_at: datetime
