from itertools import product

import numpy as np
import pytest

from nextlabel.server.assessment.agreement.paired_accuracy import PairedAccuracy


@pytest.mark.parametrize(("first", "second"), [(0, 0), (1, 0), (0, 5), (0, 6), (3, 9), (2, 11), (6, 6)])
def test_the_exact_test_counts_who_else_could_have_been_right(first: int, second: int) -> None:
    apart = first + second
    far = abs(second - first)
    as_far = sum(abs(2 * sum(signs) - apart) >= far for signs in product((0, 1), repeat=apart))
    found = PairedAccuracy(30, first, second, 5)
    assert found.p_value == pytest.approx(as_far / 2**apart)
    assert found.told_apart == (as_far / 2**apart < 0.05)


def test_the_difference_covers_the_truth_and_accuracies_are_those_of_the_same_items() -> None:
    rng = np.random.default_rng(0)
    cells_R4 = rng.multinomial(100, [0.7, 0.05, 0.1, 0.15], 1_000)
    found = [PairedAccuracy(*map(int, cells)).difference for cells in cells_R4]
    covered = sum(one.low <= 0.05 <= one.high for one in found) / len(found)
    assert 0.93 <= covered <= 0.985
    one = PairedAccuracy(70, 5, 10, 15)
    assert (one.of_first.value, one.of_second.value, one.difference.value) == pytest.approx((0.75, 0.8, 0.05))


@pytest.mark.parametrize("apart", [0.08, 0.15, 0.4])
def test_so_much_gold_tells_5_points_apart_in_4_of_5_cases(apart: float) -> None:
    rng = np.random.default_rng(1)
    scale = 100_000
    seen = PairedAccuracy(int(scale * (1 - apart)), int(scale * apart / 2), int(scale * apart / 2), 0)
    lost, gained = (apart - 0.05) / 2, (apart + 0.05) / 2
    cells_R4 = rng.multinomial(seen.gold_needed, [1 - lost - gained, lost, gained, 0], 600)
    told = sum(PairedAccuracy(*map(int, cells)).told_apart for cells in cells_R4) / len(cells_R4)
    assert 0.73 <= told <= 0.85


def test_without_a_single_difference_a_few_items_prove_nothing() -> None:
    found = PairedAccuracy(10, 0, 0, 0)
    assert not found.told_apart
    assert found.difference.low < 0 < found.difference.high
    assert found.gold_needed > 150
