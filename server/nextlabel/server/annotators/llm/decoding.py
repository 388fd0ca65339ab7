"""From a model's reply to one typed outcome per item. Nothing is coerced: what does not fit is invalid."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from nextlabel.server.annotators.endpoints.wire import Reply, Stop
from nextlabel.server.annotators.llm.label_scores import label_distribution
from nextlabel.server.annotators.prompting.marking import clean
from nextlabel.server.annotators.prompting.technique import Technique
from nextlabel.server.values.answers import (
    AnnotationType,
    Body,
    Candidate,
    Label,
    MultiLabel,
    Outcome,
    Preference,
    PreferredAlternative,
    Score,
    Text,
)
from nextlabel.server.values.tasks import Task

_MAX_RATIONALE_CHARACTERS = 1_000
_MAX_TEXT_CHARACTERS = 100_000
_MAX_DETAIL_CHARACTERS = 300


@dataclass(frozen=True, slots=True)
class Draft:
    """What one reply says about one item, before provenance and calibration.

    `probability` is the verbalised one, or None. `distribution` is over the whole label space, from token
    probabilities, or empty.
    """

    outcome: Outcome
    body: Body | None = None
    candidates: tuple[Candidate, ...] = ()
    rationale: str = ""
    probability: float | None = None
    distribution: tuple[Candidate, ...] = ()
    detail: str = ""


class _InvalidAnswerError(ValueError):
    """An answer that does not fit the task; the message says why."""


def decode(reply: Reply, ids: Sequence[str], task: Task, technique: Technique) -> dict[str, Draft]:
    """One draft for each id of `ids`, whatever the reply says."""
    stopped = {Stop.REFUSED: Outcome.REFUSED, Stop.TRUNCATED: Outcome.TRUNCATED}.get(reply.stop)
    if stopped is not None:
        return dict.fromkeys(ids, Draft(stopped, detail=_short(reply.detail)))
    try:
        if reply.stop is Stop.OTHER:
            raise _InvalidAnswerError(f"the model stopped for another reason: {reply.detail}")
        entries = _entries(reply.text, ids)
    except _InvalidAnswerError as error:
        return dict.fromkeys(ids, _invalid(error))
    drafts = {name: _draft(entries.get(name, []), task, technique) for name in ids}
    if len(ids) == 1 and reply.label_tokens and task.annotation_type is AnnotationType.SINGLE_LABEL:
        only = drafts[ids[0]]
        drafts[ids[0]] = replace(only, distribution=label_distribution(reply.label_tokens, task.label_names))
    return drafts


def _entries(text: str, ids: Sequence[str]) -> Mapping[str, list[Any]]:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _InvalidAnswerError(f"the reply is not JSON ({error}): {text[:80]!r}") from error
    if len(ids) == 1 and not (isinstance(data, dict) and "answers" in data):
        return {ids[0]: [data]}
    answers = data.get("answers") if isinstance(data, dict) else None
    if not isinstance(answers, list):
        raise _InvalidAnswerError("the reply has no list of answers")
    grouped: dict[str, list[Any]] = {}
    for answer in answers:
        name = answer.get("id") if isinstance(answer, dict) else None
        if isinstance(name, str):
            grouped.setdefault(name, []).append(answer)
    return grouped


def _draft(entries: Sequence[Any], task: Task, technique: Technique) -> Draft:
    if not entries:
        return _invalid(_InvalidAnswerError("the reply leaves the item out"))
    try:
        if len(entries) > 1:
            raise _InvalidAnswerError(f"the reply answers the item {len(entries)} times")
        return _read_entry(entries[0], task, technique)
    except _InvalidAnswerError as error:
        return _invalid(error)


def _invalid(error: Exception) -> Draft:
    return Draft(Outcome.INVALID, detail=_short(str(error)))


def _short(text: str) -> str:
    return clean(text)[:_MAX_DETAIL_CHARACTERS]


def _read_entry(entry: Any, task: Task, technique: Technique) -> Draft:
    if not isinstance(entry, dict):
        raise _InvalidAnswerError("the answer is no object")
    rationale = entry.get("justification", "")
    rationale = clean(rationale)[:_MAX_RATIONALE_CHARACTERS] if isinstance(rationale, str) else ""
    if task.annotation_type is AnnotationType.SINGLE_LABEL and technique.candidates:
        return replace(_read_candidates(entry.get("candidates"), task), rationale=rationale)
    body = _body(entry, task)
    if "confidence" not in entry:
        return Draft(Outcome.LABEL, body=body, rationale=rationale)
    probability = _probability(entry["confidence"])
    detail = "" if probability is not None else "the stated confidence is no probability and was dropped"
    return Draft(Outcome.LABEL, body=body, rationale=rationale, probability=probability, detail=detail)


def _body(entry: Mapping[str, Any], task: Task) -> Body:
    match task.annotation_type:
        case AnnotationType.SINGLE_LABEL:
            return Label(_known_label(entry.get("label"), task))
        case AnnotationType.MULTI_LABEL:
            return _multi_label(entry.get("labels"), task)
        case AnnotationType.SCORE:
            return _score(entry.get("score"), task)
        case AnnotationType.PREFERENCE:
            return _preference(entry.get("better"))
        case AnnotationType.TEXT:
            return _text(entry.get("text"))


def _known_label(label: Any, task: Task) -> str:
    if not isinstance(label, str) or label not in task.label_names:
        raise _InvalidAnswerError(f"{str(label)[:80]!r} is not in the label space")
    return label


def _multi_label(labels: Any, task: Task) -> MultiLabel:
    if not isinstance(labels, list):
        raise _InvalidAnswerError("labels are no list")
    chosen = {_known_label(label, task) for label in labels}
    return MultiLabel(tuple(name for name in task.label_names if name in chosen))


def _score(value: Any, task: Task) -> Score:
    low, high = task.score_range
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise _InvalidAnswerError(f"score {str(value)[:80]} is not a number from {low:g} to {high:g}")
    return Score(float(value))


def _preference(better: Any) -> Preference:
    choices = {"first": PreferredAlternative.A, "second": PreferredAlternative.B, "tie": PreferredAlternative.TIE}
    if not isinstance(better, str) or better not in choices:
        raise _InvalidAnswerError(f"{str(better)[:80]!r} is none of first, second, tie")
    return Preference(choices[better])


def _text(text: Any) -> Text:
    if not isinstance(text, str) or not text.strip() or len(text) > _MAX_TEXT_CHARACTERS:
        raise _InvalidAnswerError(f"no text of 1 to {_MAX_TEXT_CHARACTERS} characters")
    return Text(clean(text))


def _read_candidates(entries: Any, task: Task) -> Draft:
    if not isinstance(entries, list) or not entries or not all(isinstance(entry, dict) for entry in entries):
        raise _InvalidAnswerError("no candidates")
    candidates = []
    for entry in entries:
        probability = _probability(entry.get("p"))
        if probability is None:
            raise _InvalidAnswerError(f"p of a candidate is {str(entry.get('p'))[:40]}, not in [0, 1]")
        candidates.append(Candidate(_known_label(entry.get("label"), task), probability))
    if len({candidate.label for candidate in candidates}) < len(candidates):
        raise _InvalidAnswerError("a label occurs twice among the candidates")
    candidates.sort(key=lambda candidate: (-candidate.probability, task.label_names.index(candidate.label)))
    total = math.fsum(candidate.probability for candidate in candidates)
    if total > 1.0:
        candidates = [Candidate(candidate.label, candidate.probability / total) for candidate in candidates]
    best = candidates[0]
    if len(candidates) == 1:
        return Draft(Outcome.LABEL, body=Label(best.label), probability=best.probability)
    return Draft(Outcome.CANDIDATES, body=Label(best.label), candidates=tuple(candidates), probability=best.probability)


def _probability(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0.0 <= value <= 1.0:
        return None
    return float(value)
