import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from nextlabel.server.store.lance_pool.row_runs import RowRuns

row_lists = st.lists(st.integers(0, 60), unique=True, max_size=40)
ranges = st.lists(st.integers(0, 60), unique=True, max_size=8).map(
    lambda edges: [(a, b - a) for a, b in zip(sorted(edges)[::2], sorted(edges)[1::2], strict=False)]
)


def array(rows: list[int]) -> np.ndarray:
    return np.array(rows, np.int64)


@given(row_lists, row_lists)
def test_positions_are_those_in_the_list(rows: list[int], wanted: list[int]) -> None:
    runs = RowRuns.of(array(rows))
    expected = [rows.index(row) if row in rows else -1 for row in wanted]
    assert runs.positions(array(wanted)).tolist() == expected
    assert runs.length == len(rows)
    assert runs.ascending == (rows == sorted(rows))


@given(st.lists(st.integers(0, 60), unique=True, max_size=40), st.integers(0, 40))
def test_appending_in_parts_gives_the_same_runs(rows: list[int], cut: int) -> None:
    whole = RowRuns.of(array(rows))
    parts = RowRuns.of(array(rows[:cut])).extended(array(rows[cut:]))
    assert parts.first_R.tolist() == whole.first_R.tolist()
    assert parts.count_R.tolist() == whole.count_R.tolist()


@given(row_lists, st.integers(0, 60), st.integers(0, 60))
def test_rows_between_are_ascending_and_in_range(rows: list[int], first: int, stop: int) -> None:
    expected = sorted(row for row in rows if first <= row < stop)
    assert RowRuns.of(array(rows)).between(first, stop).tolist() == expected


@given(row_lists, ranges)
def test_rows_outside_ranges(rows: list[int], kept: list[tuple[int, int]]) -> None:
    expected = sorted(row for row in rows if not any(f <= row < f + n for f, n in kept))
    assert RowRuns.of(array(rows)).outside(kept).tolist() == expected


def test_consecutive_rows_take_one_run_whatever_their_number() -> None:
    runs = RowRuns.of(np.arange(1_000_000)).extended(np.arange(1_000_000, 2_000_000))
    assert len(runs.first_R) == 1
    assert runs.positions(array([1_999_999, 2_000_000])).tolist() == [1_999_999, -1]
