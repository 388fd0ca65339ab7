"""Annotations: one annotator's answer about one item, as it is kept."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from nextlabel.server.values.ids import ProjectId
from nextlabel.server.values.labeling.answers import Answer, Outcome


class AnnotatorKind(StrEnum):
    """Where an annotation came from."""

    HUMAN = "human"
    LLM = "llm"
    REPLAY = "replay"
    LEARNER = "learner"


@dataclass(frozen=True, slots=True)
class Annotation:
    """One annotator's answer about one item; never changed. ``trusted`` ones may clamp the learner.

    ``corrects`` is the id of the annotation by the same annotator that this one stands instead of, 0 for a first one.
    """

    id: int
    project: ProjectId
    row: int
    item_id: str
    annotator: str
    kind: AnnotatorKind
    trusted: bool
    outcome: Outcome
    label: str | None
    answer: Answer
    run: str
    round: int
    batch: str
    created_at: datetime
    corrects: int = 0
