"""Embedding by a cluster."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from nextlabel.server.learners.embedding import spread
from nextlabel.server.learners.embedding.embedder import Embedder
from nextlabel.server.learners.embedding.spread import SpreadEmbedder
from nextlabel.server.values.errors import FailedPrecondition
from tests.compute.travelling import Travelling

TEXTS = [f"text number {n} " + "and more " * (n % 7) for n in range(40)]


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spread, "PART_TEXTS", 32)


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return Embedder()


def test_a_cluster_embeds_as_one_process_does(embedder: Embedder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spread, "_embedder", lambda name: embedder)
    monkeypatch.setattr(spread, "CHUNK_TEXTS", 36)
    cluster = Travelling()
    found = SpreadEmbedder(embedder, cluster).embed(TEXTS)
    assert [len(part) for part in cluster.parts] == [32, 4, 4]
    np.testing.assert_array_equal(found, np.concatenate([embedder.embed(TEXTS[:36]), embedder.embed(TEXTS[36:])]))


def test_a_machine_with_other_weights_is_named(embedder: Embedder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spread, "_embedder", lambda name: embedder)
    with pytest.raises(FailedPrecondition, match=r"a machine of the cluster has .* the same files"):
        pickle.loads(pickle.dumps(spread.EmbedTexts(embedder.name, "other")))(["a"])


def test_what_is_urgent_little_or_without_a_cluster_is_embedded_here(embedder: Embedder) -> None:
    for width, texts, urgent in ((2, TEXTS, True), (2, TEXTS[:3], False), (1, TEXTS, False)):
        cluster = Travelling(width)
        spread_embedder = SpreadEmbedder(embedder, cluster)
        assert spread_embedder.embed(texts, urgent=urgent).shape == (len(texts), spread_embedder.dimension)
        assert not cluster.parts
