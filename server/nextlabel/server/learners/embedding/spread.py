"""Embedding by the processes of a cluster, each with the model in its memory, or in that of its GPU."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from nextlabel.server.learners.embedding.embedder import BATCH_TEXTS, CHUNK_TEXTS, Embedder
from nextlabel.server.learners.embedding.weights import with_weights
from nextlabel.server.ports.cluster import Cluster
from nextlabel.server.values.errors import FailedPrecondition

PART_TEXTS = 8 * BATCH_TEXTS
"""Texts that a process embeds at a time: whole batches, so that they are those of a single process."""


class SpreadEmbedder:
    """A `TextEmbedder` that has a cluster embed what nobody waits for, batch for batch as one process would.

    Batches, and on processors of one kind the embeddings, are those that ``embedder`` makes of 1,024 texts after the
    other. It embeds what is urgent or little, and everything while there is no cluster.
    """

    def __init__(self, embedder: Embedder, cluster: Cluster) -> None:
        self._embedder = embedder
        self._cluster = cluster

    @property
    def name(self) -> str:
        """Name of the model."""
        return self._embedder.name

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return self._embedder.dimension

    @property
    def fingerprint(self) -> str:
        """Which weights the model has."""
        return self._embedder.fingerprint

    def embed(self, texts: Sequence[str], *, urgent: bool = False) -> NDArray[np.float16]:
        """Return an (n, dimension) matrix of unit rows; see Embedder.embed."""
        if urgent or self._cluster.width < 2 or len(texts) <= PART_TEXTS:
            return self._embedder.embed(texts, urgent=urgent)
        pieces = _pieces([len(text) for text in texts])
        parts = [[texts[place] for place in piece] for piece in pieces]
        embeddings = np.empty((len(texts), self.dimension), np.float16)
        work = EmbedTexts(self.name, self.fingerprint, self._embedder)
        for piece, vectors in zip(pieces, self._cluster.map(work, parts, on_gpus=True), strict=True):
            embeddings[piece] = vectors
        return embeddings


def _pieces(lengths: Sequence[int]) -> list[NDArray[np.int64]]:
    """Return which texts go together: of 1,024 consecutive ones those of about the same length."""
    pieces = []
    for first in range(0, len(lengths), CHUNK_TEXTS):
        by_length = first + np.argsort([-length for length in lengths[first : first + CHUNK_TEXTS]], kind="stable")
        pieces += [by_length[start : start + PART_TEXTS] for start in range(0, len(by_length), PART_TEXTS)]
    return pieces


@dataclass(frozen=True, slots=True)
class EmbedTexts:
    """Embedding as it travels: by the name of the model, which each process loads once, and which weights it has."""

    name: str
    fingerprint: str
    here: Embedder | None = None

    def __call__(self, texts: Sequence[str]) -> NDArray[np.float16]:
        """Return the texts' vectors.

        Raises:
            FailedPrecondition: the process has other weights of this name than the server.
        """
        embedder = self.here or _embedder(self.name)
        if embedder.fingerprint != self.fingerprint:
            raise FailedPrecondition(
                f"a machine of the cluster has {with_weights(self.name, embedder.fingerprint)}, and the server "
                f"{with_weights(self.name, self.fingerprint)}; give all machines the same files",
                reason="EMBEDDER_CHANGED",
            )
        return embedder.embed(texts)

    def __reduce__(self) -> tuple[type[EmbedTexts], tuple[str, str]]:
        return EmbedTexts, (self.name, self.fingerprint)


@lru_cache(maxsize=2)
def _embedder(name: str) -> Embedder:
    return Embedder(name, device="cuda" if os.environ.get("CUDA_VISIBLE_DEVICES") and _cuda_works() else "cpu")


def _cuda_works() -> bool:
    import torch

    return torch.cuda.is_available()
