"""What preferences of several annotators add up to."""

from __future__ import annotations

import pytest

from nextlabel.server.assessment.consensus.preferences import preference_consensus
from nextlabel.server.values.labeling.annotations import Annotation, AnnotatorKind
from nextlabel.server.values.labeling.answers import Preference, PreferredAlternative
from tests.assessment.annotations import annotation

A, B, TIE = PreferredAlternative.A, PreferredAlternative.B, PreferredAlternative.TIE


def says(number: int, choice: PreferredAlternative, who: str = "", trusted: bool = True) -> Annotation:
    kind = AnnotatorKind.HUMAN if trusted else AnnotatorKind.LLM
    return annotation(number, who or f"ann{number}", Preference(choice), kind=kind, trusted=trusted)


@pytest.mark.parametrize(
    ("choices", "body", "share", "split"),
    [
        ([A], A, 1.0, False),
        ([A, A, B], A, 2 / 3, False),
        ([A, B], TIE, 0.0, True),
        ([A, B, TIE], TIE, 1 / 3, True),
        ([A, TIE], TIE, 0.5, True),
        ([TIE, TIE, B], TIE, 2 / 3, False),
    ],
)
def test_most_votes_win_and_who_are_even_prefer_neither(choices, body, share, split):
    found = preference_consensus([says(n, choice) for n, choice in enumerate(choices)])
    assert found is not None
    assert (found.body, found.split, found.annotations) == (Preference(body), split, len(choices))
    assert found.vote_share == pytest.approx(share)
    shares = [choices.count(choice) / len(choices) for choice in (A, TIE, B)]
    assert found.probabilities_C.tolist() == pytest.approx(shares)


def test_people_outvote_llms_and_only_the_newest_answer_counts():
    found = preference_consensus([says(1, A, "bob"), says(2, B, "bob"), *(says(n, A, trusted=False) for n in (3, 4))])
    assert found is not None
    assert (found.body, found.trusted, found.annotations) == (Preference(B), True, 1)
    assert preference_consensus([annotation(1, "ann", "a class")]) is None
