"""A tuned model as a server of typed decisions, so that runs can ask it (`DecisionEndpoint` is its client)."""

from __future__ import annotations

import hmac
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from nextlabel.server.tuning.language_model import LanguageModel
from nextlabel.server.tuning.measuring import applies
from nextlabel.server.tuning.model_folders import TunedModel
from nextlabel.server.values.annotation_type import AnnotationType
from nextlabel.server.values.errors import FailedPrecondition

_MOST_BYTES = 4_000_000
_MOST_PROBLEMS = 8


class _Asked(BaseModel):
    name: str = ""
    instructions: str = ""
    model_config = ConfigDict(coerce_numbers_to_str=True)


class _Predicate(_Asked):
    type: Literal["predicate"]


class _Value(BaseModel):
    value: str


class _Choice(_Asked):
    type: Literal["choice"]
    choices: list[_Value] = Field(min_length=1)


class _Level(BaseModel):
    label: str
    model_config = ConfigDict(coerce_numbers_to_str=True)


class _Score(_Asked):
    type: Literal["score"]
    levels: list[_Level] = Field(min_length=1)


class _Decisions(BaseModel):
    input: str
    questions: list[Annotated[_Predicate | _Choice | _Score, Field(discriminator="type")]] = Field(min_length=1)


def check_served(found: TunedModel, *, untested: bool) -> None:
    """Refuse a model that no run should ask.

    Raises:
        FailedPrecondition: it writes texts; or it was not measured or got worse, and ``untested`` is not set.
    """
    if found.manifest["annotation_type"] == AnnotationType.TEXT:
        raise FailedPrecondition(
            f"{found.name} writes texts, and decisions are labels and scores; serve its folder by a server of the "
            "OpenAI API that reads safetensors, such as vLLM",
            reason="NO_DECISIONS",
        )
    gold = found.manifest["gold"]
    if gold is None and not untested:
        raise FailedPrecondition(
            f"{found.name} was not measured on gold; add gold items and tune again, or serve it with --untested",
            reason="NOT_MEASURED",
        )
    if gold is not None and gold["gain"] is not None and gold["gain"]["high"] < 0 and not untested:
        raise FailedPrecondition(
            f"{found.name} is worse on gold than {found.manifest['predecessor']} before it; serve that one, or this "
            "with --untested",
            reason="WORSE_THAN_BEFORE",
        )


def decision_server(model: LanguageModel, name: str, key: str) -> Starlette:
    """Return the application: ``POST /v1/decisions`` answers choices, predicates and scores by log-likelihoods."""

    async def decide(request: Request) -> JSONResponse:
        given = request.headers.get("authorization", "").removeprefix("Bearer ")
        if not hmac.compare_digest(given.encode(), key.encode()):
            return _error(401, "wrong key")
        body = await _body(request)
        if body is None:
            return _error(413, f"at most {_MOST_BYTES} bytes")
        try:
            asked = _Decisions.model_validate_json(body)
        except ValidationError as problems:
            return _error(400, "; ".join(_where(problem) for problem in problems.errors()[:_MOST_PROBLEMS]))
        answers = await run_in_threadpool(lambda: [_answer(model, asked.input, one) for one in asked.questions])
        tokens = len(model.tokenizer(asked.input)["input_ids"])
        usage = {"input_tokens": tokens, "output_tokens": len(answers)}
        return JSONResponse({"id": "decision", "model": name, "answers": answers, "usage": usage})

    return Starlette(routes=[Route("/v1/decisions", decide, methods=["POST"])])


async def _body(request: Request) -> bytes | None:
    """Return what was sent, None as soon as it is more than is taken."""
    parts, size = [], 0
    async for part in request.stream():
        parts.append(part)
        size += len(part)
        if size > _MOST_BYTES:
            return None
    return b"".join(parts)


def _where(problem: Any) -> str:
    return f"{'.'.join(map(str, problem['loc'])) or 'body'}: {problem['msg']}"


def _answer(model: LanguageModel, user: str, question: _Predicate | _Choice | _Score) -> dict[str, Any]:
    said = {"type": question.type, "name": question.name}
    if isinstance(question, _Predicate):
        return {**said, "probability": applies(model, question.instructions, user)}
    if isinstance(question, _Choice):
        values, key = [one.value for one in question.choices], "value"
    else:
        values, key = [one.label for one in question.levels], "label"
    shares = model.distribution(question.instructions, user, values)
    probabilities = [{key: value, "probability": p} for value, p in zip(values, shares, strict=True)]
    best = values[max(range(len(values)), key=shares.__getitem__)]
    return {**said, "probabilities": probabilities} | ({"choice": best} if isinstance(question, _Choice) else {})


def _error(status: int, message: str) -> JSONResponse:
    return JSONResponse({"error": {"message": message}}, status)
