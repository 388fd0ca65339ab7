"""What a consensus says of an item's class: a calibrated confidence is taken at its word, never a share of votes."""

from __future__ import annotations

import numpy as np
import pytest

from nextlabel.server.assessment.consensus.votes import Consensus
from nextlabel.server.domain.learning.evidence import distributions
from nextlabel.server.values.labeling.answers import Label


def _consensus(*shares: float, confidence: float | None = None, trusted: bool = False) -> Consensus:
    label = "abcd"[int(np.argmax(shares))]
    return Consensus(0, "item0", Label(label), max(shares), np.array(shares, np.float32), trusted, 1, confidence)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (_consensus(0, 1, 0, 0, confidence=0.7), [0.1, 0.7, 0.1, 0.1]),
        (_consensus(0, 1, 0, 0, confidence=0.1), [0.3, 0.1, 0.3, 0.3]),
        (_consensus(0, 1, 0, 0), [0, 1, 0, 0]),
        (_consensus(0, 0.75, 0.25, 0), [0, 0.75, 0.25, 0]),
        (_consensus(0, 1, 0, 0, confidence=0.7, trusted=True), [0, 1, 0, 0]),
    ],
)
def test_a_known_probability_is_taken_at_its_word(found: Consensus, expected: list[float]) -> None:
    certain, known = distributions([_consensus(1, 0, 0, 0), found], 4)
    np.testing.assert_allclose(certain, [1, 0, 0, 0])
    np.testing.assert_allclose(known, expected, atol=1e-6)


def test_classes_beyond_those_asked_for_are_left_out() -> None:
    np.testing.assert_allclose(distributions([_consensus(0.6, 0.2, 0.2, 0)], 2), [[0.75, 0.25]], rtol=1e-6)
