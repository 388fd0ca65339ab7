"""Random and power sampling: the probabilities they record are the probabilities they have."""

from __future__ import annotations

import numpy as np
import pytest

from nextlabel.strategies import ArrayPool, LinearHead, SelectionContext, get_strategy, with_audit
from nextlabel.strategies.arithmetic.arrays import Floats


def test_random_picks_are_uniform_and_say_so(embeddings: Floats) -> None:
    pool, counts = ArrayPool(embeddings[:40]), np.zeros(40)
    for seed in range(600):
        batch = get_strategy("random").select(pool, 10, SelectionContext(seed=seed))
        counts[batch.rows_k] += 1
        np.testing.assert_allclose(batch.inclusion_probabilities_k, 0.25)
    assert np.abs(counts / 600 - 0.25).max() < 5 * np.sqrt(0.25 * 0.75 / 600)


@pytest.mark.parametrize("beta", [0.5, 2.0])
def test_sums_weighted_by_power_probabilities_are_unbiased(beta: float, embeddings: Floats, head: LinearHead) -> None:
    pool, values = ArrayPool(embeddings[:60]), embeddings[:60, 0].astype(np.float64) + 2
    estimates = []
    for seed in range(500):
        context = SelectionContext(predictor=head, seed=seed)
        batch = get_strategy("power_margin", beta=beta).select(pool, 12, context)
        estimates.append((values[batch.rows_k] / batch.inclusion_probabilities_k).sum())
    error = np.std(estimates) / np.sqrt(len(estimates))
    assert abs(np.mean(estimates) - values.sum()) < 4 * error


@pytest.mark.parametrize("name", ["power_margin", "random"])
@pytest.mark.parametrize(("n", "k"), [(30, 12), (30, 26), (40, 8), (60, 20)])
def test_either_kind_of_row_of_an_audited_batch_gives_unbiased_sums(
    name: str, n: int, k: int, embeddings: Floats, head: LinearHead
) -> None:
    pool, values = ArrayPool(embeddings[:n]), embeddings[:n, 0].astype(np.float64) + 2
    strategy = with_audit(get_strategy(name), 0.3)
    estimates = []
    for seed in range(600):
        batch = strategy.select(pool, k, SelectionContext(predictor=head, seed=seed))
        weighted = values[batch.rows_k] / batch.inclusion_probabilities_k
        estimates.append((weighted[~batch.audit_k].sum(), weighted[batch.audit_k].sum()))
    error = np.std(estimates, axis=0) / np.sqrt(len(estimates))
    assert (np.abs(np.mean(estimates, axis=0) - values.sum()) < 4 * error).all()


def test_power_probabilities_are_one_when_the_pool_is_taken_whole(embeddings: Floats, head: LinearHead) -> None:
    batch = get_strategy("power_margin").select(ArrayPool(embeddings[:5]), 9, SelectionContext(predictor=head))
    assert sorted(batch.rows_k) == [0, 1, 2, 3, 4]
    assert batch.inclusion_probabilities_k.tolist() == [1.0] * 5
