"""When to stop: bounds that hold although every round is looked at, and forecasts."""

import numpy as np
import pytest
from scipy.stats import binom

from nextlabel.server.assessment.estimates.anytime import error_of_look
from nextlabel.server.assessment.stopping.change import Change, change_between, f_change_bound
from nextlabel.server.assessment.stopping.forecast import forecast
from nextlabel.server.assessment.stopping.target import lower_bound, provable
from nextlabel.server.assessment.stopping.worth import next_labels


@pytest.mark.parametrize(("right", "n", "look"), [(1, 1, 1), (95, 100, 1), (95, 100, 10), (300, 300, 4), (1, 50, 30)])
def test_at_the_bound_as_many_right_answers_are_as_rare_as_the_look_allows(right, n, look):
    assert binom.sf(right - 1, n, lower_bound(right, n, look)) == pytest.approx(error_of_look(look), rel=1e-6)


def test_runs_that_never_reach_a_target_hardly_ever_seem_to():
    rng = np.random.default_rng(0)
    stopped = {"bare": 0, "shown": 0}
    for _ in range(400):
        # Models that differ in a tenth of their answers each round, and are always right in 89 % on average.
        right = rng.random(100) < 0.89
        seemed = {"bare": False, "shown": False}
        for look in range(1, 21):
            right = np.where(rng.random(100) < 0.1, rng.random(100) < 0.89, right)
            seemed["bare"] |= bool(right.mean() >= 0.9)
            seemed["shown"] |= lower_bound(int(right.sum()), 100, look) >= 0.9
        for name, did in seemed.items():
            stopped[name] += did
    assert stopped["shown"] <= 0.05 * 400 < 0.5 * 400 < stopped["bare"]


def test_what_a_holdout_can_show_is_what_its_bounds_say():
    for target in (0.5, 0.9, 0.99):
        for n in (1, 40, 400, 4_000):
            found = provable(target, n)
            fewest = found.fewest_right
            assert fewest is None or lower_bound(fewest, n, 10) >= target > lower_bound(fewest - 1, n, 10)
            assert fewest is not None or lower_bound(n, n, 10) < target
            assert found.likely == (n >= found.items_needed)
        assert provable(target, found.items_needed).fewest_right <= np.ceil((1 + target) / 2 * found.items_needed)
    assert provable(0.9, 0).fewest_right is None


def test_no_more_can_be_gained_than_predictions_have_changed():
    before, after = np.zeros(2_000, np.int64), np.zeros(2_000, np.int64)
    after[:10] = 1
    truth = np.array([0] * 20 + [1] * 10)
    seen = {"earlier_n": np.zeros(30, np.int64), "later_n": truth, "true_n": truth}
    change = change_between(before, after, **seen, classes=2)
    assert (change.gained, change.lost, change.differing) == (10, 0, 10)
    assert 10 / 2_000 < change.most_gained(1) < 0.02
    assert change_between(before, before, **seen, classes=2).kappa == 1


def test_a_gain_that_is_there_is_hardly_ever_denied():
    rng = np.random.default_rng(1)
    missed = 0
    for _ in range(300):
        denied = False
        for look in range(1, 16):
            moved = rng.multinomial(200, [0.05, 0.03, 0.92])
            differing = int(rng.binomial(2_000, 0.08))
            denied |= Change(int(moved[0]), int(moved[1]), 200, differing, 2_000, 0.9).most_gained(look) < 0.02
        missed += denied
    assert missed <= 0.05 * 300


def test_kappa_is_scikit_learns_and_bounds_the_change_of_f():
    from sklearn.metrics import cohen_kappa_score

    def f1(true, given):
        return 2 * (true & given).sum() / max(1, true.sum() + given.sum())

    rng = np.random.default_rng(2)
    nothing = np.zeros(0, np.int64)
    for _ in range(60):
        first, true = rng.integers(0, 2, 60), rng.integers(0, 2, 60)
        second = np.where(rng.random(60) < rng.random() * 0.5, rng.integers(0, 2, 60), first)
        kappa = change_between(first, second, earlier_n=nothing, later_n=nothing, true_n=nothing, classes=2).kappa
        assert kappa == pytest.approx(cohen_kappa_score(first, second))
        assert abs(f1(true, first) - f1(true, second)) <= f_change_bound(kappa)


def test_forecasts_hold_what_power_laws_do_next():
    rng = np.random.default_rng(3)
    labels, held = np.arange(20, 320, 20), 0
    for _ in range(80):
        ceiling, steep, power = rng.uniform(0.7, 0.98), rng.uniform(0.5, 3), rng.uniform(0.3, 1.2)
        accuracy = ceiling - steep * labels**-power + rng.normal(0, 0.01, len(labels))
        found = forecast(labels, accuracy, 300, 500)
        assert found is not None
        gain = steep * (300.0**-power - 500.0**-power)
        held += found.gain.low <= gain <= found.gain.high
        assert found.gain.low <= found.gain.value <= found.gain.high
        assert 0 <= found.accuracy.low <= found.accuracy.value <= found.accuracy.high <= 1
    assert held >= 0.92 * 80


@pytest.mark.parametrize(
    ("labels", "ahead"), [([], 10), ([10, 20, 30, 40], 100), ([10] * 9, 100), ([10, 20, 30, 40, 50], 50)]
)
def test_without_points_there_is_no_forecast(labels, ahead):
    assert forecast(labels, [0.5] * len(labels), 100, ahead) is None


def test_a_flat_curve_gains_nothing():
    found = forecast(range(10, 110, 10), [1.0] * 10, 50, 1_000)
    assert found is not None
    assert abs(found.gain.value) < 0.01
    assert found.accuracy.high == 1


def told(labels, curve, label_micro_usd, point_micro_usd):
    found = next_labels(labels, curve, 300, label_micro_usd, point_micro_usd)
    assert found is not None
    return found


def test_labels_are_worth_it_while_the_upper_end_of_their_gain_is_worth_their_cost():
    labels = list(range(20, 520, 20))
    curve = [0.9 - 2.0 * n**-0.7 for n in labels]
    found = told(labels, curve, 50_000, 1_000_000)
    assert (found.labels, found.micro_usd) == (200, 10_000_000)
    assert found.most_micro_usd == pytest.approx(100 * found.gain.high * 1_000_000)
    break_even = 200 * 50_000 / (100 * found.gain.high)
    assert told(labels, curve, 50_000, 1.01 * break_even).worth_it
    # The forecasts of the two rounds before were a little higher; a value well below all of them is not worth it.
    assert not told(labels, curve, 50_000, 0.5 * break_even).worth_it


def test_a_single_flat_round_stops_nothing():
    labels = list(range(20, 420, 20))
    flat = [0.9] * len(labels)
    rising = [0.5 + 0.02 * n for n in range(len(labels))]
    price = 0.01
    assert not told(labels, flat, price, 1.0).worth_it
    assert told(labels, [*rising[:-1], rising[-2]], price, 1.0).worth_it


@pytest.mark.parametrize("points", [0, 1, 5, 6])
def test_with_too_few_points_nothing_is_said_of_the_next_labels(points):
    labels = list(range(20, 20 + 20 * points, 20))
    assert next_labels(labels, [0.5] * points, 100, 1.0, 1.0) is None
    assert next_labels([*range(20, 160, 20)], [0.5] * 7, 100, 1.0, 1.0) is not None
