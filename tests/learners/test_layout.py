"""Embeddings in the plane: neighbours stay neighbours, whatever the embeddings are."""

from __future__ import annotations

import numpy as np
import pytest

from nextlabel.server.learners.layout import lay_out


def clusters(rows: int, seed: int = 0) -> np.ndarray:
    """Half-float embeddings of three clusters in turn."""
    rng = np.random.default_rng(seed)
    return (3 * np.eye(3, 8)[np.arange(rows) % 3] + 0.3 * rng.standard_normal((rows, 8))).astype(np.float16)


def own_cluster(places: np.ndarray, known: np.ndarray) -> float:
    """The share of places whose nearest known one is of the same cluster."""
    distances = np.linalg.norm(places[:, None] - known[None], axis=2)
    distances[distances == 0] = np.inf
    return float((distances.argmin(axis=1) % 3 == np.arange(len(places)) % 3).mean())


def test_neighbours_stand_together_and_others_find_their_place_among_them() -> None:
    layout = lay_out(clusters(150))
    assert own_cluster(layout.places_N2, layout.places_N2) > 0.95
    others = layout.place(clusters(30, seed=1))
    assert own_cluster(others, layout.places_N2) > 0.95
    assert np.abs(layout.places_N2).max() == pytest.approx(1)
    assert np.abs(others).max() <= 1


def test_the_same_sample_is_laid_out_the_same() -> None:
    assert np.array_equal(lay_out(clusters(60)).places_N2, lay_out(clusters(60)).places_N2)


@pytest.mark.parametrize(
    "embeddings",
    [
        np.zeros((1, 4)),
        np.array([[1.0, 2.0], [3.0, 4.0]]),
        np.ones((40, 3)),
        np.arange(30.0)[:, None],
        np.repeat(np.eye(2), 20, axis=0),
        np.full((20, 3), 65_504.0) * np.linspace(-1, 1, 20)[:, None],
    ],
    ids=["one", "two", "all the same", "one number each", "two points", "the largest half floats"],
)
def test_any_embeddings_find_places(embeddings: np.ndarray) -> None:
    layout = lay_out(embeddings.astype(np.float16))
    for places in (layout.places_N2, layout.place(embeddings.astype(np.float16))):
        assert places.shape == (len(embeddings), 2)
        assert np.isfinite(places).all()
        assert np.abs(places).max() <= 1
