"""What the label space says of its classes becomes examples of them, and is never needed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Self, cast

import numpy as np
import pytest

from nextlabel.server.domain.learning.described import DescribedClassesSource, words
from nextlabel.server.domain.pool.embedding import Embedding
from nextlabel.server.domain.pool.incoming import normalised
from nextlabel.server.domain.pool.index import hash_texts
from nextlabel.server.domain.pool.pools import Pools
from nextlabel.server.values.errors import FailedPrecondition
from nextlabel.server.values.ids import ProjectId
from nextlabel.server.values.projects.projects import LabelClass, Project
from tests.store import values as v


@dataclass
class _Embedding:
    dimension: int
    asked: list[str] = field(default_factory=list)
    loads: bool = True

    async def embed_texts(self, project: Project, texts: Sequence[str]) -> np.ndarray:
        if not self.loads:
            raise FailedPrecondition("the model cannot be loaded", reason="EMBEDDER_UNAVAILABLE")
        self.asked += texts
        return np.ones((len(texts), self.dimension), np.float16)


@dataclass
class _Pools:
    reference_hashes: set[int] = field(default_factory=set)

    async def open(self, project: ProjectId) -> Self:
        return self


def _source(embedding: _Embedding, *apart: str) -> DescribedClassesSource:
    hashes = set(hash_texts([normalised(text) for text in apart]).tolist())
    return DescribedClassesSource(cast("Embedding", embedding), cast("Pools", _Pools(hashes)))


@pytest.fixture
def project() -> Project:
    classes = (LabelClass("card_arrival", " Where is my card? "), LabelClass("AddToPlaylist"), LabelClass("joy"))
    return replace(v.project(), classes=classes)


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("AddToPlaylist", "add to playlist"),
        ("card_arrival", "card arrival"),
        ("top-up  failed", "top up failed"),
        ("joy", "joy"),
    ],
)
def test_a_name_is_written_in_words(name: str, written: str) -> None:
    assert words(name) == written


async def test_every_class_has_one_label_s_weight_whatever_is_said_of_it(project: Project) -> None:
    embedding = _Embedding(project.embedding_dimension)
    described = await _source(embedding).of(project)
    assert described is not None
    assert embedding.asked == ["card arrival", "Where is my card?", "add to playlist", "joy"]
    assert described.labels_E.tolist() == [0, 0, 1, 2]
    assert np.bincount(described.labels_E, described.weights_E).tolist() == [1, 1, 1]


async def test_examples_count_as_labels_unless_they_are_what_measures(project: Project) -> None:
    arrived, lost = "Has my card come?", "My card never came"
    first = replace(project.classes[0], examples=(arrived, lost))
    embedding = _Embedding(project.embedding_dimension)
    described = await _source(embedding, "HAS my card come!").of(
        replace(project, classes=(first, *project.classes[1:]))
    )
    assert described is not None
    assert arrived not in embedding.asked
    assert lost in embedding.asked
    assert np.bincount(described.labels_E, described.weights_E).tolist() == [2, 1, 1]


@pytest.mark.parametrize("why", ["own embeddings", "another length", "no model"])
async def test_without_a_fitting_embedding_there_are_no_descriptions(project: Project, why: str) -> None:
    embedding = _Embedding(project.embedding_dimension + (why == "another length"), loads=why != "no model")
    given = replace(project, embedding_model="") if why == "own embeddings" else project
    assert await _source(embedding).of(given) is None
