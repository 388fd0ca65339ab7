"""Estimates against the papers' formulas, by every way that a tiny pool can be drawn, and at their edges."""

import itertools
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nextlabel.server.assessment.estimates.anytime import anytime_share, error_of_look, error_watched
from nextlabel.server.assessment.estimates.cross_fit import Features, cross_fitted
from nextlabel.server.assessment.estimates.effective import share_estimate
from nextlabel.server.assessment.estimates.pool_mean import Draws, pool_mean
from nextlabel.server.assessment.estimates.prediction_powered import Predictions, prediction_powered_mean
from nextlabel.server.assessment.estimates.sampled_batches import SampledBatch, weighted_share
from nextlabel.server.assessment.intervals import wilson_interval


def lure_by_hand(losses, q, pool_size):
    """Kossen et al. 2021, equation 3."""
    draws, total = len(losses), 0.0
    for m, (loss, probability) in enumerate(zip(losses, q, strict=True), start=1):
        weight = 1 + (pool_size - draws) / (pool_size - m) * (1 / ((pool_size - m + 1) * probability) - 1)
        total += weight * loss
    return total / draws


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 5), st.floats(0.01, 1)), min_size=1, max_size=8), st.integers(10, 40))
def test_one_draw_at_a_time_is_lure(steps, pool_size):
    losses, q = [s[0] for s in steps], [s[1] for s in steps]
    found = pool_mean(Draws.one_at_a_time(q, pool_size), losses)
    assert found.value == pytest.approx(lure_by_hand(losses, q, pool_size), abs=1e-9)


def test_the_mean_is_right_on_average_whatever_is_picked_greedily_in_between():
    values = np.array([0.0, 1.0, 4.0, 9.0, 2.0, 7.0])
    means = []
    # Every way to draw one of six, have the largest remaining one picked greedily, and draw one of the last four.
    for first in range(6):
        rest = [i for i in range(6) if i != first]
        greedy = max(rest, key=lambda i: values[i])
        candidates = [i for i in rest if i != greedy]
        for second in candidates:
            seen = values[[first, greedy, second]]
            means.append(pool_mean(Draws.uniform([0, 2], [6, 4]), seen).value)
    assert np.mean(means) == pytest.approx(values.mean())


def test_weighted_draws_are_right_on_average():
    values, weights = np.array([0.0, 1.0, 5.0, 2.0]), np.array([1.0, 2.0, 4.0, 1.0])
    expected = 0.0
    for order in itertools.permutations(range(4), 2):
        q, left = [], weights.sum()
        for i in order:
            q.append(weights[i] / left)
            left -= weights[i]
        expected += np.prod(q) * pool_mean(Draws.one_at_a_time(q, 4), values[list(order)]).value
    assert expected == pytest.approx(values.mean())


def power_batch(rng, wrong, weights, picks):
    """Power sampling as `PowerSample` does it."""
    perturbed = np.log(weights) + rng.gumbel(size=len(weights))
    order = np.argsort(-perturbed)
    chosen, threshold = order[:picks], perturbed[order[picks]]
    return SampledBatch(wrong[chosen], -np.expm1(-weights[chosen] * np.exp(-threshold)), len(wrong))


def test_batches_by_power_sampling_are_right_on_average_and_their_intervals_hold():
    rng = np.random.default_rng(3)
    values, held = [], []
    for _ in range(200):
        uncertainty = rng.beta(1, 3, (4, 600))
        wrong = rng.random((4, 600)) < uncertainty
        weights = 0.2 + uncertainty
        found = weighted_share([power_batch(rng, *batch, 25) for batch in zip(wrong, weights, strict=True)])
        assert found is not None
        values.append(found.value - wrong.mean())
        held.append(found.low <= wrong.mean() <= found.high)
        assert found.items == 100
    assert abs(np.mean(values)) < 3 * np.std(values) / len(values) ** 0.5
    assert np.mean(held) >= 0.92


