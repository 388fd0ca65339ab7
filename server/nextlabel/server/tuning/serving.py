"""A tuned model as a server of typed decisions, so that runs can ask it (`DecisionEndpoint` is its client)."""

from __future__ import annotations

import hmac
import json
from typing import Any

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
        body = await request.body()
        if len(body) > _MOST_BYTES:
            return _error(413, f"at most {_MOST_BYTES} bytes")
        try:
            asked = json.loads(body)
            user, questions = str(asked["input"]), list(asked["questions"])
            answers = await run_in_threadpool(lambda: [_answer(model, user, question) for question in questions])
        except (ValueError, KeyError, TypeError) as problem:
            return _error(400, f"no request for decisions: {problem!r:.200}")
        tokens = len(model.tokenizer(user)["input_ids"])
        usage = {"input_tokens": tokens, "output_tokens": len(questions)}
        return JSONResponse({"id": "decision", "model": name, "answers": answers, "usage": usage})

    return Starlette(routes=[Route("/v1/decisions", decide, methods=["POST"])])


def _answer(model: LanguageModel, user: str, question: dict[str, Any]) -> dict[str, Any]:
    kind, system = question["type"], str(question.get("instructions", ""))
    said = {"type": kind, "name": question["name"]}
    if kind == "predicate":
        return {**said, "probability": applies(model, system, user)}
    options, key = (question["choices"], "value") if kind == "choice" else (question["levels"], "label")
    values = [str(option[key]) for option in options]
    shares = model.distribution(system, user, values)
    probabilities = [{key: value, "probability": p} for value, p in zip(values, shares, strict=True)]
    best = values[max(range(len(values)), key=shares.__getitem__)]
    return {**said, "probabilities": probabilities} | ({"choice": best} if kind == "choice" else {})


def _error(status: int, message: str) -> JSONResponse:
    return JSONResponse({"error": {"message": message}}, status)
