"""What the label space says of its classes, as examples of them: the prior that a learner starts from."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import NamedTuple

import numpy as np
import structlog

from nextlabel.server.domain.pool.embedding import Embedding
from nextlabel.server.domain.pool.incoming import normalised
from nextlabel.server.domain.pool.index import hash_texts
from nextlabel.server.domain.pool.pools import Pools
from nextlabel.server.learners.training import DescribedClasses
from nextlabel.server.values.errors import FailedPrecondition
from nextlabel.server.values.projects.projects import LabelClass, Project

_log = structlog.get_logger(__name__)
_CAMEL_CASE = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


class DescribedClassesSource:
    """Embeds the texts that describe classes with the model that embeds the items; texts seen before cost nothing."""

    def __init__(self, embedding: Embedding, pools: Pools) -> None:
        self._embedding = embedding
        self._pools = pools

    async def of(self, project: Project) -> DescribedClasses | None:
        """Return the described classes; None where no model here makes embeddings as the items have them.

        The learner can do without: a model that cannot be loaded does not keep it from being trained.
        """
        if not project.embedding_model:
            return None
        pool = await self._pools.open(project.id)
        texts = class_texts(project.classes, pool.reference_hashes)
        try:
            embeddings_ED = await self._embedding.embed_texts(project, [one.text for one in texts])
        except FailedPrecondition as error:
            _log.warning("classes_not_described", project=project.id, problem=str(error))
            return None
        if embeddings_ED.shape[1] != project.embedding_dimension:
            return None
        labels_E = np.array([one.label for one in texts], np.int64)
        weights_E = np.array([one.weight for one in texts], np.float32)
        return DescribedClasses(embeddings_ED.astype(np.float32), labels_E, weights_E)


class ClassText(NamedTuple):
    """A text that stands for a class, by its index, and the labels that it counts for."""

    text: str
    label: int
    weight: float


def class_texts(classes: Sequence[LabelClass], apart: Collection[int] = ()) -> list[ClassText]:
    """Return the texts that describe classes.

    The name of a class in words and its description count for one label together, each of its examples for one.

    Args:
        apart: hashes of texts that never train, such as a holdout item's; examples that say the same are left out.
    """
    texts = []
    for label, described in enumerate(classes):
        said = [text for text in (words(described.name), described.description.strip()) if text]
        texts += [ClassText(text, label, 1 / len(said)) for text in said]
        hashes = hash_texts([normalised(text) for text in described.examples]).tolist()
        kept = [text for text, h in zip(described.examples, hashes, strict=True) if h not in apart]
        texts += [ClassText(text, label, 1.0) for text in kept]
    return texts


def words(name: str) -> str:
    """Return the name of a class as somebody would write it."""
    return " ".join(_CAMEL_CASE.sub(" ", name).replace("_", " ").replace("-", " ").split()).lower()
