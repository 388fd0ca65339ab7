"""What the scores of an item add up to."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from nextlabel.server.assessment.consensus.by_type import consensus_of
from nextlabel.server.assessment.consensus.votes import Consensus
from nextlabel.server.values.annotation_type import AnnotationType
from nextlabel.server.values.ids import ProjectId
from nextlabel.server.values.labeling.annotations import Annotation, AnnotatorKind
from nextlabel.server.values.labeling.answers import Answer, Outcome, Provenance, Score
from nextlabel.server.values.projects.score_range import ScoreRange
from tests.store import values as v

STARS = replace(v.project(), annotation_type=AnnotationType.SCORE, classes=(), score_range=ScoreRange(1, 5, 1))


def says(number: int, who: str, stars: float, trusted: bool = True) -> Annotation:
    answer = Answer(Outcome.LABEL, Provenance(who), Score(stars))
    kind = AnnotatorKind.HUMAN if trusted else AnnotatorKind.LLM
    now = datetime(2026, 1, 1, tzinfo=UTC)
    return Annotation(
        number, ProjectId("p"), 7, "item", who, kind, trusted, Outcome.LABEL, None, answer, "", 0, "", now
    )


def agreed(*annotations: Annotation) -> Consensus:
    found = consensus_of(STARS, annotations)
    assert found is not None
    return found


def test_it_is_the_mean_and_says_how_many_agree_with_it() -> None:
    found = agreed(says(1, "a", 3), says(2, "b", 4), says(3, "c", 3))
    assert found.body == Score((3 + 4 + 3) / 3)
    assert found.vote_share == pytest.approx(2 / 3)
    assert (found.annotations, found.trusted, found.split) == (3, True, False)
    assert agreed(says(1, "a", 2)).vote_share == 1.0
    assert consensus_of(STARS, []) is None


def test_scores_that_are_all_far_from_their_mean_settle_nothing() -> None:
    assert agreed(says(1, "a", 1), says(2, "b", 5)).split
    assert not agreed(says(1, "a", 1), says(2, "b", 5), says(3, "c", 3)).split


def test_people_outvote_models_and_an_annotators_newest_score_counts() -> None:
    assert agreed(says(1, "m", 5, trusted=False), says(2, "ann", 2)).body == Score(2.0)
    assert agreed(says(1, "ann", 5), says(2, "ann", 1)).body == Score(1.0)
