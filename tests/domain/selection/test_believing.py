"""What strategies are told of items that are being asked."""

from __future__ import annotations

import numpy as np
import pytest

from nextlabel.server.domain.selection.context import believing
from nextlabel.strategies import LabeledSet, LinearHead, SelectionContext
from nextlabel.strategies.heads import YesNoHeads

HEAD = LinearHead(np.eye(3, 2, dtype=np.float32), np.array([0, 0, -9], np.float32))
ASKED = np.array([[5, 0], [0, 5]], np.float32)
KNOWN = np.ones((2, 2), np.float32)


@pytest.mark.parametrize("weights", [None, [1.0, 0.5]])
def test_they_count_as_labeled_as_the_learner_predicts(weights: list[float] | None) -> None:
    labeled = LabeledSet(KNOWN, np.array([2, 2]), None if weights is None else np.array(weights))
    found = believing(SelectionContext(predictor=HEAD, labeled=labeled), ASKED).labeled
    assert found is not None
    assert found.embeddings_LD.tolist() == [*KNOWN.tolist(), *ASKED.tolist()]
    assert found.classes_L.tolist() == [2, 2, 0, 1]
    if weights is None:
        assert found.weights_L is None
    else:
        assert found.weights_L is not None
        assert found.weights_L.tolist() == [*weights, 0.75, 0.75]


def test_where_any_number_of_classes_applies_those_with_the_odds_for_them_do() -> None:
    sets = np.array([[True, False, False], [False, False, False]])
    labeled = LabeledSet(KNOWN, np.array([1, 0]), None, sets)
    found = believing(SelectionContext(predictor=YesNoHeads(HEAD), labeled=labeled), ASKED).labeled
    assert found is not None
    assert found.sets_LC is not None
    assert found.sets_LC.tolist() == [*sets.tolist(), [True, False, False], [False, True, False]]
    assert found.classes_L.tolist() == [1, 0, 1, 2]


def test_without_a_learner_nothing_is_believed() -> None:
    context = SelectionContext(labeled=LabeledSet(KNOWN, np.array([0, 0])))
    assert believing(context, ASKED) is context