def test_a_share_of_the_whole_pool_takes_what_was_looked_at_before_into_account():
    rng = np.random.default_rng(5)
    values, held = [], []
    hits, weights = rng.random(700) < 0.3, 0.3 + rng.random(700)
    for _ in range(300):
        # The first picks are greedy, and so no sample; those of two batches after them are.
        left, batches = np.argsort(-weights + 0.2 * hits), []
        seen, left = left[:100], left[100:]
        for _ in range(2):
            perturbed = np.log(weights[left]) + rng.gumbel(size=len(left))
            order = np.argsort(-perturbed)
            chosen = left[order[:60]]
            probabilities = -np.expm1(-weights[chosen] * np.exp(-perturbed[order[60]]))
            batches.append(SampledBatch(hits[chosen], probabilities, len(left), len(seen), int(hits[seen].sum())))
            seen, left = np.concatenate([seen, chosen]), np.setdiff1d(left, chosen)
        found = weighted_share(batches)
        assert found is not None
        values.append(found.value - hits.mean())
        held.append(found.low <= hits.mean() <= found.high)
    assert abs(np.mean(values)) < 3 * np.std(values) / len(values) ** 0.5
    assert np.mean(held) >= 0.93


def test_batches_whose_weights_are_uneven_give_no_interval():
    rng = np.random.default_rng(4)
    wrong, weights = rng.random(600) < 0.1, rng.beta(0.1, 3, 600) + 1e-4
    assert weighted_share([power_batch(rng, wrong, weights, 100)]) is None
    assert weighted_share([power_batch(rng, wrong, np.ones(600), 20)]) is None
    even = weighted_share([power_batch(rng, wrong, np.ones(600), 100)])
    assert even is not None
    assert even.items == 100


def test_batches_that_cannot_be_are_refused():
    for hits, probabilities, candidates in (([], [], 5), ([True], [0.5, 0.5], 5), ([True] * 2, [0.5] * 2, 1)):
        with pytest.raises(ValueError, match="expected one each"):
            SampledBatch(np.array(hits, bool), np.array(probabilities), candidates)
    with pytest.raises(ValueError, match="probabilities"):
        SampledBatch(np.array([True]), np.array([0.0]), 5)
    with pytest.raises(ValueError, match="no batch"):
        weighted_share([])


def test_draws_that_cannot_be_are_refused():
    with pytest.raises(ValueError, match="no draw"):
        Draws.uniform([], [])
    with pytest.raises(ValueError, match="at least one item remain"):
        Draws.one_at_a_time([0.5, 0.5, 0.5], 2)
    with pytest.raises(ValueError, match="probabilities"):
        Draws.one_at_a_time([0.0], 2)


@pytest.mark.parametrize(("share", "turns"), [(0.02, 40), (0.1, 16), (0.98, 40)])
def test_intervals_of_shares_hold_where_hardly_a_draw_is_a_hit_and_others_that_were_looked_at_are(share, turns):
    rng, sims, held = np.random.default_rng(1), 400, 0
    for _ in range(sims):
        pool = np.zeros(1_500)
        pool[: round(share * 1_500)] = 1.0
        rng.shuffle(pool)
        # Nine items are looked at for other reasons before each draw.
        positions = 9 + 10 * np.arange(turns)
        found = pool_mean(Draws.uniform(positions, 1_500 - positions), pool[: 10 * turns], share=True)
        held += found.low <= pool.mean() <= found.high
    assert held / sims > 0.92


def test_without_an_error_seen_the_interval_stays_open():
    found = pool_mean(Draws.uniform(range(30), range(1000, 970, -1)), np.zeros(30), share=True)
    assert found.value == found.low == 0.0
    assert found.high == pytest.approx(wilson_interval(0, 30).high, rel=0.05)


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 10_000), st.integers(3, 60), st.floats(0, 1), st.floats(-1, 1), st.booleans())
def test_predictions_never_widen_the_interval(seed, n, share, quality, binary):
    rng = np.random.default_rng(seed)
    labels = (rng.random(200) < share).astype(float) if binary else rng.normal(size=200)
    predictions = quality * labels + (1 - abs(quality)) * rng.random(200)
    draws = Draws.uniform(range(n), range(200, 200 - n, -1))
    known = Predictions(predictions[:n], predictions[n:], 200 - n)
    joined = prediction_powered_mean(draws, labels[:n], known, share=binary)
    alone = pool_mean(draws, labels[:n], share=binary)
    assert joined.high - joined.low <= alone.high - alone.low
    assert joined.low <= joined.value <= joined.high


