"""Agreement against the formulas of the papers, summed pair by pair."""

import itertools
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nextlabel.server.assessment.agreement import confusion, kappa, krippendorff
from nextlabel.server.assessment.agreement.distances import masi_distance
from nextlabel.server.assessment.agreement.kappa import label_counts
from nextlabel.server.assessment.agreement.macro_f1 import macro_f1
from nextlabel.server.assessment.estimates.effective import share_estimate
from nextlabel.server.assessment.intervals import wilson_interval
from nextlabel.server.values.labeling.metric import Metric

CLASSES = ("a", "b", "c")


def krippendorff_alpha(*args):
    return krippendorff.krippendorff_alpha(*args)


def cohen_kappa(table):
    return kappa.cohen_kappa(table)


def fleiss_kappa(table):
    return kappa.fleiss_kappa(table)


def compare(*args):
    return confusion.compare(*args)


def alpha_by_hand(units, distance):
    """Krippendorff 2011, section D: observed over expected disagreement, every pair looked at."""
    units = [u for u in units if len(u) > 1]
    pooled = list(itertools.chain.from_iterable(units))
    observed = sum(sum(distance(a, b) for a, b in itertools.permutations(u, 2)) / (len(u) - 1) for u in units)
    expected = sum(distance(a, b) for a, b in itertools.permutations(pooled, 2)) / (len(pooled) - 1)
    return 1 - observed / expected


def ordinal(units):
    counts = Counter(itertools.chain.from_iterable(u for u in units if len(u) > 1))

    def distance(a, b):
        low, high = min(a, b), max(a, b)
        between = sum(n for v, n in counts.items() if low <= v <= high)
        return (between - (counts[low] + counts[high]) / 2) ** 2 if low != high else 0.0

    return distance


ranks = st.lists(st.lists(st.integers(1, 5), min_size=0, max_size=4), min_size=2, max_size=12)


@settings(max_examples=60, deadline=None)
@given(ranks)
def test_alpha_is_that_of_the_paper_for_every_metric(units):
    found = {
        Metric.NOMINAL: lambda a, b: float(a != b),
        Metric.ORDINAL: ordinal(units),
        Metric.INTERVAL: lambda a, b: float((a - b) ** 2),
    }
    pooled = set(itertools.chain.from_iterable(u for u in units if len(u) > 1))
    for metric, distance in found.items():
        alpha = krippendorff_alpha(units, metric)
        if len(pooled) < 2:
            assert alpha is None
        else:
            assert alpha.value == pytest.approx(alpha_by_hand(units, distance), abs=1e-9)
            assert alpha.low <= alpha.value <= alpha.high


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(st.frozensets(st.sampled_from("abc")), min_size=2, max_size=3), min_size=2, max_size=8))
def test_alpha_of_sets_is_that_of_the_paper(units):
    alpha = krippendorff_alpha(units, Metric.MASI)
    if len(set(itertools.chain.from_iterable(units))) < 2:
        assert alpha is None
    else:
        assert alpha.value == pytest.approx(alpha_by_hand(units, masi_distance), abs=1e-9)


def test_alpha_of_the_published_examples():
    first = ["0", "1", "0", "0", "0", "0", "0", "0", "1", "0"]
    second = ["1", "1", "1", "0", "0", "1", "0", "0", "0", "0"]
    assert krippendorff_alpha(list(zip(first, second, strict=True))).value == pytest.approx(0.095, abs=1e-3)
    # Krippendorff 2011, section C: four observers, twelve units, missing answers.
    reliability = [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, None, None, None],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, None, 3],
        [None, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, None],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, None],
    ]
    units = [[row[u] for row in reliability if row[u] is not None] for u in range(12)]
    expected = {Metric.NOMINAL: 0.743, Metric.ORDINAL: 0.815, Metric.INTERVAL: 0.849}
    for metric, value in expected.items():
        assert krippendorff_alpha(units, metric).value == pytest.approx(value, abs=1e-3)


def test_few_items_without_a_disagreement_prove_little():
    alpha = krippendorff_alpha([["a", "a"], ["b", "b"]] * 5)
    assert alpha.value == 1.0
    assert alpha.low < 0.6
    table = np.diag([5, 5])
    assert cohen_kappa(table).value == 1.0
    assert cohen_kappa(table).low < 0.6
    assert compare(["a", "b"] * 5, ["a", "b"] * 5, CLASSES).macro_f1.low < 0.8


def test_fleiss_kappa_of_his_example():
    # Fleiss 1971, table 1: ten of his patients by fourteen raters, as on Wikipedia.
    table = np.array(
        [
            [0, 0, 0, 0, 14],
            [0, 2, 6, 4, 2],
            [0, 0, 3, 5, 6],
            [0, 3, 9, 2, 0],
            [2, 2, 8, 1, 1],
            [7, 7, 0, 0, 0],
            [3, 2, 6, 3, 0],
            [2, 5, 3, 2, 2],
            [6, 5, 2, 1, 0],
            [0, 2, 2, 3, 7],
        ]
    )
    assert fleiss_kappa(table).value == pytest.approx(0.210, abs=1e-3)


