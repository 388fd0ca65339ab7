"""Which items a map shows."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from nextlabel.server.domain.reports.pool_map.sample import anchors, drawn, shown
from nextlabel.server.ports.pool_store import Rows


def test_a_sample_is_uniform_and_stays_nearly_the_same_as_the_pool_grows() -> None:
    before, after = drawn(np.arange(10_000), 1_000), drawn(np.arange(11_000), 1_000)
    assert len(set(before.tolist())) == 1_000
    assert len({*before.tolist()} & {*after.tolist()}) > 850
    # 1,000 of 10,000 rows: about 250 in each quarter, give or take 14.
    assert np.abs(np.bincount(before // 2_500) - 250).max() < 60
    assert drawn(np.array([7, 3]), 5).tolist() in ([7, 3], [3, 7])


def test_anchors_stay_until_the_pool_has_grown_by_a_quarter() -> None:
    kept = anchors(np.arange(1_000), 100)
    same = [n for n in range(1_000, 1_400) if np.array_equal(anchors(np.arange(n), 100), kept)]
    assert same == list(range(1_000, max(same) + 1))
    assert max(same) < 1_250
    assert sorted(anchors(np.arange(99), 100).tolist()) == list(range(99))


def of(usable: Rows, picked: Iterable[int], labeled: Iterable[int], count: int) -> Rows:
    return shown(usable, picked, labeled, drawn(usable, count), count)


def test_picked_and_labeled_items_come_first_and_leave_room_for_others() -> None:
    usable = np.arange(0, 2_000, 2)
    few = of(usable, picked=[4, 5], labeled=[4, 6, 7], count=100).tolist()
    assert (few[:2], len(few), len(set(few))) == ([4, 6], 100, 100)
    many = of(usable, picked=range(0, 400, 2), labeled=range(400, 1_000, 2), count=100)
    assert (many < 400).sum() >= 25
    assert ((many >= 400) & (many < 1_000)).sum() >= 50
    assert (many >= 1_000).sum() > 0
    assert sorted(of(usable[:5], picked=[2], labeled=[6], count=100).tolist()) == [0, 2, 4, 6, 8]
    assert not len(of(usable[:0], picked=[2], labeled=[6], count=100))
