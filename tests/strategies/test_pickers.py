"""Every picker against its definition, computed the slow way on a small pool."""

from __future__ import annotations

import numpy as np
import pytest

from nextlabel.strategies import ArrayPool, LabeledSet, LinearHead, NearestLabeled, SelectionContext, get_strategy
from nextlabel.strategies.arithmetic.arrays import Array, Floats
from nextlabel.strategies.arithmetic.exact import on_grid
from nextlabel.strategies.arithmetic.randomness import generator
from nextlabel.strategies.arithmetic.rejection import draw_by_distance
from nextlabel.strategies.candidates import Candidates
from nextlabel.strategies.pickers import covering, greedy_distance
from nextlabel.strategies.pickers.badge import between_gradients, squared_lengths
from nextlabel.strategies.pickers.clusters import ClusterMargin
from nextlabel.strategies.pickers.coverage import pure_radius, typical_distance
from nextlabel.strategies.pool import Block
from nextlabel.strategies.scorers.dropout import DropInconsistency


@pytest.fixture
def context(head: LinearHead, rng: np.random.Generator) -> SelectionContext:
    labeled = rng.standard_normal((9, 16)).astype(np.float32)
    labeled /= np.linalg.norm(labeled, axis=1, keepdims=True)
    return SelectionContext(predictor=head, labeled=LabeledSet(labeled, rng.integers(0, 5, 9)), seed=2)


def squared(a: Array, b: Array) -> Array:
    return ((a[:, None].astype(np.float64) - b[None].astype(np.float64)) ** 2).sum(axis=2)


def farthest_first(embeddings: Floats, labeled: Floats, k: int) -> list[int]:
    near = squared(embeddings, labeled).min(axis=1)
    picked: list[int] = []
    for _ in range(k):
        near[picked] = -1
        picked.append(int(near.argmax()))
        near = np.minimum(near, squared(embeddings, embeddings[picked[-1:]])[:, 0])
    return picked


