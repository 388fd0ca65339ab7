import numpy as np
import pytest

from nextlabel.server.simulation.comparison import Standing, compare
from nextlabel.server.simulation.curves import Curves

LABELS = np.array([20, 40, 60])


def curves(gain: float, seeds: int, spread: float = 0.0, items: int = 0) -> Curves:
    """Curves that rise from .5 by .1 a point; seeds differ a lot, but all by the same from random's.

    Half of the test items are always predicted right, the others never.
    """
    level = np.linspace(0, 0.2, seeds)[:, None]
    wobble = spread * np.array([(-1) ** seed for seed in range(seeds)])[:, None]
    accuracy = np.array([0.5, 0.6, 0.7]) + level + gain + wobble
    influence = np.repeat([[0.5], [-0.5]], items // 2, axis=0) * np.ones(3)
    return Curves(LABELS, accuracy, accuracy / 2, influence, influence)


@pytest.mark.parametrize(
    ("gain", "spread", "seeds", "verdict"),
    [
        (0.01, 0.0, 10, Standing.BETTER),
        (-0.01, 0.0, 10, Standing.WORSE),
        (0.01, 0.05, 10, Standing.NOT_BETTER),
        (0.01, 0.0, 9, Standing.UNKNOWN),
        (0.01, 0.0, 1, Standing.UNKNOWN),
    ],
)
def test_the_verdict_is_about_paired_differences(gain: float, spread: float, seeds: int, verdict: Standing) -> None:
    random, other = compare({"random": curves(0, seeds), "other": curves(gain, seeds, spread)}, 1.0)
    assert random.verdict is Standing.BASELINE
    assert other.verdict is verdict
    assert other.aulc_accuracy_vs_random.mean == pytest.approx(gain)


def test_few_test_items_prove_nothing_however_many_seeds_agree() -> None:
    """They have all been tested on the same ten items."""
    for items, expected in ((10, Standing.NOT_BETTER), (100_000, Standing.BETTER)):
        random, other = curves(0, 30, items=items), curves(0.02, 30, items=items)
        random.accuracy_MP[:] = 0
        found = compare({"random": random, "other": other}, 1.0)[1]
        assert found.verdict is expected
        assert found.sign_flip_p < 0.001
        point = found.learning_curve[0].accuracy_vs_random
        assert point.low is not None
        assert (point.low > 0) is (expected is Standing.BETTER)


def test_what_a_better_strategy_bought() -> None:
    (_, other) = compare({"random": curves(0, 10), "other": curves(0.1, 10)}, full_data_accuracy=0.85)
    assert other.aulc_accuracy.mean == pytest.approx(0.8)
    assert other.aulc_macro_f1.mean == pytest.approx(0.4)
    assert other.labels_to_95pct == pytest.approx(41.5)  # 95 % of .85 lies between .8 at 40 and .9 at 60 labels
    saved = other.labels_saved_vs_random
    assert (saved.mean, saved.low, saved.high) == pytest.approx((20, 20, 20))
    assert [point.labels for point in other.learning_curve] == [20, 40, 60]
    assert other.learning_curve[0].accuracy_vs_random.mean == pytest.approx(0.1)


def test_a_target_out_of_reach_is_none() -> None:
    (random,) = compare({"random": curves(0, 10)}, full_data_accuracy=1.0)
    assert random.labels_to_95pct is None
    assert random.labels_to_95pct_interval == (None, None)
