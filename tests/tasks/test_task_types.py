"""What holds for every annotation type, a new one included."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nextlabel.server.assessment.agreement.krippendorff import krippendorff_alpha
from nextlabel.server.tasks.answer_form import answer_properties, answer_rule, body_problem, read_answer, usual_answer
from nextlabel.server.tasks.drafts import AnswerForm, Draft, InvalidAnswerError
from nextlabel.server.tasks.preference import PreferredPlace, is_consistent, place_preferred
from nextlabel.server.tasks.registry import task_type, type_of
from nextlabel.server.values.annotation_type import AnnotationType
from nextlabel.server.values.ids import ProjectId
from nextlabel.server.values.labeling.answers import (
    Answer,
    Body,
    Label,
    MultiLabel,
    Outcome,
    Preference,
    PreferredAlternative,
    Provenance,
    Score,
)
from nextlabel.server.values.labeling.tasks import Task
from nextlabel.server.values.projects.guidelines import Guidelines
from nextlabel.server.values.projects.label_paths import as_paths
from nextlabel.server.values.projects.projects import Component, LabelClass, Project
from tests.tasks.bodies import BODIES

CLASSES = (LabelClass("cat"), LabelClass("dog"), LabelClass("great ape"))
FIELDS = ["label", "labels", "score", "better", "text", "candidates", "p", "confidence", "justification"]
FORMS = [AnswerForm(), AnswerForm(confidence=True), AnswerForm(3, confidence=True, justification=True)]
every_type = pytest.mark.parametrize("annotation_type", list(AnnotationType))
every_form = pytest.mark.parametrize("form", FORMS)


def task(annotation_type: AnnotationType) -> Task:
    return Task(annotation_type, CLASSES, Guidelines("Which animal?"))


def project(annotation_type: AnnotationType) -> Project:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    return Project(
        ProjectId("p"), "pets", annotation_type, CLASSES, 1, "", 8, Component(), Component(), 1, 60, 0, False, now, now
    )


def sample(body: Body) -> Draft:
    return Draft(Outcome.LABEL, body=body, probability=0.8)


@every_type
def test_every_type_is_found_by_its_name_and_by_its_answers(annotation_type):
    kind = task_type(annotation_type)
    assert {type(body) for body in BODIES[annotation_type]} == {kind.body}
    assert all(type_of(body) is kind for body in BODIES[annotation_type])


@every_type
@every_form
def test_what_is_asked_for_is_what_is_read(annotation_type, form):
    """Prompt, schema, estimate and decoding of a type belong together: the usual answer has the schema's fields."""
    asked, usual = answer_properties(task(annotation_type), form), usual_answer(task(annotation_type), form)
    if "candidates" in usual:
        usual["candidates"] = [{"label": "cat", "p": 0.7}, {"label": "dog", "p": 0.2}]
    assert set(asked) == set(usual)
    draft = read_answer(json.loads(json.dumps(usual)), task(annotation_type), form)
    assert draft.outcome.reaches_learner
    assert isinstance(draft.body, task_type(annotation_type).body)
    assert ("confidence" in asked) == ("confidence" in answer_rule(task(annotation_type), form).lower())
    assert bool(draft.rationale) == form.justification


@every_type
@every_form
@given(
    entry=st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats()
        | st.text(max_size=8)
        | st.sampled_from(["cat", "first"]),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["label", "labels", "score", "better", "text", "candidates", "p", "confidence", "justification"]
                ),
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    )
)
def test_any_reply_is_an_answer_that_fits_or_invalid(annotation_type, form, entry: Any):
    try:
        draft = read_answer(entry, task(annotation_type), form)
    except InvalidAnswerError:
        return
    assert draft.body is not None
    assert body_problem(draft.body, project(annotation_type)) == ""
    assert draft.probability is None or 0.0 <= draft.probability <= 1.0


@every_type
def test_submitted_answers_of_another_type_are_refused(annotation_type):
    for other, bodies in BODIES.items():
        for body in bodies:
            problem = body_problem(body, project(annotation_type))
            assert (problem == "") == (other is annotation_type), (body, problem)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (Label("bird"), "'bird' is not a class of this project; classes: 'cat', 'dog', 'great ape'"),
        (MultiLabel(("cat", "bird")), "'bird' is not a class of this project; classes: 'cat', 'dog', 'great ape'"),
        (Score(1.5), "a score lies from 0 to 1, got 1.5"),
        (Score(float("nan")), "a score lies from 0 to 1, got nan"),
    ],
)
def test_submitted_answers_outside_of_what_is_asked_are_refused(body, said):
    annotation_type = next(t for t in AnnotationType if task_type(t) is type_of(body))
    assert body_problem(body, project(annotation_type)) == said


