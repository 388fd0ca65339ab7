"""From a model's reply to one typed outcome per item. Nothing is coerced: what does not fit is invalid."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from nextlabel.server.annotators.endpoints.wire import Reply, Stop
from nextlabel.server.annotators.llm.label_scores import label_distribution
from nextlabel.server.annotators.prompting.technique import Technique
from nextlabel.server.tasks.answer_form import read_answer
from nextlabel.server.tasks.drafts import Draft, InvalidAnswerError
from nextlabel.server.tasks.registry import task_type
from nextlabel.server.tasks.visible_text import clean
from nextlabel.server.values.labeling.answers import Candidate, Outcome
from nextlabel.server.values.labeling.tasks import Task

_MAX_DETAIL_CHARACTERS = 300
_STOPPED = {
    Stop.REFUSED: Outcome.REFUSED,
    Stop.TRUNCATED: Outcome.TRUNCATED,
    Stop.CONTEXT_FULL: Outcome.TRUNCATED,
}


def decode(reply: Reply, ids: Sequence[str], task: Task, technique: Technique) -> dict[str, Draft]:
    """One draft for each id of `ids`, whatever the reply says."""
    if (stopped := _STOPPED.get(reply.stop)) is not None:
        return dict.fromkeys(ids, Draft(stopped, detail=_short(reply.detail), final=reply.stop is Stop.CONTEXT_FULL))
    try:
        if reply.stop is Stop.OTHER:
            raise InvalidAnswerError(f"the model stopped for another reason: {reply.detail}")
        entries = _entries(reply.text, ids)
    except InvalidAnswerError as error:
        return dict.fromkeys(ids, _invalid(error))
    drafts = {name: _draft(entries.get(name, []), task, technique) for name in ids}
    if len(ids) == 1 and task_type(task.annotation_type).one_class:
        drafts[ids[0]] = replace(drafts[ids[0]], distribution=_distribution(reply, task.label_names))
    return drafts


def _distribution(reply: Reply, labels: Sequence[str]) -> tuple[Candidate, ...]:
    given = reply.label_probabilities
    if set(given) != set(labels):
        return label_distribution(reply.label_tokens, labels)
    return tuple(Candidate(label, given[label]) for label in sorted(labels, key=lambda label: -given[label]))


def _entries(text: str, ids: Sequence[str]) -> Mapping[str, list[Any]]:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidAnswerError(f"the reply is not JSON ({error}): {text[:80]!r}") from error
    if len(ids) == 1 and not (isinstance(data, dict) and "answers" in data):
        return {ids[0]: [data]}
    answers = data.get("answers") if isinstance(data, dict) else None
    if not isinstance(answers, list):
        raise InvalidAnswerError("the reply has no list of answers")
    grouped: dict[str, list[Any]] = {}
    for answer in answers:
        name = answer.get("id") if isinstance(answer, dict) else None
        if isinstance(name, str):
            grouped.setdefault(name, []).append(answer)
    return grouped


def _draft(entries: Sequence[Any], task: Task, technique: Technique) -> Draft:
    if not entries:
        return _invalid(InvalidAnswerError("the reply leaves the item out"))
    try:
        if len(entries) > 1:
            raise InvalidAnswerError(f"the reply answers the item {len(entries)} times")
        return read_answer(entries[0], task, technique.form)
    except InvalidAnswerError as error:
        return _invalid(error)


def _invalid(error: Exception) -> Draft:
    return Draft(Outcome.INVALID, detail=_short(str(error)))


def _short(text: str) -> str:
    return clean(text)[:_MAX_DETAIL_CHARACTERS]
