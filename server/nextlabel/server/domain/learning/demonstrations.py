"""Retrieval by embedding: demonstrations for in-context learning, and the labels of a large label space that fit."""

import math
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from nextlabel.server.values.labeling.answers import Body, Label
from nextlabel.server.values.labeling.tasks import Demonstration, ItemToAnnotate

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


class DemonstrationLibrary:
    """Implements `DemonstrationSource` over trusted annotations and their embeddings.

    demonstrations:  N annotated items
    embeddings_ND:   (N, D) L2-normalised embeddings of their texts
    reserved:        ids of holdout and gold items, which may never be shown

    Raises `ValueError` when a demonstration is reserved or the lengths differ. Items without an embedding get none.
    """

    def __init__(
        self,
        demonstrations: Sequence[Demonstration],
        embeddings_ND: "npt.NDArray[np.floating]",
        reserved: Collection[str],
    ) -> None:
        if len(demonstrations) != len(embeddings_ND):
            raise ValueError(f"{len(demonstrations)} demonstrations but {len(embeddings_ND)} embeddings")
        if leaked := sorted({shown.item_id for shown in demonstrations} & set(reserved)):
            raise ValueError(f"holdout or gold items may not be demonstrated: {leaked[:5]}")
        self._demonstrations = tuple(demonstrations)
        self._embeddings_ND = embeddings_ND

    async def fixed(self, k: int) -> Sequence[Demonstration]:
        """The first of each label in turn, then the second of each, until there are k."""
        return _by_turns(self._demonstrations, k)

    async def nearest(self, item: ItemToAnnotate, k: int) -> Sequence[Demonstration]:
        """The k most similar ones, most similar first; ties by item id."""
        return self._ranked(item)[:k]

    async def nearest_per_label(self, item: ItemToAnnotate, k: int) -> Sequence[Demonstration]:
        """The nearest of each label in turn, then the second nearest of each, until there are k.

        Labels take their turns in the order of their nearest demonstration, so a small k shows the likeliest ones.
        """
        return _by_turns(self._ranked(item), k)

    def _ranked(self, item: ItemToAnnotate) -> list[Demonstration]:
        if item.embedding is None or not self._demonstrations:
            return []
        similarity_N = self._embeddings_ND @ _vector(item.embedding)
        order = sorted(
            range(len(self._demonstrations)),
            key=lambda position: (-float(similarity_N[position]), self._demonstrations[position].item_id),
        )
        ranked = [self._demonstrations[position] for position in order]
        asked = (item.text, item.alternatives)
        return [s for s in ranked if s.item_id != item.item_id and (s.text, s.alternatives) != asked]


def _by_turns(ranked: Sequence[Demonstration], k: int) -> list[Demonstration]:
    by_label: dict[Body, list[Demonstration]] = {}
    for shown in ranked:
        by_label.setdefault(shown.body, []).append(shown)
    deepest = max((len(group) for group in by_label.values()), default=0)
    turns = [group[depth] for depth in range(deepest) for group in by_label.values() if depth < len(group)]
    return turns[:k]


class LabelEmbeddings:
    """Implements `LabelSimilarity` by embeddings of the labels' names and descriptions.

    A label is as close as the closest of its embeddings: its definition's, or a demonstration's of it.
    """

    def __init__(
        self,
        labels: Sequence[str],
        embeddings_LD: "npt.NDArray[np.floating]",
        library: Sequence[tuple[Label, Sequence[float]]] = (),
    ) -> None:
        self._labels = [*labels, *(label.name for label, _ in library)]
        self._vectors = [*embeddings_LD, *(_vector(vector) for _, vector in library)]

    async def closest_labels(self, item: ItemToAnnotate, names: Sequence[str], n: int) -> Sequence[str]:
        """The n of `names` that are closest to the item, closest first; the first n for an item without embedding."""
        if item.embedding is None:
            return names[:n]
        vector = _vector(item.embedding)
        best = dict.fromkeys(names, -math.inf)
        for label, other in zip(self._labels, self._vectors, strict=True):
            if label in best:
                best[label] = max(best[label], float(other @ vector))
        return sorted(names, key=lambda name: -best[name])[:n]


def _vector(values: Sequence[float]) -> "npt.NDArray[np.floating]":
    import numpy as np

    return np.asarray(values, np.float32)
