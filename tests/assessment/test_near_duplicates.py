"""Near-duplicates: what counts as one, and that bands of hashes find what comparing all with all finds."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nextlabel.server.assessment.filters.near_duplicates import SHARE, band_keys, earlier_twins
from nextlabel.server.assessment.filters.twin_groups import TwinGroups
from nextlabel.server.demo.data_set import load

LONG = "the parcel that I sent last week to my aunt in Bremen has not arrived"


@pytest.mark.parametrize(
    ("text", "twin"),
    [
        (LONG.upper() + "!", True),
        (LONG.replace(" ", "  ") + " …", True),
        (LONG.replace("Bremen", "Berlin"), True),
        (LONG.replace("parcel that I sent", "letter that you wrote"), False),
        (" ".join(reversed(LONG.split())), False),
        (LONG[:30], False),
        ("", False),
    ],
)
def test_small_differences_make_no_other_text(text: str, twin: bool) -> None:
    assert earlier_twins(["no", LONG, text])[2] == (1 if twin else -1)


def test_the_first_of_copies_stays_and_texts_of_nothing_are_copies() -> None:
    assert earlier_twins([LONG, "?", LONG, LONG + ".", "", "no"]) == [-1, -1, 0, 0, 1, -1]


def letters(text: str) -> str:
    return re.sub(r"\W+", " ", text).casefold().strip()


def alike(one: set[str], other: set[str]) -> bool:
    return len(one & other) >= SHARE * len(one | other)


def test_bands_find_what_comparing_all_texts_finds() -> None:
    texts = [item["text"] for item in load().pool[:600]]
    rng = np.random.default_rng(0)
    texts += [text.replace("the", "a", 1) + " ok" * int(rng.integers(2)) for text in texts[:200]]
    groups = [{plain[i : i + 4] for i in range(len(plain) - 3)} for plain in map(letters, texts)]
    expected: list[bool] = []
    for place, own in enumerate(groups):
        expected.append(any(alike(own, groups[i]) for i in range(place) if not expected[i]))
    found = [twin >= 0 for twin in earlier_twins(texts)]
    assert found == expected
    assert sum(expected) > 100


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_groups_that_were_kept_up_are_those_of_all_texts_at_once(data: st.DataObject) -> None:
    words = ["alpha", "beta", "gamma", "delta"]
    text = st.lists(st.sampled_from(words), min_size=1, max_size=6).map(" ".join)
    groups = TwinGroups()
    texts: dict[int, str] = {}
    for _ in range(data.draw(st.integers(1, 5))):
        gone = data.draw(st.sets(st.sampled_from(sorted(texts)))) if texts else set()
        free = st.sampled_from([row for row in range(60) if row not in texts])
        new = data.draw(st.dictionaries(free, text, max_size=8))
        texts = {row: one for row, one in (texts | new).items() if row not in gone}
        touched = groups.change(
            np.array(list(new), np.int64), band_keys(list(new.values())), np.array(sorted(gone), np.int64)
        )
        groups.settle(touched, [texts[row] for row in touched])
        rows = sorted(texts)
        places = earlier_twins([texts[row] for row in rows])
        assert dict(groups.twins) == {row: rows[p] for row, p in zip(rows, places, strict=True) if p >= 0}


def test_a_change_touches_nothing_that_has_no_part_in_it() -> None:
    groups = TwinGroups()
    texts = ["win a prize now", "the weather is fine today", "Win a prize, now!", "nothing of the kind"]
    assert groups.change(np.arange(4), band_keys(texts)) == [0, 1, 2, 3]
    groups.settle([0, 1, 2, 3], texts)
    assert groups.change(np.array([9]), band_keys(["WIN A PRIZE NOW"])) == [0, 2, 9]
    assert groups.change(np.array([10]), band_keys(["quite another text"])) == [10]
