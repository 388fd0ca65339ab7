"""Model versions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from nextlabel.server.values.ids import JsonObject, ProjectId
from nextlabel.server.values.money.costs import Cost
from nextlabel.server.values.projects.projects import Component


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """An immutable trained model and what it cost to get there: a point of the learning curve.

    ``evaluation`` tells on how many ``items`` accuracy and macro-F1 were measured, and their 95 % intervals for one
    look: ``accuracy_interval`` and ``macro_f1_interval``, each [low, high]. ``embedding_version`` is that of the
    project as it was trained: it says nothing of embeddings by another model.
    """

    project: ProjectId
    version: int
    run: str
    round: int
    learner: Component
    description: JsonObject
    labels: int
    spent: Cost
    train_seconds: float
    seconds: float
    accuracy: float | None
    macro_f1: float | None
    evaluation: JsonObject
    created_at: datetime
    embedding_version: int = 0

    @property
    def known_labels(self) -> int:
        """Labels that it was trained on and those that filters left out: what was paid for."""
        return self.labels + int(self.description.get("filtered", {}).get("labels", 0))

    @property
    def label_micro_usd(self) -> float:
        """What a label had cost so far, on the mean, in millionths of a US dollar; 0 without labels."""
        return self.spent.micro_usd / self.known_labels if self.known_labels else 0.0
