import math

import numpy as np

from nextlabel.server.assessment.slices import MOST_SLICES, gap, slices_of, value_of


def test_a_gap_is_that_of_the_published_example():
    # Newcombe 1998, table II, example (a): 56/70 against 48/80 by method 10.
    found = gap(56, 70, 48, 80)
    assert found is not None
    assert math.isclose(found.value, 0.2)
    assert (round(found.low, 4), round(found.high, 4)) == (0.0524, 0.3339)
    assert gap(1, 1, 0, 0) is gap(0, 0, 1, 1) is None


def test_gaps_of_equal_parts_leave_out_zero_as_rarely_as_they_say():
    rng = np.random.default_rng(0)
    hits, elsewhere = rng.binomial(60, 0.9, 2_000), rng.binomial(400, 0.9, 2_000)
    found = [gap(int(a), 60, int(b), 400) for a, b in zip(hits, elsewhere, strict=True)]
    assert np.mean([one.low <= 0 <= one.high for one in found if one]) >= 0.94


def test_frequent_values_come_first_and_there_are_never_more_than_twenty():
    values = [str(n) for n in range(40)] + ["7", "7", "3"]
    assert slices_of(values)[:3] == ("7", "3", "0")
    assert len(slices_of(values)) == MOST_SLICES


def test_only_what_is_one_value_makes_a_part():
    fields = {"a": 3, "b": 0.5, "c": False, "d": ["x"], "e": {"f": 1}, "f": None, "g": "x" * 200}
    found = [value_of(fields, name) for name in (*fields, "none")]
    assert found == ["3", "0.5", "false", "", "", "", "x" * 100, ""]
