"""What the label space says of its classes, as examples of them: the prior that a learner starts from."""

from __future__ import annotations

import re
from collections import Counter

import numpy as np
import structlog

from nextlabel.server.domain.pool.embedding import Embedding
from nextlabel.server.learners.training import DescribedClasses
from nextlabel.server.values.errors import FailedPrecondition
from nextlabel.server.values.projects.projects import Project

_log = structlog.get_logger(__name__)
_CAMEL_CASE = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


class DescribedClassesSource:
    """Embeds the texts that describe classes with the model that embeds the items; texts seen before cost nothing."""

    def __init__(self, embedding: Embedding) -> None:
        self._embedding = embedding

    async def of(self, project: Project) -> DescribedClasses | None:
        """Return the described classes; None where no model here makes embeddings as the items have them.

        The learner can do without: a model that cannot be loaded does not keep it from being trained.
        """
        if not project.embedding_model:
            return None
        texts = class_texts(project)
        try:
            embeddings_ED = await self._embedding.embed_texts(project, [text for text, _ in texts])
        except FailedPrecondition as error:
            _log.warning("classes_not_described", project=project.id, problem=str(error))
            return None
        if embeddings_ED.shape[1] != project.embedding_dimension:
            return None
        labels_E = np.array([label for _, label in texts], np.int64)
        count_C = Counter(labels_E.tolist())
        weights_E = np.array([1 / count_C[label] for label in labels_E.tolist()], np.float32)
        return DescribedClasses(embeddings_ED.astype(np.float32), labels_E, weights_E)


def class_texts(project: Project) -> list[tuple[str, int]]:
    """Return the texts that describe classes, each with the class's index: its name in words, and its description."""
    texts = []
    for label, described in enumerate(project.classes):
        texts.append((words(described.name), label))
        if described.description.strip():
            texts.append((described.description.strip(), label))
    return texts


def words(name: str) -> str:
    """Return the name of a class as somebody would write it."""
    return " ".join(_CAMEL_CASE.sub(" ", name).replace("_", " ").replace("-", " ").split()).lower()
