"""Texts of which several classes may hold: lists and matrices in, the same out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from nextlabel.server.embedded.label_sets import known_sets
from tests.embedded.conftest import CLASSES, TEXTS, Make, truth

BOTH = [f"shade {n} of red, and the sum of {n} and seven is odd" for n in range(12)]


def sets(texts: Sequence[str]) -> list[list[str]]:
    return [[*CLASSES] if text in BOTH else [truth(text)] for text in texts]


def test_a_function_gives_several_classes_and_what_is_taught_overrules_it(make: Make) -> None:
    asked: list[str] = []

    def labels(text: str) -> list[str] | None:
        asked.append(text)
        return None if text == BOTH[3] else ["numbers", "colours"] if text in BOTH else [truth(text)]

    labeler = make(annotation_type="multi_label", annotator=labels)
    labeler.fit(TEXTS[:20] + BOTH)
    assert sorted(asked) == sorted(TEXTS[:20] + BOTH)
    given = labeler.labels_[labeler.labels_.source == "function:labels"].label
    assert sorted(map(sorted, given)) == sorted(sets(TEXTS[:20] + BOTH[:3] + BOTH[4:]))
    assert labeler.predict_proba(TEXTS[:2]).max() <= 1
    labeler.teach(TEXTS[:2], [["numbers"], []])
    assert labeler.labels_.label[:2].tolist() == [["numbers"], []]


def test_a_matrix_comes_back_as_a_matrix_with_its_columns_and_lists_as_lists(make: Make, tmp_path: Path) -> None:
    texts = TEXTS + BOTH
    columns = ("numbers", "colours")
    matrix = np.array([[name in labels for name in columns] for labels in sets(texts)], int)
    matrix[2:4] = -1
    labeler = make(columns, annotation_type="multi_label", folder=tmp_path / "kept").fit(texts, matrix)
    assert labeler.classes_.tolist() == [*columns]
    assert labeler.predict(texts).shape == (len(texts), 2)
    assert labeler.score(texts[4:], matrix[4:]) == labeler.score(texts[4:], sets(texts[4:])) > 0.8
    assert labeler.summary_.sources == {"known": len(texts) - 2, "learner": 2}
    labeler.close()
    again = make(None, annotation_type="multi_label", folder=tmp_path / "kept")
    assert sorted(again.predict(BOTH[:1])[0]) == sorted(CLASSES)
    again.close()
    with pytest.raises(ValueError, match="annotation_type: what was labeled before is multi_label, not single_label"):
        make(None, folder=tmp_path / "kept").predict(texts)


def test_paths_name_all_that_is_above_them(make: Make) -> None:
    labeler = make(["animal/cat", "animal/dog", "plant"], annotation_type="multi_label", paths=True)
    texts = ["my cat purrs", "the dog barks", "a green tree", "a cat purrs loudly"]
    labeler.fit(texts, [["animal/cat"], ["animal", "animal/dog"], ["plant"], None])
    assert labeler.classes_.tolist() == ["animal", "animal/cat", "animal/dog", "plant"]
    assert labeler.labels_.label[:3].tolist() == [["animal", "animal/cat"], ["animal", "animal/dog"], ["plant"]]
    for labels in labeler.predict(texts):
        assert "animal" in labels or not {"animal/cat", "animal/dog"} & set(labels)


@pytest.mark.parametrize(
    ("y", "said"),
    [
        ("ab", "y: expected a list of labels for each text"),
        ([["a"]], "y: there are 1 sets of labels for 2 texts"),
        ([["a", None], []], r"y\[0\]: holds .* in which a label is missing"),
        (np.ones((2, 3)), r"y: has the shape \(2, 3\), expected \(2, 2\)"),
        (np.array([[0, 1], [2, 0]]), r"y\[1\]: holds 2; 1 says that a class applies"),
    ],
)
def test_what_are_no_sets_of_labels_is_refused_with_its_place(y: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        known_sets(y, 2, classes=["a", "b"])


def test_a_table_names_the_classes_and_rows_without_labels_are_unknown() -> None:
    table = pd.DataFrame({"a": [1, np.nan], "b": [True, False]})
    assert known_sets(table, 2) == [("a", "b"), None]


def test_several_labels_or_paths_for_one_class_a_text_say_what_to_give(make: Make) -> None:
    for y in ([["colours"], None], np.zeros((2, 2))):
        with pytest.raises(ValueError, match="for several labels a text give annotation_type='multi_label'"):
            make().fit(TEXTS[:2], y)
    with pytest.raises(ValueError, match="paths: an answer names all that is above"):
        make(paths=True).fit(TEXTS)
    with pytest.raises(ValueError, match="annotation_type: expected one of single_label, multi_label, got 'score'"):
        make(annotation_type="score").fit(TEXTS)
