"""The labeled items of a project: what there is to train on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from nextlabel.server.assessment.consensus.votes import Consensus
from nextlabel.server.assessment.label_sources import SOURCES, source_of
from nextlabel.server.domain.labeling.labels import Labels
from nextlabel.server.domain.learning.samples import Samples
from nextlabel.server.domain.learning.types.task_learners import task_learner
from nextlabel.server.domain.pool.pools import Pools
from nextlabel.server.ports.pool_store import Rows
from nextlabel.server.tasks.registry import type_of
from nextlabel.server.values.errors import FailedPrecondition, Unavailable
from nextlabel.server.values.labeling.annotations import AnnotatorKind
from nextlabel.server.values.projects.projects import Project


@dataclass(frozen=True, slots=True, eq=False)
class Labeled:
    """The items a model may be trained on, and how many more wait for their embeddings.

    ``training`` is what the project's learner makes of their ``consensus``. ``filtered`` tells how many labels each
    enabled filter names, by the filter's name, and ``left_out`` how many labels are missing here for that reason.
    """

    rows_N: Rows
    embeddings_ND: npt.NDArray[np.float32]
    consensus: Sequence[Consensus]
    training: Any
    waiting: int
    filtered: Mapping[str, int] = field(default_factory=dict)
    left_out: int = 0

    def without(self, rows: Set[int], filtered: Mapping[str, int]) -> Labeled:
        """Return the same without some rows, as filters have it."""
        kept = np.flatnonzero(~np.isin(self.rows_N, np.fromiter(rows, np.int64, len(rows))))
        if len(kept) == len(self.rows_N):
            return replace(self, filtered=filtered)
        return replace(self.take(kept), filtered=filtered, left_out=len(self.rows_N) - len(kept))

    def take(self, places_n: npt.NDArray[np.int64]) -> Labeled:
        """Return some of the items, by their places here."""
        return replace(
            self,
            rows_N=self.rows_N[places_n],
            embeddings_ND=self.embeddings_ND[places_n],
            consensus=[self.consensus[place] for place in places_n.tolist()],
            training=self.training.take(places_n),
        )

    def check(self, project: Project) -> None:
        """Check that there is something to train on.

        Raises:
            Unavailable: all labels are of items that wait for their embeddings.
            FailedPrecondition: there are no labels, or filters leave all of them out.
        """
        if len(self.rows_N):
            return
        if self.waiting:
            raise Unavailable(
                f"the {self.waiting} labels of project {project.name} are of items that wait for their embeddings; "
                "try again in a moment",
                retry_after_s=1.0,
                reason="AWAITING_EMBEDDING",
            )
        if self.left_out:
            raise FailedPrecondition(
                f"the filters {', '.join(self.filtered)} leave out all {self.left_out} labels of project "
                f"{project.name}; change or remove one, or label other items",
                reason="ALL_LABELS_FILTERED",
            )
        raise FailedPrecondition(
            f"project {project.name} has no labels to train on; label some items first, or start a run",
            reason="NO_LABELS",
        )


@dataclass(frozen=True, slots=True)
class LabeledItems:
    """Reads what is labeled now."""

    pools: Pools
    labels: Labels
    samples: Samples

    async def usable(self, project: Project) -> dict[int, Consensus]:
        """Return the consensus of pool items by row (never of holdout, gold or deleted ones)."""
        return await self.of_pool(project, await self.labels.consensus(project))

    async def of_pool(self, project: Project, agreed: Mapping[int, Consensus]) -> dict[int, Consensus]:
        """Return those of some consensus labels that are of pool items."""
        pool = await self.pools.open(project.id)
        known = set(project.class_names)
        # A caller may know the project as it was before a class was added that has labels already.
        named = [row for row, found in agreed.items() if known.issuperset(type_of(found.body).classes(found.body))]
        rows = np.array(named, np.int64)
        return {row: agreed[row] for row in rows[~np.isin(rows, pool.unusable_rows())].tolist()}

    async def sources(self, project: Project, rows: Iterable[int]) -> Mapping[AnnotatorKind, int]:
        """Count the labels of some rows by whose they are; sources without any are left out."""
        by_row = await self.labels.rows(project)
        found = Counter(source_of(by_row.get(row, ())) for row in rows)
        return {kind: found[kind] for kind in SOURCES if found[kind]}

    async def every(self, project: Project) -> Labeled:
        """Return all consensus labels of embedded pool items, those that filters name included.

        Raises:
            FailedPrecondition: the project's annotation type has no learner.
        """
        return await self.embedded(project, await self.usable(project))

    async def embedded(self, project: Project, agreed: Mapping[int, Consensus]) -> Labeled:
        """Return some consensus labels, those of embedded items, in their order.

        Raises:
            FailedPrecondition: the project's annotation type has no learner.
        """
        learner = task_learner(project)
        rows = np.fromiter(agreed, np.int64, len(agreed))
        embedded = await self.samples.embedded(project.id, rows)
        waiting = len(rows) - int(embedded.sum())
        rows = rows[embedded]
        embeddings_ND = np.zeros((0, project.embedding_dimension), np.float32)
        if len(rows):
            embeddings_ND = (await self.pools.embeddings(project, rows.tolist())).astype(np.float32)
        consensus = [agreed[row] for row in rows.tolist()]
        training = learner.training(embeddings_ND, consensus, project)
        return Labeled(rows, embeddings_ND, consensus, training, waiting)