def test_good_predictions_save_labels_and_constant_ones_change_nothing():
    rng = np.random.default_rng(0)
    labels = (rng.random(2000) < 0.4).astype(float)
    draws = Draws.uniform(range(100), range(2000, 1900, -1))
    alone = pool_mean(draws, labels[:100], share=True)
    good = Predictions(labels[:100] * 0.9, labels[100:] * 0.9, 1900)
    joined = prediction_powered_mean(draws, labels[:100], good, share=True)
    assert joined.high - joined.low < 0.3 * (alone.high - alone.low)
    assert abs(joined.value - labels.mean()) < 0.01
    constant = Predictions(np.ones(100), np.ones(1900), 1900)
    assert prediction_powered_mean(draws, labels[:100], constant, share=True) == alone


@pytest.mark.parametrize("share", [0.04, 0.08])
def test_predictions_of_a_rare_class_do_no_harm(share):
    """A weight as it is estimated from so few labels makes squared errors up to a quarter larger."""
    rng = np.random.default_rng(1)
    draws = Draws.uniform(range(100), range(2000, 1900, -1))
    joined, alone, held = [], [], []
    for _ in range(300):
        labels = (rng.random(2000) < share).astype(float)
        predictions = labels * rng.random(2000) ** 10
        known = Predictions(predictions[:100], predictions[100:], 1900)
        found = prediction_powered_mean(draws, labels[:100], known, share=True)
        joined.append(found.value - labels.mean())
        alone.append(labels[:100].mean() - labels.mean())
        held.append(found.low <= labels.mean() <= found.high)
    assert np.square(joined).mean() <= np.square(alone).mean()
    assert np.mean(held) >= 0.93


def features(weak, strong=None):
    return Features(np.zeros((len(weak), 0)) if strong is None else strong, weak)


def test_a_label_does_not_predict_itself():
    rng = np.random.default_rng(1)
    weak, labels, others = rng.normal(size=(60, 40)), rng.normal(size=60), rng.normal(size=(500, 40))
    of_labeled, of_others = cross_fitted(features(weak), labels, features(others))
    # With as many columns as this a fit would follow the noise closely; held-out predictions cannot.
    assert np.corrcoef(of_labeled, labels)[0, 1] < 0.4
    assert len(of_others) == 500
    changed = labels.copy()
    changed[7] += 100
    assert cross_fitted(features(weak), changed, features(others))[0][7] == pytest.approx(of_labeled[7])


def ridge_by_hand(columns, labels, penalty, asked):
    middle = columns.mean(axis=0)
    inside = (columns - middle).T @ (columns - middle) + penalty * np.eye(columns.shape[1])
    slopes = np.linalg.solve(inside, (columns - middle).T @ (labels - labels.mean()))
    return labels.mean() + (asked - middle) @ slopes


@pytest.mark.parametrize("items", [6, 22])
def test_each_fold_is_predicted_by_a_ridge_regression_of_the_others(items):
    rng = np.random.default_rng(4)
    weak, strong = rng.normal(size=(items + 5, 3)), rng.normal(size=(items + 5, 1))
    labels = (strong[:, 0] + weak[:, 0] + rng.normal(size=items + 5))[:items]
    blocks = [block - block.mean(axis=0) for block in (strong, weak)]
    strong_part, weak_part = (block / ((block**2).sum() / len(block)) ** 0.5 for block in blocks)
    fold = np.arange(items) % 20
    of_labeled, of_others = np.empty(items), []
    for each in range(min(items, 20)):
        kept = np.flatnonzero(fold != each)
        tried = []
        for shrinkage, penalty in itertools.product((0.0, 0.1, 0.3, 1.0), np.logspace(-2, 3, 11)):
            columns = np.hstack([strong_part, shrinkage * weak_part])
            errors = [
                ridge_by_hand(columns[rest], labels[rest], penalty, columns[one]) - labels[one]
                for one, rest in ((one, kept[kept != one]) for one in kept)
            ]
            tried.append((np.square(errors).mean(), columns, penalty))
        _, columns, penalty = min(tried, key=lambda one: one[0])
        found = ridge_by_hand(columns[kept], labels[kept], penalty, columns)
        of_labeled[fold == each] = found[:items][fold == each]
        of_others.append(found[items:])
    given_items, others = (features(weak[at], strong[at]) for at in (slice(items), slice(items, None)))
    found_labeled, found_others = cross_fitted(given_items, labels, others)
    np.testing.assert_allclose(found_labeled, of_labeled, atol=1e-8)
    np.testing.assert_allclose(found_others, np.mean(of_others, axis=0), atol=1e-8)