def test_cohen_kappa_equals_scikit_learns():
    from sklearn.metrics import cohen_kappa_score, f1_score

    rng = np.random.default_rng(0)
    for _ in range(20):
        true, called = rng.choice(CLASSES, 40).tolist(), rng.choice(CLASSES, 40).tolist()
        found = compare(true, called, CLASSES)
        assert found.kappa.value == pytest.approx(cohen_kappa_score(true, called))
        assert found.macro_f1.value == pytest.approx(f1_score(true, called, average="macro"))


def test_macro_f1s_interval_rests_on_leaving_out_one_item_after_the_other_and_on_each_class():
    rng = np.random.default_rng(2)
    for classes, items in [(2, 3), (3, 8), (4, 40), (9, 25), (9, 200)]:
        table = rng.multinomial(items, rng.dirichlet(np.full(classes**2, 0.3))).reshape(classes, classes)
        found, accuracy = macro_f1(table), wilson_interval(int(np.trace(table)), items)
        own = [_share_of_class(table, place) for place in range(classes) if table[place].any() or table[:, place].any()]
        # Any interval of fewer degrees of freedom holds this one.
        whole = share_estimate(found.value, _variance_of_macro_f1(table), items, items, 10**6)
        below = sum((_f1(one.value) - _f1(one.low)) ** 2 for one in own) ** 0.5 / len(own)
        above = sum((_f1(one.high) - _f1(one.value)) ** 2 for one in own) ** 0.5 / len(own)
        gap = found.value - accuracy.value
        assert found.value == pytest.approx(_macro_f1(table))
        assert found.low <= 1e-9 + max(0, min(whole.low, found.value - below, gap + accuracy.low))
        assert found.high >= min(1, max(whole.high, found.value + above, gap + accuracy.high)) - 1e-9
        assert 0 <= found.low <= found.value <= found.high <= 1


def _share_of_class(table, place):
    return wilson_interval(
        int(table[place, place]), int(table[place].sum() + table[:, place].sum() - table[place, place])
    )


def _f1(share):
    return 2 * share / (1 + share)


def _variance_of_macro_f1(table):
    """Of all tables without one item."""
    without = []
    for cell in zip(*np.nonzero(table), strict=True):
        less = table.copy()
        less[cell] -= 1
        without += [_macro_f1(less)] * table[cell]
    return (len(without) - 1) * np.var(without)


def test_macro_f1s_interval_holds_in_small_parts_with_rare_classes():
    """With as many degrees of freedom as items, .90 were covered, and .78 of twelve parts together."""
    rng = np.random.default_rng(0)
    share_C = np.array([0.4, 0.25, 0.2, 0.1, 0.05])
    held, strict = [], []
    for _ in range(400):
        joint_CC = share_C[:, None] * (0.8 * np.eye(5) + 0.2 * rng.dirichlet(np.ones(5), 5))
        truth = float((2 * np.diag(joint_CC) / (joint_CC.sum(axis=0) + share_C)).mean())
        table = rng.multinomial(40, joint_CC.ravel()).reshape(5, 5)
        held.append(_holds(macro_f1(table), truth))
        strict.append(_holds(macro_f1(table, 0.05 / 12), truth))
    assert 0.93 <= np.mean(held) <= 0.99
    assert np.mean(strict) >= 0.985


def _macro_f1(table):
    uses = table.sum(axis=0) + table.sum(axis=1)
    return float((2 * np.diag(table)[uses > 0] / uses[uses > 0]).mean())


def test_intervals_of_agreement_hold_what_they_say():
    rng = np.random.default_rng(1)
    truth = _kappa_of(0.8)
    covered = {"alpha": 0, "fleiss": 0, "cohen": 0, "f1": 0}
    for _ in range(300):
        first, second = _two_annotators(rng, 80, 0.8)
        units = list(zip(first, second, strict=True))
        found = compare(first, second, CLASSES)
        covered["alpha"] += _holds(krippendorff_alpha(units), truth)
        covered["fleiss"] += _holds(fleiss_kappa(label_counts(units, CLASSES)), truth)
        covered["cohen"] += _holds(found.kappa, truth)
        covered["f1"] += _holds(found.macro_f1, 0.8**2 + 0.2**2 / 2)
    assert all(0.92 <= n / 300 <= 0.99 for n in covered.values()), covered


def _holds(estimate, truth):
    return estimate.low <= truth <= estimate.high


def _two_annotators(rng, n, accuracy):
    truth = rng.integers(0, 3, n)
    given = [np.where(rng.random(n) < accuracy, truth, (truth + rng.integers(1, 3, n)) % 3) for _ in range(2)]
    return [[CLASSES[i] for i in labels] for labels in given]


def _kappa_of(accuracy):
    agreed = accuracy**2 + (1 - accuracy) ** 2 / 2
    return (agreed - 1 / 3) / (1 - 1 / 3)


def test_labels_outside_of_the_classes_are_left_out():
    assert compare(["a", "z"], ["a", "a"], CLASSES).accuracy.items == 1
    assert compare(["z"], ["a"], CLASSES) is None
