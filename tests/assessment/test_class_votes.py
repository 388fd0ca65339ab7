"""A vote on every class, and the F1 of sets of classes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from sklearn.metrics import f1_score

from nextlabel.server.assessment.agreement.macro_f1 import macro_f1_of_sets
from nextlabel.server.assessment.consensus.by_type import consensus_of
from nextlabel.server.assessment.consensus.votes import Consensus
from nextlabel.server.values.annotation_type import AnnotationType
from nextlabel.server.values.ids import ProjectId
from nextlabel.server.values.labeling.annotations import Annotation, AnnotatorKind
from nextlabel.server.values.labeling.answers import Answer, MultiLabel, Outcome, Provenance
from nextlabel.server.values.projects.projects import LabelClass
from tests.store import values as v

CLASSES = ("joy", "anger", "fear")
PROJECT = replace(
    v.project(), annotation_type=AnnotationType.MULTI_LABEL, classes=tuple(LabelClass(name) for name in CLASSES)
)
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def says(number: int, who: str, *names: str, trusted: bool = False) -> Annotation:
    answer = Answer(Outcome.LABEL, Provenance(who), MultiLabel(names))
    kind = AnnotatorKind.HUMAN if trusted else AnnotatorKind.LLM
    return Annotation(
        number, ProjectId("p"), 7, "item", who, kind, trusted, Outcome.LABEL, None, answer, "", 0, "", NOW
    )


def agreed(*annotations: Annotation) -> Consensus:
    found = consensus_of(PROJECT, annotations)
    assert found is not None
    return found


def test_every_class_has_a_vote_of_its_own() -> None:
    found = agreed(says(1, "a", "joy", "fear"), says(2, "b", "fear"), says(3, "c", "fear", "anger"))
    assert found.body == MultiLabel(("fear",))
    assert found.probabilities_C.tolist() == pytest.approx([1 / 3, 1 / 3, 1])
    assert found.vote_share == pytest.approx(2 / 3)
    assert (found.split, found.annotations) == (False, 3)


def test_that_no_class_applies_is_an_answer_and_a_person_outvotes_models() -> None:
    found = agreed(says(1, "a", "joy"), says(2, "b", "joy"), says(3, "ann", trusted=True))
    assert (found.body, found.trusted, found.vote_share) == (MultiLabel(()), True, 1.0)
    assert consensus_of(PROJECT, []) is None


def test_a_class_that_half_of_them_name_is_split() -> None:
    assert agreed(says(1, "a", "joy", "fear"), says(2, "b", "fear")).split
    assert not agreed(says(1, "a", "fear", "joy"), says(2, "b", "joy", "fear")).split


@pytest.mark.parametrize("seed", range(12))
def test_macro_f1_of_sets_is_that_of_the_classes_that_occur_within_its_interval(seed: int) -> None:
    rng = np.random.default_rng(seed)
    true, given = rng.random((2, 1 + seed, 4)) < seed / 12
    found = macro_f1_of_sets(true, given)
    occurring = np.flatnonzero((true | given).any(axis=0))
    each = [f1_score(true[:, c], given[:, c], zero_division=0) for c in occurring]
    assert found.value == pytest.approx(np.mean(each) if each else 0.0)
    assert 0 <= found.low <= found.value <= found.high <= 1
