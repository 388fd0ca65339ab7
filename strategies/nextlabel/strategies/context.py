"""What a strategy may know beside the pool."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from nextlabel.strategies.annotations import Annotations
from nextlabel.strategies.arithmetic.arrays import Exact, Floats, Rows
from nextlabel.strategies.difficulties import Difficulties
from nextlabel.strategies.errors import PoolError, UnmetNeedError
from nextlabel.strategies.heads import LinearHead, Predictor
from nextlabel.strategies.passes.nearest import NearestLabeled


class Need(StrEnum):
    """An input a strategy cannot work without."""

    PROBABILITIES = "probabilities"
    COMMITTEE = "committee"
    EMBEDDINGS = "embeddings"
    LABELED = "labeled"
    ANNOTATOR_LABELS = "annotator_labels"
    DIFFICULTIES = "difficulties"


@dataclass(frozen=True, slots=True)
class LabeledSet:
    """The labeled items.

    Attributes:
        embeddings_LD: float32, shape (L, D), in order of labeling: later rounds append.
        classes_L: int64 class index of each, shape (L,).
        weights_L: what each label counts, 1 for one that is trusted, shape (L,); None counts all in full.
        sets_LC: where any number of classes applies, which of them do, shape (L, C), "none" left out; else None.
    """

    embeddings_LD: Floats
    classes_L: Rows
    weights_L: Exact | None = None
    sets_LC: npt.NDArray[np.bool_] | None = None

    def __post_init__(self) -> None:
        if self.weights_L is not None and len(self.weights_L) != len(self.classes_L):
            raise PoolError(f"labeled: {len(self.weights_L)} weights and {len(self.classes_L)} classes; one each")
        if self.sets_LC is not None and len(self.sets_LC) != len(self.classes_L):
            raise PoolError(f"labeled: {len(self.sets_LC)} sets of classes and {len(self.classes_L)} classes; one each")
        if len(self.embeddings_LD) != len(self.classes_L):
            raise PoolError(
                f"labeled: {len(self.embeddings_LD)} embeddings and {len(self.classes_L)} classes; one each"
            )

    def __len__(self) -> int:
        return len(self.classes_L)


@dataclass(frozen=True, slots=True)
class SelectionContext:
    """Everything a selection depends on beside pool, strategy and k.

    Attributes:
        predictor: the learner, once it is trained.
        committee: bootstrap members of the learner with the same classes, for disagreement scorers.
        labeled: what is labeled so far; None and an empty set mean the same.
        annotations: answers already given about pool rows, for relabeling.
        difficulties: how difficult rows were that texts were written of.
        nearest: distances to the labeled set kept between rounds; without it they are computed anew.
        pairs: whether rows are pairs, whose embedding is that of both sides, one after the other; a `ComparisonHead`
            says so too.
        seed: all randomness of the selection; give each round its own.
    """

    predictor: Predictor | None = None
    committee: Sequence[LinearHead] = ()
    labeled: LabeledSet | None = None
    annotations: Annotations | None = None
    nearest: NearestLabeled | None = None
    seed: int = 0
    difficulties: Difficulties | None = None
    pairs: bool = False

    @property
    def labeled_embeddings(self) -> Floats:
        """Embeddings of the labeled items, shape (L, D); (0, 0) when there are none."""
        if self.labeled is None:
            return np.empty((0, 0), np.float32)
        return self.labeled.embeddings_LD

    @property
    def labels_counted(self) -> float:
        """How many labels there are, each counted by its weight."""
        if self.labeled is None:
            return 0.0
        return float(len(self.labeled) if self.labeled.weights_L is None else self.labeled.weights_L.sum())

    def require_predictor(self) -> Predictor:
        """Return the predictor or raise UnmetNeedError."""
        if self.predictor is None:
            raise UnmetNeedError("predictor: None; train the learner first, or use a strategy for cold start")
        return self.predictor

    def require_labeled(self) -> LabeledSet:
        """Return the labeled set or raise UnmetNeedError."""
        if self.labeled is None or len(self.labeled) == 0:
            raise UnmetNeedError("labeled: empty; label some items first, or use a strategy for cold start")
        return self.labeled

    def require_annotations(self) -> Annotations:
        """Return the annotations or raise UnmetNeedError."""
        if self.annotations is None:
            raise UnmetNeedError("annotations: None; this strategy works on items that annotators answered")
        return self.annotations

    def require_difficulties(self) -> Difficulties:
        """Return the difficulties or raise UnmetNeedError."""
        if self.difficulties is None or len(self.difficulties) == 0:
            raise UnmetNeedError("difficulties: none; this strategy goes by texts that were written or judged")
        return self.difficulties

    def missing(self, needs: frozenset[Need]) -> list[Need]:
        """Return the inputs of ``needs`` that are not here, sorted."""
        present = {
            Need.PROBABILITIES: self.predictor is not None,
            Need.COMMITTEE: len(self.committee) >= 2,
            Need.EMBEDDINGS: True,
            Need.LABELED: self.labeled is not None and len(self.labeled) > 0,
            Need.ANNOTATOR_LABELS: self.annotations is not None,
            Need.DIFFICULTIES: self.difficulties is not None and len(self.difficulties) > 0,
        }
        return sorted(need for need in needs if not present[need])

    def check(self, needs: frozenset[Need], strategy: str) -> None:
        """Raise UnmetNeedError naming every input of ``needs`` that is missing here."""
        missing = self.missing(needs)
        if missing:
            raise UnmetNeedError(
                f"strategy {strategy!r} needs {', '.join(missing)}; give them in the selection context, "
                "or use 'default' or 'random', which need nothing"
            )
