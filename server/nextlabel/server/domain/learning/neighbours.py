"""What a project's labels and learner say about an item: demonstrations for a prompt, evidence about an answer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from nextlabel.server.domain.labeling.labels import Labels
from nextlabel.server.domain.labeling.reasons import best_reason
from nextlabel.server.domain.learning.demonstrations import DemonstrationLibrary
from nextlabel.server.domain.learning.learning import Learning
from nextlabel.server.domain.pool.pools import Pools, as_asked
from nextlabel.server.ports.pool_store import StoredItem
from nextlabel.server.tasks.registry import type_of
from nextlabel.server.values.errors import FailedPrecondition, Unavailable
from nextlabel.server.values.labeling.annotations import Annotation
from nextlabel.server.values.labeling.answers import Body
from nextlabel.server.values.labeling.tasks import Demonstration, ItemToAnnotate
from nextlabel.server.values.projects.projects import Project

NEIGHBOURS = 10
_REASON_CHARACTERS = 1_000
"""Of a reason that a demonstration shows; people may write more."""


class LabeledNeighbours:
    """Implements the annotators' `DemonstrationSource` and `LearnerOpinion` for one project.

    Only trusted labels of pool items are used, never those of holdout or gold items (invariant 7). What is known is
    taken up again whenever there are new labels.
    """

    def __init__(self, project: Project, pools: Pools, labels: Labels, learning: Learning) -> None:
        self._project = project
        self._pools = pools
        self._labels = labels
        self._learning = learning
        self._known: object = None
        self._rows = np.empty(0, np.int64)
        self._bodies: Sequence[Body] = ()
        self._embeddings = np.empty((0, 0), np.float32)
        self._library = DemonstrationLibrary((), self._embeddings, ())

    async def fixed(self, k: int) -> Sequence[Demonstration]:
        """Return k labeled items over as many labels as possible, the first of the pool first."""
        await self._follow()
        return await self._library.fixed(k)

    async def nearest(self, item: ItemToAnnotate, k: int) -> Sequence[Demonstration]:
        """Return the k labeled items most similar to ``item``, most similar first, itself excluded."""
        await self._follow()
        return await self._library.nearest(item, k)

    async def nearest_per_label(self, item: ItemToAnnotate, k: int) -> Sequence[Demonstration]:
        """Return k labeled items over as many labels as possible, nearest first."""
        await self._follow()
        return await self._library.nearest_per_label(item, k)

    async def probability(self, item: ItemToAnnotate, label: str) -> float | None:
        """Return the learner's probability of ``label``; None when there is no model yet."""
        if item.embedding is None:
            return None
        try:
            _, probabilities = await self._learning.predict(self._project, np.array([item.embedding], np.float32))
        except (FailedPrecondition, Unavailable):
            return None
        return float(probabilities[0, self._project.class_names.index(label)])

    async def neighbour_share(self, item: ItemToAnnotate, label: str) -> float | None:
        """Return the share of the ten nearest labeled items with ``label``.

        None when fewer are labeled, or when what filters leave out of them cannot be told: the answer is paid by then.
        """
        try:
            order = (await self._by_similarity(item))[:NEIGHBOURS]
        except (FailedPrecondition, Unavailable):
            return None
        if len(order) < NEIGHBOURS:
            return None
        named = [label in type_of(body).classes(body) for body in (self._bodies[i] for i in order.tolist())]
        return float(np.mean(named))

    async def _by_similarity(self, item: ItemToAnnotate) -> npt.NDArray[np.int64]:
        """Return positions of the labeled items, the most similar first."""
        await self._follow()
        if item.embedding is None or not len(self._rows):
            return np.empty(0, np.int64)
        similarity = self._embeddings @ np.asarray(item.embedding, np.float32)
        order: npt.NDArray[np.int64] = np.argsort(-similarity, kind="stable")
        others: npt.NDArray[np.int64] = order[self._rows[order] != item.row]
        return others

    async def _follow(self) -> None:
        labels = len(await self._labels.consensus(self._project))
        known = (labels, await self._learning.filters.decided(self._project))
        if known == self._known:
            return
        labeled = await self._learning.labeled(self._project)
        trusted = [i for i, found in enumerate(labeled.consensus) if found.trusted]
        self._rows = labeled.rows_N[trusted]
        self._bodies = [labeled.consensus[i].body for i in trusted]
        self._embeddings = labeled.embeddings_ND[trusted]
        self._library = await self._demonstrations()
        self._known = known

    async def _demonstrations(self) -> DemonstrationLibrary:
        pool = await self._pools.open(self._project.id)
        reserved = [r.item_id for r in pool.references.values()]
        texts = {item.row: item for item in await self._pools.items(self._project.id, self._rows.tolist())}
        there = np.array([row in texts for row in self._rows.tolist()], np.bool_)
        given = await self._labels.rows(self._project)
        shown = [
            _demonstration(texts[row], body, best_reason(texts[row], given.get(row, ()), body))
            for row, body in zip(self._rows.tolist(), self._bodies, strict=True)
            if row in texts
        ]
        return DemonstrationLibrary(shown, self._embeddings[there], reserved)


def _demonstration(item: StoredItem, body: Body, reason: Annotation | None) -> Demonstration:
    said = "" if reason is None else reason.answer.rationale.strip()[:_REASON_CHARACTERS]
    return Demonstration(item.item_id, item.text, body, said, as_asked(item).alternatives)