@pytest.mark.parametrize("kept", [20_000, 40, 3])
def test_k_center_is_farthest_first_however_few_rows_it_keeps(
    kept: int, embeddings: Floats, context: SelectionContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(greedy_distance, "KEPT", kept)
    batch = get_strategy("k_center").select(ArrayPool(embeddings), 40, context)
    assert batch.rows_k.tolist() == farthest_first(embeddings, context.labeled_embeddings, 40)


def test_k_center_on_a_shortlist_is_farthest_first_within_it(embeddings: Floats, context: SelectionContext) -> None:
    shortlist = get_strategy("margin").select(ArrayPool(embeddings), 100, context).rows_k
    batch = get_strategy("k_center", shortlist=100).select(ArrayPool(embeddings), 12, context)
    expected = farthest_first(embeddings[shortlist], context.labeled_embeddings, 12)
    assert batch.rows_k.tolist() == shortlist[expected].tolist()


@pytest.mark.parametrize("held", [20_000, 25])
def test_distances_kept_between_rounds_change_nothing(
    held: int, embeddings: Floats, context: SelectionContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(greedy_distance, "KEPT", held)
    nearest, labeled, rows = NearestLabeled(), context.labeled_embeddings, np.arange(300)
    for _ in range(4):
        labels = LabeledSet(labeled, np.zeros(len(labeled), np.int64))
        pool = ArrayPool(embeddings[rows], rows=rows)
        anew = get_strategy("k_center").select(pool, 10, SelectionContext(labeled=labels))
        kept = get_strategy("k_center").select(pool, 10, SelectionContext(labeled=labels, nearest=nearest))
        assert kept.rows_k.tolist() == anew.rows_k.tolist()
        labeled = np.concatenate([labeled, embeddings[kept.rows_k]])
        arrived = np.arange(rows.max() + 1, rows.max() + 50)
        rows = np.concatenate([np.setdiff1d(rows, kept.rows_k), arrived])


@pytest.mark.parametrize("held", [20_000, 4])
def test_bounds_that_miss_labels_give_the_same_picks(
    held: int, embeddings: Floats, context: SelectionContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(greedy_distance, "KEPT", held)
    twice = np.concatenate([embeddings[:300], embeddings[:300]])
    nearest, labeled = NearestLabeled(), context.labeled_embeddings
    nearest.update(ArrayPool(twice), labeled)
    for _ in range(3):
        labels = LabeledSet(labeled, np.zeros(len(labeled), np.int64))
        batch = get_strategy("k_center").select(ArrayPool(twice), 15, SelectionContext(labeled=labels, nearest=nearest))
        assert batch.rows_k.tolist() == farthest_first(twice, labeled, 15)
        labeled = np.concatenate([labeled, twice[batch.rows_k]])


def test_kept_distances_notice_rows_that_return_and_labels_that_change(embeddings: Floats) -> None:
    nearest = NearestLabeled()
    everything, half = ArrayPool(embeddings), ArrayPool(embeddings[:300])
    nearest.update(everything, embeddings[:2])
    nearest.update(half, embeddings[:4])
    expected = squared(embeddings, embeddings[:5]).min(axis=1)
    np.testing.assert_allclose(nearest.update(everything, embeddings[:5]), expected, atol=1e-5)
    other = squared(embeddings, embeddings[50:53]).min(axis=1)
    np.testing.assert_allclose(nearest.update(everything, embeddings[50:53]), other, atol=1e-5)


@pytest.mark.parametrize("kept", [20_000, 30])
def test_ranked_batch_equals_its_formula(
    kept: int, embeddings: Floats, context: SelectionContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(greedy_distance, "KEPT", kept)
    assert context.predictor is not None
    uncertainty = 1 - context.predictor.predict_proba(embeddings).max(axis=1)
    labeled = context.labeled_embeddings
    picked: list[int] = []
    for step in range(30):
        near = squared(embeddings, np.concatenate([labeled, embeddings[picked]])).min(axis=1)
        weight = (600 - step) / (600 + len(labeled))
        value = weight * (1 - 1 / (1 + np.sqrt(near))) + (1 - weight) * uncertainty
        value[picked] = -1
        picked.append(int(value.argmax()))
    batch = get_strategy("ranked_batch").select(ArrayPool(embeddings), 30, context)
    assert batch.rows_k.tolist() == picked


def gradient_embeddings(head: LinearHead, embeddings: Floats) -> Array:
    residual = np.asarray(head.predict_proba(embeddings.astype(np.float64)))
    residual[np.arange(len(residual)), residual.argmax(axis=1)] -= 1
    return (residual[:, :, None] * embeddings[:, None, :]).reshape(len(embeddings), -1)


def test_badge_measures_distances_between_real_gradients(embeddings: Floats, head: LinearHead) -> None:
    pool = ArrayPool(embeddings)
    candidates = Candidates(pool, np.arange(600), 600)
    gradients = gradient_embeddings(head, embeddings)
    np.testing.assert_allclose(squared_lengths(candidates, head), (gradients**2).sum(axis=1), rtol=1e-4)
    distances = between_gradients(candidates, head)(np.arange(20), np.arange(3, 9))
    np.testing.assert_allclose(distances, squared(gradients[:20], gradients[3:9]), atol=1e-5)


def test_badge_draws_by_the_current_squared_distance(embeddings: Floats, head: LinearHead) -> None:
    """Drawing two from stale distances and rejecting has the distribution of drawing with fresh ones."""
    n = 8
    few = embeddings[:n]
    candidates = Candidates(ArrayPool(few), np.arange(n), n)
    distances = squared(gradient_embeddings(head, few), gradient_embeddings(head, few))
    stale = distances[0].astype(np.float32)
    between = between_gradients(candidates, head)
    counts, draws = np.zeros((n, n)), 4000
    rng = np.random.default_rng(0)
    for _ in range(draws):
        picked = [0]
        draw_by_distance(stale, None, picked, 3, between, rng)
        counts[picked[1], picked[2]] += 1
    first = distances[0] / distances[0].sum()
    expected = np.zeros((n, n))
    for i in range(1, n):
        fresh = np.minimum(distances[0], distances[i])
        expected[i] = first[i] * fresh / fresh.sum()
    cells = expected > 0
    chi_squared = ((counts - draws * expected)[cells] ** 2 / (draws * expected[cells])).sum()
    assert counts[~cells].sum() == 0
    degrees = cells.sum() - 1
    assert chi_squared < degrees + 4 * np.sqrt(2 * degrees)


def greedy_coverage(similarity: Array, weights: Array, covered: Array, k: int) -> list[int]:
    picked: list[int] = []
    for _ in range(k):
        gains = weights @ np.maximum(similarity - covered[:, None], 0)
        gains[picked] = -1
        picked.append(int(gains.argmax()))
        covered = np.maximum(covered, similarity[:, picked[-1]])
    return picked


def test_herding_is_greedy_coverage_and_the_default_weighs_it_by_uncertainty(
    embeddings: Floats, context: SelectionContext, head: LinearHead
) -> None:
    ordered = np.sort(head.predict_proba(embeddings).astype(np.float64), axis=1)
    doubt = (1 - (ordered[:, -1] - ordered[:, -2])) ** (2 + 9 / 250)
    assert doubt.sum() ** 2 / (doubt**2).sum() > 10 * 8
    for name, weights in (("max_herding", np.ones(600)), ("default", doubt)):
        scale = 0.8 * typical_distance(on_grid(embeddings), generator(context.seed, name))
        similarity = np.exp(-squared(embeddings, embeddings) / (2 * scale**2))
        covered = np.exp(-squared(embeddings, context.labeled_embeddings).min(axis=1) / (2 * scale**2))
        batch = get_strategy(name).select(ArrayPool(embeddings), 8, context)
        reached = greedy_coverage(similarity, weights, covered, 8)
        assert coverage(similarity, weights, covered, batch.rows_k) >= 0.99 * coverage(
            similarity, weights, covered, np.asarray(reached)
        )


def coverage(similarity: Array, weights: Array, covered: Array, rows: Array) -> float:
    return float(weights @ (np.maximum(covered, similarity[:, rows].max(axis=1)) - covered))


def test_probcover_is_greedy_coverage_with_balls(embeddings: Floats, context: SelectionContext) -> None:
    distances = squared(embeddings, embeddings)
    covered = (squared(embeddings, context.labeled_embeddings).min(axis=1) <= 0.9**2).astype(float)
    expected = greedy_coverage((distances <= 0.9**2).astype(float), np.ones(600), covered, 15)
    batch = get_strategy("probcover", radius=0.9).select(ArrayPool(embeddings), 15, context)
    assert batch.rows_k.tolist() == expected


@pytest.mark.parametrize("length", [1e-15, 1.0, 1e15])
def test_bounds_of_coverage_are_bounds_and_close_to_what_is_gained(
    rng: np.random.Generator, length: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(covering, "TILE", 64)  # so that tiles end among the candidates offered and behind them
    embeddings = np.asarray(on_grid((length * rng.standard_normal((300, 16))).astype(np.float32)))
    weights, covered = rng.integers(0, 2**16, 300) / 2**16, np.rint(rng.random(300) * 2**18) / 2**20
    offered = rng.permutation(300)[:200]
    for kernel in (covering.Gaussian(2.0 * length), covering.Ball(4.0 * length)):
        gained = weights @ np.maximum(kernel(squared(embeddings, embeddings[offered])) - covered[:, None], 0)
        bounds = covering.most_gained(embeddings, weights, covered.astype(np.float32), kernel, offered)
        assert np.all(bounds >= gained)
        assert np.all(bounds <= 1.01 * gained + 0.01)


def test_the_estimated_radius_is_pure_for_the_stated_share(rng: np.random.Generator) -> None:
    two = np.concatenate([rng.normal(0, 0.1, (100, 3)), rng.normal(5, 0.1, (100, 3))]).astype(np.float32)
    radius = pure_radius(on_grid(two), 2, rng)
    nearest_other = np.sqrt(squared(two[:100], two[100:]).min(axis=1))
    assert np.mean(nearest_other > radius) >= 0.9
    assert radius > 4


def test_probcover_without_neighbours_still_picks_different_rows(context: SelectionContext) -> None:
    scattered = np.eye(16, dtype=np.float32)
    batch = get_strategy("probcover", radius=0.1).select(ArrayPool(scattered), 10, context)
    assert len(set(batch.rows_k.tolist())) == 10


def clumps(rng: np.random.Generator, sizes: list[int]) -> tuple[Floats, Array]:
    labels = np.repeat(np.arange(len(sizes)), sizes)
    centers = 10 * np.eye(len(sizes), 8)
    return (centers[labels] + 0.1 * rng.standard_normal((len(labels), 8))).astype(np.float32), labels


def test_typiclust_takes_the_most_typical_row_of_the_largest_uncovered_clusters(rng: np.random.Generator) -> None:
    embeddings, labels = clumps(rng, [60, 50, 40, 30])
    labeled = LabeledSet(embeddings[labels == 0][:1], np.zeros(1, np.int64))
    batch = get_strategy("typiclust").select(ArrayPool(embeddings), 3, SelectionContext(labeled=labeled, seed=4))
    assert labels[batch.rows_k].tolist() == [1, 2, 3]
    for row in batch.rows_k:
        members = np.flatnonzero(labels == labels[row])
        distances = np.sort(np.sqrt(squared(embeddings[members], embeddings[members])), axis=1)
        assert members[distances[:, 1:21].mean(axis=1).argmin()] == row


@pytest.mark.parametrize("name", ["kmeans", "margin_kmeans"])
def test_clustering_pickers_take_one_of_each_clump(name: str, rng: np.random.Generator) -> None:
    embeddings, labels = clumps(rng, [30, 30, 30, 30])
    head = LinearHead(np.ones((2, 8), np.float32), np.zeros(2, np.float32))
    context = SelectionContext(predictor=head, seed=1)
    params = {} if name == "kmeans" else {"per_pick": 30}
    batch = get_strategy(name, **params).select(ArrayPool(embeddings), 4, context)
    assert sorted(labels[batch.rows_k].tolist()) == [0, 1, 2, 3]


def test_cluster_margin_goes_round_the_clusters_smallest_first(rng: np.random.Generator) -> None:
    embeddings, labels = clumps(rng, [30, 20, 10, 2])
    candidates = Candidates(ArrayPool(embeddings), np.arange(62), 62, np.zeros(62, np.float32))
    picks = ClusterMargin(clusters_per_pick=0.5).pick(candidates, 8, SelectionContext(), rng)
    assert labels[picks.positions_k].tolist() == [3, 2, 1, 0, 3, 2, 1, 0]


def test_dropquery_counts_flips_and_picks_rows_that_mostly_flip(embeddings: Floats, head: LinearHead) -> None:
    context = SelectionContext(predictor=head, seed=6)
    masks = generator(6, "dropout/0")
    flips = np.zeros(600)
    for _ in range(3):
        kept = masks.integers(0, 256, size=embeddings.shape, dtype=np.uint8) >= 192
        dropped = head.predict_proba((embeddings * kept * 4).astype(np.float32)).argmax(axis=1)
        flips += dropped != head.predict_proba(embeddings).argmax(axis=1)
    scores = DropInconsistency().score(Block(np.arange(600), embeddings), context)
    np.testing.assert_array_equal(np.floor(scores), flips)
    batch = get_strategy("dropquery").select(ArrayPool(embeddings), 20, context)
    assert (flips[batch.rows_k] >= 2).all()


def test_balanced_margin_evens_out_the_predicted_classes(embeddings: Floats, context: SelectionContext) -> None:
    assert context.predictor is not None
    batch = get_strategy("balanced_margin", per_pick=40).select(ArrayPool(embeddings), 15, context)
    predicted = context.predictor.predict_proba(embeddings[batch.rows_k]).argmax(axis=1)
    assert context.labeled is not None
    total = np.bincount(context.labeled.classes_L, minlength=5) + np.bincount(predicted, minlength=5)
    assert total.max() - total.min() <= 1


def test_distinct_margin_passes_over_near_duplicates(embeddings: Floats, head: LinearHead) -> None:
    doubled = np.concatenate([embeddings, embeddings + np.float32(1e-4)])
    context = SelectionContext(predictor=head, labeled=LabeledSet(embeddings[:50], np.zeros(50, np.int64)))
    batch = get_strategy("distinct_margin").select(ArrayPool(doubled), 40, context)
    originals = batch.rows_k % 600
    assert len(set(originals.tolist())) == 40
    assert (originals >= 50).all()


def test_igs_is_greedy_by_the_least_product_of_both_distances(embeddings: Floats, context: SelectionContext) -> None:
    pool, labeled = embeddings[:300], context.require_labeled()
    probabilities = context.require_predictor().predict_proba(pool).astype(np.float64)
    scores = probabilities @ np.arange(probabilities.shape[1])
    levels = labeled.classes_L.astype(np.float64)
    both = np.sqrt(squared(pool, labeled.embeddings_LD)) * np.abs(scores[:, None] - levels)
    near = both.min(axis=1)
    expected: list[int] = []
    for _ in range(12):
        near[expected] = -1
        expected.append(int(near.argmax()))
        to_last = np.sqrt(squared(pool, pool[expected[-1:]])[:, 0]) * np.abs(scores - scores[expected[-1]])
        near = np.minimum(near, to_last)
    assert get_strategy("igs").select(ArrayPool(pool), 12, context).rows_k.tolist() == expected
