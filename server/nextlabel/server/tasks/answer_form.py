"""The frame around a judgement, the same for every type: how sure the model is, and why."""

from dataclasses import replace
from typing import Any

from nextlabel.server.tasks.drafts import AnswerForm, Draft, InvalidAnswerError, probability_in
from nextlabel.server.tasks.registry import task_type, type_of
from nextlabel.server.tasks.visible_text import clean
from nextlabel.server.values.labeling.answers import Body, Label, MultiLabel, Score
from nextlabel.server.values.labeling.tasks import Task
from nextlabel.server.values.projects.projects import Project

_MAX_RATIONALE_CHARACTERS = 1_000
_CITE = " As justification cite in one short sentence the words that decided."
_CITE_FIRST = " Before you answer, cite as justification in one short sentence the words that decide."
_USUAL_JUSTIFICATION = "The text says so in the words that it uses at its very beginning."


def answer_rule(task: Task, form: AnswerForm) -> str:
    """The sentences of the prompt that say what an answer holds."""
    kind = task_type(task.annotation_type)
    rule = kind.rule(task, form)
    if kind.states_confidence(form):
        rule += " As confidence give the probability, between 0 and 1, that your answer is right."
    if form.justification:
        rule += _CITE_FIRST if form.reason_first else _CITE
    return rule


def answer_properties(task: Task, form: AnswerForm) -> dict[str, Any]:
    """The properties of the JSON object that holds an answer, with their schemas."""
    kind = task_type(task.annotation_type)
    properties = dict(kind.properties(task, form))
    if kind.states_confidence(form):
        properties["confidence"] = {"type": "number"}
    return _with_reason(properties, {"type": "string"}, form)


def usual_answer(task: Task, form: AnswerForm) -> dict[str, Any]:
    """An answer of the usual length, to estimate what answers cost."""
    kind = task_type(task.annotation_type)
    answer = dict(kind.usual(task, form))
    if kind.states_confidence(form):
        answer["confidence"] = 0.9
    return _with_reason(answer, _USUAL_JUSTIFICATION, form)


def _with_reason(judgement: dict[str, Any], reason: Any, form: AnswerForm) -> dict[str, Any]:
    """Put the reason where it belongs: a model writes the properties in their order."""
    if not form.justification:
        return judgement
    return {"justification": reason, **judgement} if form.reason_first else {**judgement, "justification": reason}


def read_answer(entry: Any, task: Task, form: AnswerForm) -> Draft:
    """The draft that one decoded answer is. Raises `InvalidAnswerError` for what does not fit the task."""
    if not isinstance(entry, dict):
        raise InvalidAnswerError("the answer is no object")
    draft = task_type(task.annotation_type).read(entry, task, form)
    rationale = entry.get("justification", "")
    if isinstance(rationale, str):
        draft = replace(draft, rationale=clean(rationale)[:_MAX_RATIONALE_CHARACTERS])
    if draft.probability is not None or "confidence" not in entry:
        return draft
    probability = probability_in(entry["confidence"])
    detail = "" if probability is not None else "the stated confidence is no probability and was dropped"
    return replace(draft, probability=probability, detail=detail)


def written(body: Body | None) -> str | None:
    """An answer as one text, to compare it with others; None for none, and for types that are not compared."""
    return None if body is None else type_of(body).written(body)


def completed(body: Body, project: Project) -> Body:
    """An answer to a project's items with what it implies by the label space."""
    answer: Body = type_of(body).completed(body, project.classes)
    return answer


def shown_answer(body: Body) -> str:
    """An answer as lists and rules show it: a class, several with | between them, '' where none applies, or a score.

    >>> shown_answer(Label("news")), shown_answer(MultiLabel(("sport", "news"))), shown_answer(Score(3.0))
    ('news', 'news|sport', '3')
    """
    match body:
        case Label():
            return body.name
        case MultiLabel():
            return "|".join(body.names)
        case Score():
            return f"{body.value:g}"
        case _:
            return written(body) or ""


def written_problem(text: str, project: Project) -> str:
    """What is wrong with a reference answer, as `written` gives it, of a project; '' when nothing is."""
    kind = task_type(project.annotation_type)
    body = kind.parsed(text)
    if body is None:
        return f"needs an answer of type {project.annotation_type.shown}"
    return kind.problem(body, project)


def is_right(body: Body | None, reference: str, project: Project) -> bool:
    """Whether an answer to a project's items is a reference answer, which is as `written` gives it."""
    kind = task_type(project.annotation_type)
    true = kind.parsed(reference)
    return true is not None and isinstance(body, kind.body) and kind.same(body, true, project)


def body_problem(body: Body, project: Project) -> str:
    """What is wrong with an answer that was submitted to a project; '' when nothing is."""
    kind = task_type(project.annotation_type)
    if not isinstance(body, kind.body):
        return f"this project asks for answers of type {project.annotation_type.shown}"
    return kind.problem(body, project)