def test_many_numbers_are_predicted_as_one_by_one():
    rng = np.random.default_rng(3)
    weak, strong, others = rng.normal(size=(30, 8)), rng.normal(size=(30, 2)), rng.normal(size=(50, 8))
    labels = np.column_stack([strong[:, 0] + rng.normal(size=30), weak[:, 1], rng.random(30) < 0.3])
    labeled, unlabeled = features(weak, strong), features(others, rng.normal(size=(50, 2)))
    together = cross_fitted(labeled, labels, unlabeled)
    apart = [cross_fitted(labeled, labels[:, k], unlabeled) for k in range(3)]
    for part in (0, 1):
        np.testing.assert_allclose(together[part], np.column_stack([one[part] for one in apart]), atol=1e-9)


def test_weak_columns_do_not_drown_a_strong_one():
    rng = np.random.default_rng(2)
    truth = rng.normal(size=2000)
    weak, strong = rng.normal(size=(2000, 300)), truth[:, None] * 2 + 1
    labeled, others = features(weak[:60], strong[:60]), features(weak[60:], strong[60:])
    of_labeled, of_others = cross_fitted(labeled, truth[:60], others)
    assert np.corrcoef(of_labeled, truth[:60])[0, 1] > 0.95
    assert np.corrcoef(of_others, truth[60:])[0, 1] > 0.95


# Simulations see the same counts again and again.
watched_share = cache(anytime_share)


def test_an_interval_that_is_watched_holds_at_all_looks_together():
    rng = np.random.default_rng(2)
    missed, fooled = 0, 0
    for _ in range(200):
        hits = np.cumsum(rng.random(400) < 0.8)
        looks = [(int(hits[n - 1]), n) for n in range(10, 401, 10)]
        missed += any(not (e.low <= 0.8 <= e.high) for e in (watched_share(*look) for look in looks))
        fooled += any(not (e.low <= 0.8 <= e.high) for e in (wilson_interval(*look) for look in looks))
    assert missed <= 10
    assert fooled > 30


@given(st.integers(1, 500), st.data())
@settings(max_examples=50, deadline=None)
def test_a_watched_interval_lies_around_the_share_and_is_the_wider(n, data):
    hits = data.draw(st.integers(0, n))
    watched, once = anytime_share(hits, n), wilson_interval(hits, n)
    assert 0 <= watched.low <= hits / n <= watched.high <= 1
    assert watched.high - watched.low >= once.high - once.low - 0.05


def test_an_interval_that_is_watched_holds_for_the_mean_of_chances_that_change():
    rng = np.random.default_rng(6)
    chances = np.linspace(0.55, 0.95, 400)
    missed = 0
    for _ in range(200):
        hits = np.cumsum(rng.random(400) < chances)
        looks = [(chances[:n].mean(), watched_share(int(hits[n - 1]), n)) for n in range(10, 401, 10)]
        missed += any(not e.low <= mean <= e.high for mean, e in looks)
    assert missed <= 10


def test_means_that_are_watched_hold_at_all_looks_together():
    rng = np.random.default_rng(7)
    missed, fooled = 0, 0
    for _ in range(150):
        values = (rng.random(300) < 0.3).astype(float)
        for once in (False, True):
            held = True
            for n in range(20, 301, 20):
                draws = Draws.uniform(range(n), range(100_000, 100_000 - n, -1))
                found = pool_mean(draws, values[:n], share=True, error=0.05 if once else error_watched(n))
                held &= found.low <= 0.3 <= found.high
            missed += not (held or once)
            fooled += once and not held
    assert missed <= 7
    assert fooled > 20


def test_all_looks_spend_the_error_once():
    assert sum(error_of_look(k) for k in range(1, 100_000)) == pytest.approx(0.05, abs=1e-5)
    with pytest.raises(ValueError, match="from 1"):
        error_of_look(0)


def test_a_share_that_an_unbiased_guess_puts_outside_is_the_nearest_there_is():
    found = share_estimate(-0.004, 0.0001, items=50, fallback_size=50, freedom=49)
    assert found.value == found.low == 0.0
    assert 0 < found.high < 0.1
    assert share_estimate(1.02, 0.0001, items=50, fallback_size=50, freedom=49).high == 1.0
