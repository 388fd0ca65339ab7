"""A project and its label space."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from nextlabel.server.values.annotation_type import AnnotationType
from nextlabel.server.values.ids import EmbeddingsId, JsonObject, ProjectId, embeddings_of
from nextlabel.server.values.projects.score_range import ScoreRange


@dataclass(frozen=True, slots=True)
class LabelClass:
    """One class of a label space; one with a ``parent`` is a kind of that class (see `label_paths`).

    ``examples`` are texts that are typical of it.
    """

    name: str
    description: str = ""
    parent: str = ""
    examples: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Component:
    """A named component with its parameters: an estimator or a strategy."""

    name: str = "default"
    params: JsonObject = field(default_factory=dict)


MAJORITY = "majority"
"""The way to join answers that supposes nothing of the annotators."""
CHOSEN = "auto"
"""The way to join answers that gold and agreement speak for."""
CROWDLAB = "crowdlab"
"""The way to join answers in which the learner has a voice."""


@dataclass(frozen=True, slots=True)
class Project:
    """A label space, its settings and the pool and learner behind them.

    ``gold_share`` of the places on people's leases go to gold items that nobody can tell from others. ``consensus``
    names the way in which the answers about an item are joined. ``embedding_version`` counts how often another model
    took over from the one that it began with. ``embedding_fingerprint`` tells the weights that its texts are embedded
    with, '' while none are or where it is not known.
    """

    id: ProjectId
    name: str
    annotation_type: AnnotationType
    classes: tuple[LabelClass, ...]
    guidelines_version: int
    embedding_model: str
    embedding_dimension: int
    learner: Component
    strategy: Component
    overlap: int
    lease_ttl_s: float
    audit_share: float
    show_suggestions: bool
    created_at: datetime
    updated_at: datetime
    score_range: ScoreRange = field(default_factory=ScoreRange)
    gold_share: float = 0.0
    consensus: str = MAJORITY
    embedding_version: int = 0
    embedding_fingerprint: str = ""

    @property
    def embeddings(self) -> EmbeddingsId:
        """The embeddings that its learner goes by: those of ``embedding_model``."""
        return embeddings_of(self.id, self.embedding_version)

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes, in the label space's order."""
        return tuple(c.name for c in self.classes)

    @property
    def paths(self) -> bool:
        """Whether names of classes are paths."""
        return any(c.parent for c in self.classes)
