"""Advice: what an annotator says of an item, kept beside it as evidence and never as its label."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from nextlabel.server.values.ids import ProjectId
from nextlabel.server.values.labeling.answers import Answer


@dataclass(frozen=True, slots=True)
class Advice:
    """One annotator's newest answer about one item, which the learner weighs by what such answers turned out to be."""

    project: ProjectId
    row: int
    item_id: str
    annotator: str
    answer: Answer
    run: str
    created_at: datetime
