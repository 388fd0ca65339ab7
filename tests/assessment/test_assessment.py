import math
from datetime import UTC, datetime

import numpy as np
import pytest

from nextlabel.server.assessment.consensus.votes import Consensus, consensus
from nextlabel.server.assessment.intervals import paired_difference, wilson_interval
from nextlabel.server.assessment.reliability import expected_calibration_error, reliability
from nextlabel.server.values.ids import ProjectId
from nextlabel.server.values.labeling.annotations import Annotation, AnnotatorKind
from nextlabel.server.values.labeling.answers import Answer, Candidate, ConfidenceKind, Label, Outcome, Provenance

CLASSES = ("a", "b", "c")
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def annotation(number, annotator, label, *, trusted=False, candidates=(), confidence=None):
    kind = ConfidenceKind.NONE if confidence is None else ConfidenceKind.CALIBRATED
    if label is None:
        answer = Answer(Outcome.REFUSED, Provenance(annotator), detail="no")
    else:
        answer = Answer(
            Outcome.LABEL,
            Provenance(annotator),
            body=Label(label),
            candidates=tuple(Candidate(c, p) for c, p in candidates),
            confidence=confidence,
            confidence_kind=kind,
        )
    return Annotation(
        number,
        ProjectId("p"),
        7,
        "x",
        annotator,
        AnnotatorKind.LLM,
        trusted,
        answer.outcome,
        label,
        answer,
        "",
        0,
        "",
        NOW,
    )


def agreed_on(annotations) -> Consensus:
    found = consensus(annotations, CLASSES)
    assert found is not None
    return found


def test_a_person_outvotes_any_number_of_models():
    agreed = agreed_on([annotation(1, "m1", "a"), annotation(2, "m2", "a"), annotation(3, "ann", "b", trusted=True)])
    assert (agreed.body, agreed.vote_share, agreed.trusted, agreed.annotations) == (Label("b"), 1.0, True, 1)


def test_votes_are_counted_and_ties_go_to_the_first_class():
    agreed = agreed_on([annotation(1, "m1", "c"), annotation(2, "m2", "b")])
    assert (agreed.body, agreed.vote_share) == (Label("b"), 0.5)
    assert agreed.probabilities_C.tolist() == [0.0, 0.5, 0.5]


def test_only_the_newest_answer_of_an_annotator_counts():
    agreed = agreed_on([annotation(2, "m1", "b"), annotation(1, "m1", "a")])
    assert (agreed.body, agreed.annotations) == (Label("b"), 1)


def test_candidates_share_a_vote():
    agreed = agreed_on([annotation(1, "m", "a", candidates=[("a", 0.6), ("c", 0.2), ("zzz", 0.9)])])
    assert agreed.probabilities_C.tolist() == pytest.approx([0.75, 0.0, 0.25])


def test_a_calibrated_confidence_weighs_the_vote():
    agreed = agreed_on([annotation(1, "m1", "a", confidence=0.4), annotation(2, "m2", "b", confidence=0.95)])
    assert agreed.body == Label("b")
    assert agreed.vote_share == pytest.approx(0.925 / (0.925 + 0.1))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([annotation(1, "m1", "a")], None),
        ([annotation(1, "m1", "a", confidence=0.4)], 0.4),
        ([annotation(1, "m1", "a", confidence=0.4), annotation(2, "m2", "a")], 0.4),
        ([annotation(1, "m1", "a", confidence=0.4), annotation(2, "m2", "a", confidence=0.7)], 0.7),
        ([annotation(1, "m1", "a", confidence=0.9), annotation(2, "m2", "b")], None),
        ([annotation(1, "ann", "a", trusted=True), annotation(2, "m2", "a", confidence=0.7)], None),
    ],
)
def test_how_sure_a_label_is_says_only_who_is_calibrated_and_not_contradicted(given, expected):
    assert agreed_on(given).confidence == expected


def test_without_a_label_there_is_no_consensus():
    assert consensus([annotation(1, "m", None)], CLASSES) is None
    assert consensus([], CLASSES) is None


def test_wilson_interval_of_a_textbook_example():
    estimate = wilson_interval(8, 10)
    assert (estimate.value, estimate.low, estimate.high) == pytest.approx((0.8, 0.4901625, 0.9433178), abs=1e-6)
    assert wilson_interval(0, 5).low == 0.0
    with pytest.raises(ValueError, match="hits"):
        wilson_interval(3, 2)


def test_calibration_error_is_the_gap_weighted_by_bin():
    confidences = np.array([0.95, 0.95, 0.55, 0.55])
    correct = np.array([True, True, True, False])
    bins = reliability(confidences, correct)
    assert [(b.low, b.items, b.accuracy) for b in bins] == [(0.5, 2, 0.5), (0.9, 2, 1.0)]
    assert expected_calibration_error(confidences, correct) == pytest.approx(0.05)


def test_ece_and_bins_equal_a_hand_computed_example() -> None:
    confidences, right = [0.95, 0.95, 0.55, 1.0], [True, False, True, True]
    bins = reliability(confidences, right)
    assert [(part.low, part.items, part.accuracy) for part in bins] == [(0.5, 1, 1.0), (0.9, 3, 2 / 3)]
    expected = (abs(0.55 - 1) + 3 * abs((0.95 * 2 + 1) / 3 - 2 / 3)) / 4
    assert expected_calibration_error(confidences, right) == pytest.approx(expected)


def test_the_interval_of_a_paired_difference_covers_it_in_95_of_100_cases() -> None:
    n, up, down = 20, 0.3, 0.1
    covered = 0.0
    for gained in range(n + 1):
        for lost in range(n + 1 - gained):
            same = n - gained - lost
            ways = math.factorial(n) / (math.factorial(gained) * math.factorial(lost) * math.factorial(same))
            interval = paired_difference(gained, lost, n)
            if interval.low <= up - down <= interval.high:
                covered += ways * up**gained * down**lost * (1 - up - down) ** same
    assert 0.94 < covered < 0.98


def test_a_paired_difference_is_symmetric_and_within_range() -> None:
    better, worse = paired_difference(7, 2, 10), paired_difference(2, 7, 10)
    assert (better.value, better.low, better.high) == pytest.approx((-worse.value, -worse.high, -worse.low))
    extreme = paired_difference(1, 0, 1)
    assert (extreme.value, extreme.high) == (1.0, 1.0)
    for wrong in ((0, 0, 0), (-1, 0, 5), (3, 3, 5)):
        with pytest.raises(ValueError, match="none may be negative"):
            paired_difference(*wrong)
