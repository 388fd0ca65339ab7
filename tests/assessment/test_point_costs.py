"""What a point of accuracy takes, and whose a label is."""

from __future__ import annotations

import pytest

from nextlabel.server.assessment.estimates.point_costs import PointCost, point_cost
from nextlabel.server.assessment.intervals import Estimate
from nextlabel.server.assessment.label_sources import source_of
from nextlabel.server.values.labeling.annotations import AnnotatorKind
from tests.assessment.annotations import annotation


@pytest.mark.parametrize(
    ("gain", "cost"),
    [
        (Estimate(0.05, 0.02, 0.1, 200), PointCost(20.0, 10.0, 50.0)),
        (Estimate(0.05, 0.0, 0.1, 200), PointCost(20.0, 10.0, None)),
        (Estimate(-0.01, -0.04, 0.02, 200), PointCost(None, 50.0, None)),
        (Estimate(-0.05, -0.1, -0.02, 200), PointCost(None, None, None)),
    ],
)
def test_a_point_costs_the_amount_over_what_it_gained(gain: Estimate, cost: PointCost) -> None:
    found = point_cost(100, gain)
    for name in ("value", "low", "high"):
        assert getattr(found, name) == pytest.approx(getattr(cost, name))


def test_a_label_is_theirs_whose_word_counts() -> None:
    llm = annotation(1, "mini", "a")
    person = annotation(2, "ann", "b", kind=AnnotatorKind.HUMAN, trusted=True)
    learner = annotation(3, "learner", "a", kind=AnnotatorKind.LEARNER)
    noisy = annotation(4, "replay", "a", kind=AnnotatorKind.REPLAY)
    assert source_of([]) is None
    assert source_of([llm, learner]) is AnnotatorKind.LLM
    assert source_of([llm, noisy]) is AnnotatorKind.REPLAY
    assert source_of([llm, noisy, person]) is AnnotatorKind.HUMAN
