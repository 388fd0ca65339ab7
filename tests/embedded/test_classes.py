"""Classes and labels as programs have them, whatever their type and however they say that one is not known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from nextlabel.server.embedded.classes import Classes, known_labels
from nextlabel.server.embedded.texts import texts_of


@pytest.mark.parametrize(
    "given",
    [
        ["a", None, " ", float("nan")],
        np.array(["a", None, "", float("nan")], object),
        pd.Series(["a", None, pd.NA, pd.NaT], index=[7, 8, 9, 10]),
        pd.Series(["a", None, None, None], dtype="category"),
        ["a", -1, np.int64(-1), -1.0],
    ],
)
def test_what_is_not_known_is_none(given: Any) -> None:
    assert known_labels(given, 4) == ["a", None, None, None]


def test_minus_one_is_a_class_where_it_is_named_as_one() -> None:
    assert known_labels([-1, 1, None], 3, classes=[-1, 1]) == [-1, 1, None]


@pytest.mark.parametrize(
    ("given", "wrong"),
    [
        ("aaa", "y: expected one label for each text"),
        (["a"], "there are 1 labels for 3 texts"),
        (np.zeros((3, 2)), r"got ndarray of shape \(3, 2\)"),
        (["a", ["b"], None], r"y\[1\]: expected one label, got list"),
        ([0.25, 1, 0], r"y\[0\]: 0.25 is no class"),
    ],
)
def test_labels_that_are_none_are_named(given: Any, wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong):
        known_labels(given, 3)


@pytest.mark.parametrize(
    ("given", "wrong"),
    [
        ("ab", "expected several"),
        (7, "expected several"),
        ([], "got 0"),
        (["a", "a"], "got 1"),
        ([1, "1"], "same name"),
    ],
)
def test_classes_that_are_none_are_refused(given: Any, wrong: str) -> None:
    with pytest.raises(ValueError, match=f"classes: .*{wrong}"):
        Classes(given)


@pytest.mark.parametrize(
    ("given", "in_order"),
    [
        ([2, 10, 1], [1, 2, 10]),
        (["b", "a"], ["a", "b"]),
        ([True, False], [False, True]),
        ([1.0, 0.0], [0.0, 1.0]),
        ({"b": "what b means", 1: ""}, [1, "b"]),
        (["e\u0301té", "hiver"], ["e\u0301té", "hiver"]),
    ],
)
def test_classes_come_back_as_they_were(given: Any, in_order: list[Any]) -> None:
    classes = Classes(given)
    assert classes.sorted().tolist() == in_order
    assert [classes.of(name) for name in classes.named(list(given), "y") if name] == list(given)


def test_a_label_that_is_no_class_is_named_with_its_place() -> None:
    with pytest.raises(ValueError, match=r"y\[1\]: 'c' is none of the classes 'a', 'b'"):
        Classes(["a", "b"]).named(["a", "c"], "y")


@pytest.mark.parametrize(
    "given",
    [["a", "b"], ("a", "b"), np.array(["a", "b"]), np.array([["a"], ["b"]]), pd.DataFrame({"text": ["a", "b"]})],
)
def test_texts_are_any_column(given: Any) -> None:
    found = texts_of(given)
    assert found == ["a", "b"]
    assert {type(text) for text in found} == {str}


@pytest.mark.parametrize(
    ("given", "wrong"),
    [
        ("abc", "expected a list of texts"),
        ({"a": 1}, "expected a list of texts"),
        (3, "expected a list of texts"),
        (np.zeros((2, 3)), "give one column"),
        (["a", None, "b", float("nan"), " ", 3], r"X\[1\]: it is missing; X\[3\]: .* float; X\[4\]: .*; and 1 more"),
        (["\ud800"], r"X\[0\]: it is not valid Unicode"),
    ],
)
def test_what_is_no_text_is_named_with_its_place(given: Any, wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong):
        texts_of(given)
