"""Typed decision endpoints: questions with closed answers about one text, answered by the model's own probabilities.

``POST /decisions`` as OpenAI's beta of October 2026 and servers that follow it take it: a `choice` with a probability
for each option, a `predicate` with the probability that it is true, a `score` over levels, and a refusal in the place
of any answer. Built from third parties' descriptions of it; no real one was ever asked.
"""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from typing_extensions import override

from nextlabel.server.annotators.endpoints.anthropic_replies import bounded_name, token_counts
from nextlabel.server.annotators.endpoints.openai import OpenAiEndpoint
from nextlabel.server.annotators.endpoints.wire import Failure, FailureKind, HttpReply, ModelRequest, Reply, Stop
from nextlabel.server.values.money.costs import Usage

MOST_CHOICES = 255
MOST_QUESTIONS = 200
_TRUE_FROM = 0.5


class DecisionEndpoint(OpenAiEndpoint):
    """An OpenAI-compatible server that is asked for decisions instead of completions.

    The schema of a request says what is asked: a closed set of values is a choice, a list of them a predicate for each
    value, a number a score. The reply is written in the form of that schema, so that it is read like any other.
    """

    route = "decisions"

    @property
    @override
    def api_version(self) -> str:
        return "openai-decisions-beta"

    @override
    async def send(self, request: ModelRequest, timeout_s: float) -> HttpReply | Failure:
        problem = _problem(self.parameters(request)["questions"])
        if problem:
            return Failure(FailureKind.BAD_REQUEST, problem)
        return await super().send(request, timeout_s)

    @override
    def parameters(self, request: ModelRequest) -> dict[str, Any]:
        """The body of `POST /decisions`; there is no text to bound, nor a temperature."""
        return {
            "model": request.model.removeprefix("local/"),
            "input": request.user,
            "questions": questions_of(request),
        }

    @override
    def completion(self, body: Any) -> Reply | Failure:
        answers = body.get("answers") if isinstance(body, dict) else None
        usage = _usage(body.get("usage")) if isinstance(body, dict) else None
        if not isinstance(answers, list) or not all(isinstance(answer, dict) for answer in answers):
            return Failure(FailureKind.MALFORMED, "the endpoint answered 200 with something that is no decision")
        refused = any(answer.get("type") == "refusal" for answer in answers)
        return Reply(
            text="" if refused else json.dumps(_answer(answers), ensure_ascii=False),
            stop=Stop.REFUSED if refused else Stop.FINISHED,
            usage=usage or Usage(),
            usage_told=usage is not None,
            model=bounded_name(body.get("model")),
            request_id=bounded_name(body.get("id")),
            detail="refusal" if refused else "",
            label_probabilities={} if refused else _label_probabilities(answers),
        )


def questions_of(request: ModelRequest) -> list[dict[str, Any]]:
    """The typed questions that a request comes to, all with the system prompt as instructions.

    None where its schema asks for free text or for several items at once.
    """
    properties = request.schema.get("properties")
    return [
        {**question, "instructions": _instructions(request.system, question)}
        for name, wanted in (properties.items() if isinstance(properties, Mapping) else ())
        for question in _questions(name, wanted, request.score_levels)
    ]


def _questions(name: str, wanted: Mapping[str, Any], levels: Sequence[float]) -> list[dict[str, Any]]:
    match wanted:
        case {"enum": [*values]}:
            return [{"type": "choice", "name": name, "choices": [{"value": value} for value in values]}]
        case {"type": "array", "items": {"enum": [*values]}}:
            return [{"type": "predicate", "name": f"{name}.{value}"} for value in values]
        case {"type": "number"} if levels:
            return [{"type": "score", "name": name, "levels": [{"label": f"{level:.12g}"} for level in levels]}]
    return []


def _instructions(system: str, question: Mapping[str, Any]) -> str:
    if question["type"] != "predicate":
        return system
    label = str(question["name"]).partition(".")[2]
    return f"{system}\n\nDoes the label {json.dumps(label, ensure_ascii=False)} apply?"


def _problem(questions: Sequence[Mapping[str, Any]]) -> str:
    """Why an endpoint cannot be asked these questions; '' when it can."""
    if not questions:
        return "decisions are labels or scores of one item; ask for text and for several items by chat completions"
    if len(questions) > MOST_QUESTIONS:
        return f"{len(questions)} classes that may apply; a decision endpoint takes {MOST_QUESTIONS} questions"
    most = max(len(question.get("choices", ())) for question in questions)
    return f"{most} classes; a decision endpoint takes {MOST_CHOICES} choices" if most > MOST_CHOICES else ""


def _answer(answers: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The answer in the form of the schema; what does not fit it is left for its reader to refuse."""
    written: dict[str, Any] = {}
    for answer in answers:
        name = str(answer.get("name"))
        match answer.get("type"):
            case "choice":
                written[name] = answer.get("choice")
            case "predicate":
                field, _, label = name.partition(".")
                applying = written.setdefault(field, [])
                probability = _probability(answer.get("probability"))
                # A probability that is none makes the whole answer invalid, never a no.
                applying += [None] if probability is None else [label] if probability >= _TRUE_FROM else []
            case "score":
                written[name] = _nearest_level(answer.get("probabilities"))
    return written


def _label_probabilities(answers: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """The probabilities of a choice by its option; empty where it is another question, or one of them is none."""
    if len(answers) != 1 or answers[0].get("type") != "choice":
        return {}
    return _distribution(answers[0].get("probabilities"), "value")


def _nearest_level(entries: Any) -> float | None:
    """The level nearest to the mean over levels, which has the least squared error; None where there is none."""
    by_label = _distribution(entries, "label")
    try:
        shares = {float(label): share for label, share in by_label.items()}
    except ValueError:
        return None
    if not shares:
        return None
    mean = math.fsum(level * share for level, share in shares.items())
    return min(shares, key=lambda level: (abs(level - mean), level))


def _distribution(entries: Any, key: str) -> dict[str, float]:
    """Probabilities by the text under `key`, made to add up to 1 again: endpoints round them."""
    found: dict[str, float] = {}
    for entry in entries if isinstance(entries, list) else ():
        probability = _probability(entry.get("probability")) if isinstance(entry, dict) else None
        if probability is None or not isinstance(entry.get(key), str):
            return {}
        found[entry[key]] = probability
    total = math.fsum(found.values())
    return {value: probability / total for value, probability in found.items()} if total > 0 else {}


def _probability(value: Any) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and 0.0 <= value <= 1.0 else None


def _usage(usage: Any) -> Usage | None:
    told = ("input_tokens", "output_tokens")
    counts = token_counts(usage, *told, told=told)
    return None if counts is None else Usage(input_tokens=counts[0], output_tokens=counts[1], requests=1)