@every_type
def test_equal_samples_agree_wholly_and_unequal_ones_do_not(annotation_type):
    kind = task_type(annotation_type)
    first, second = BODIES[annotation_type]
    count, _ = kind.samples(2, 2)
    # With the alternatives swapped, the same answer is the other one.
    again = Preference(PreferredAlternative.B) if kind.both_orders else first
    same = kind.combine([sample(first), sample(again)][:count])
    assert (same.draft.body, same.agreement) == (first, 1.0)
    assert kind.combine([sample(first), sample(second)]).agreement == 0.5


@every_type
def test_answers_are_compared_by_a_distance_or_said_to_have_none(annotation_type):
    kind, (first, second) = task_type(annotation_type), BODIES[annotation_type]
    assert kind.compared(first) != kind.compared(second)
    if kind.metric is None:
        assert kind.writes_text
        return
    agreed = [[kind.compared(body)] * 2 for body in (first, second, first)]
    same = krippendorff_alpha(agreed, kind.metric)
    apart = krippendorff_alpha([*agreed, [kind.compared(first), kind.compared(second)]], kind.metric)
    assert same
    assert apart
    assert apart.value < same.value == 1.0


@every_type
def test_without_a_usable_sample_the_last_says_why(annotation_type):
    refused = Draft(Outcome.REFUSED, detail="no")
    combined = task_type(annotation_type).combine([refused])
    assert combined.draft is refused
    assert combined.agreement is None


@every_type
def test_sampling_ends_at_the_most_that_is_allowed(annotation_type):
    kind = task_type(annotation_type)
    for agree in (1, 2, 3):
        for most in (1, 3, 5):
            low, high = kind.samples(agree, most)
            assert low <= high
            assert kind.enough([sample(body) for body in BODIES[annotation_type] * high][:high], agree, most)


def test_an_answer_without_a_label_is_called_that():
    with pytest.raises(InvalidAnswerError, match="no label was given"):
        read_answer({"confidence": 0.9}, task(AnnotationType.SINGLE_LABEL), AnswerForm())


def test_a_text_that_nobody_can_see_is_no_answer():
    with pytest.raises(InvalidAnswerError):
        read_answer({"text": "\u200b\u2060"}, task(AnnotationType.TEXT), AnswerForm())


@pytest.mark.parametrize(
    ("shown", "swapped", "place", "consistent"),
    [
        (PreferredAlternative.A, PreferredAlternative.B, PreferredPlace.NONE, True),
        (PreferredAlternative.TIE, PreferredAlternative.TIE, PreferredPlace.NONE, True),
        (PreferredAlternative.A, PreferredAlternative.A, PreferredPlace.FIRST, False),
        (PreferredAlternative.B, PreferredAlternative.B, PreferredPlace.SECOND, False),
        (PreferredAlternative.A, PreferredAlternative.TIE, PreferredPlace.NONE, False),
    ],
)
def test_the_place_that_was_preferred_in_both_orders_is_told(
    shown: PreferredAlternative, swapped: PreferredAlternative, place: PreferredPlace, consistent: bool
) -> None:
    drafts = [Draft(Outcome.LABEL, Preference(choice)) for choice in (shown, swapped)]
    combined = task_type(AnnotationType.PREFERENCE).combine(drafts)
    answer = Answer(
        Outcome.LABEL,
        Provenance("judge"),
        combined.draft.body,
        signals={"agreement": combined.agreement or 0.0},
        detail=combined.draft.detail,
    )
    assert (place_preferred(answer), is_consistent(answer)) == (place, consistent)
    assert place_preferred(Answer(Outcome.LABEL, Provenance("ann"), Preference(shown))) is None


def test_paths_that_a_model_names_imply_what_they_are_kinds_of() -> None:
    kind = task_type(AnnotationType.MULTI_LABEL)
    paths = as_paths([LabelClass("animal/cat"), LabelClass("plant")])
    asked = Task(AnnotationType.MULTI_LABEL, paths, Guidelines("Which?"))
    draft = read_answer({"labels": ["animal/cat"]}, asked, AnswerForm())
    assert draft.body == MultiLabel(("animal", "animal/cat"))
    assert "most specific" in answer_rule(asked, AnswerForm())
    assert "most specific" not in answer_rule(task(AnnotationType.MULTI_LABEL), AnswerForm())
    assert kind.wrong(MultiLabel(("animal", "animal/cat")), 0, asked) == MultiLabel(())
    assert kind.wrong(MultiLabel(()), 1, asked) == MultiLabel(("animal", "animal/cat"))
