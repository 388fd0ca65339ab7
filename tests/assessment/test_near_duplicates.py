"""Near-duplicates: what counts as one, and that bands of hashes find what comparing all with all finds."""

import re

import numpy as np
import pytest

from nextlabel.server.assessment.filters.near_duplicates import SHARE, earlier_twins
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
