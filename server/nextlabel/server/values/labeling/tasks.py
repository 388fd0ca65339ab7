"""What annotators are asked."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from nextlabel.server.values.annotation_type import AnnotationType
from nextlabel.server.values.labeling.answers import Body
from nextlabel.server.values.projects.guidelines import Guidelines
from nextlabel.server.values.projects.projects import LabelClass
from nextlabel.server.values.projects.score_range import ScoreRange

_MOST_LEVELS = 10


@dataclass(frozen=True, slots=True)
class CriticisedText:
    """An earlier answer to an item, and what has to be changed in it."""

    text: str
    critique: str


@dataclass(frozen=True, slots=True)
class ItemToAnnotate:
    """What an annotator may know about an item.

    `metadata` holds only fields that the project allows to be shown. `alternatives` are the two texts of a
    preference; `text` is then what they answer to. `earlier` is the answer to write anew. `embedding` is used to
    retrieve demonstrations, never sent.
    """

    item_id: str
    row: int
    text: str
    metadata: Mapping[str, str] = field(default_factory=dict)
    alternatives: tuple[str, str] | None = None
    embedding: tuple[float, ...] | None = None
    earlier: CriticisedText | None = None


@dataclass(frozen=True, slots=True)
class Demonstration:
    """An annotated example shown to a model. Never an item of the holdout or the gold set.

    `alternatives` are the two texts of a preference.
    """

    item_id: str
    text: str
    body: Body
    rationale: str = ""
    alternatives: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Task:
    """What is asked about each item.

    `score_range` says which `Score` answers are allowed. `demonstrations` are the fixed ones that every request shows;
    retrieved ones come from a `DemonstrationSource`. `asking` numbers the times that the same is asked on purpose, from
    0: an answer that was kept another time is not given again.
    """

    annotation_type: AnnotationType
    labels: tuple[LabelClass, ...]
    guidelines: Guidelines
    demonstrations: tuple[Demonstration, ...] = ()
    score_range: ScoreRange = field(default_factory=ScoreRange)
    asking: int = 0

    @property
    def label_names(self) -> tuple[str, ...]:
        """Names of the label space, in its order."""
        return tuple(label.name for label in self.labels)

    @property
    def score_levels(self) -> tuple[float, ...]:
        """The scores to choose from where only a few can be offered; empty where no score is asked for."""
        return self.score_range.levels(_MOST_LEVELS) if self.annotation_type is AnnotationType.SCORE else ()
