"""The HTTP server."""

import asyncio
import hashlib
import json
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Self

from aiohttp import web

from tests.fake_anthropic.accounting import Books, tokens_of
from tests.fake_anthropic.batches import Batches
from tests.fake_anthropic.brains import Asked, Brain, Known
from tests.fake_anthropic.faults import Fault, Faults

_FORBIDDEN = ("temperature", "top_p", "top_k")


@dataclass
class FakeAnthropic:
    """Starts on a free port of the loopback; use as an async context manager."""

    brain: Brain = field(default_factory=lambda: Known({}))
    faults: Faults = field(default_factory=Faults)
    books: Books = field(default_factory=Books)
    latency_s: float = 0.0
    requests_per_minute: int = 1_000_000
    input_tokens_per_minute: int = 1_000_000_000
    batch_steps: int = 1
    port: int = 0
    keep_bodies: bool = True
    answering_model: str = ""
    inflate: int = 1

    def __post_init__(self) -> None:
        self.requests: list[dict[str, Any]] = []
        self.statuses: Counter[int] = Counter()
        self.answered: Counter[str] = Counter()
        self.early_retries = 0
        self.most_in_flight = 0
        self._in_flight = 0
        self._not_before: dict[str, float] = {}
        self._window: list[float] = []
        self._runner: web.AppRunner | None = None
        self.batches = Batches(self)
        self.books.now = time.monotonic

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=256 * 2**20)
        app.router.add_post("/v1/messages", self._messages)
        app.router.add_post("/v1/messages/count_tokens", self._count_tokens)
        app.router.add_get("/v1/models/{model}", self._model)
        self.batches.add_routes(app)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port)
        await site.start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _messages(self, request: web.Request) -> web.StreamResponse:
        arrived = time.monotonic()
        raw = await request.read()
        params = json.loads(raw)
        fingerprint = hashlib.sha256(raw).hexdigest()
        if arrived < self._not_before.get(fingerprint, 0.0):
            self.early_retries += 1
        if self.keep_bodies:
            self.requests.append(params)
        self._in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self._in_flight)
        try:
            return await self._respond(request, params, fingerprint)
        finally:
            self._in_flight -= 1

    async def _respond(self, request: web.Request, params: dict[str, Any], fingerprint: str) -> web.StreamResponse:
        request_id = f"req_{sum(self.statuses.values()):08d}"
        fault = self._refuse(request, params) or self.faults.next()
        if fault is not None and fault.status != 200:
            if "retry-after" in fault.headers:
                self._not_before[fingerprint] = time.monotonic() + float(fault.headers["retry-after"])
            return self._send(fault.status, fault.envelope(request_id), request_id, dict(fault.headers))
        usage = self.books.usage(params, 0)
        if self.latency_s:
            await asyncio.sleep(self.latency_s)
        kind = fault.kind if fault else ""
        if kind in ("html", "envelope", "other_shape", "broken_json", "drop"):
            return await self._not_a_message(request, kind, request_id)
        message = message_for(self.brain, params, usage, kind, request_id)
        message["model"] = self.answering_model or message["model"]
        message["usage"]["output_tokens"] *= self.inflate
        self.books.charge(params, message["usage"])
        self.answered[fingerprint] += 1
        if kind == "no_usage":
            del message["usage"]
        if kind == "drop_paid":
            return await self._not_a_message(request, "drop", request_id)
        return self._send(200, json.dumps(message), request_id, {})

    async def _not_a_message(self, request: web.Request, kind: str, request_id: str) -> web.StreamResponse:
        if kind == "drop" and request.transport is not None:
            request.transport.close()
            return web.Response()
        bodies = {
            "html": "<html><body>Sign in to the guest network</body></html>",
            "envelope": Fault(status=200, error_type="overloaded_error").envelope(request_id),
            "other_shape": json.dumps({"choices": [{"message": {"content": "hi"}}]}),
            "broken_json": '{"type": "message", "content": [{"ty',
        }
        return self._send(200, bodies[kind], request_id, {})

    def _refuse(self, request: web.Request, params: dict[str, Any]) -> Fault | None:
        if not request.headers.get("Authorization", "").startswith("Bearer "):
            return Fault(status=401, error_type="authentication_error", message="no bearer token")
        if forbidden := [name for name in _FORBIDDEN if name in params]:
            return Fault(status=400, error_type="invalid_request_error", message=f"{forbidden}: extra inputs")
        if params["model"].startswith("no-such"):
            return Fault(status=404, error_type="not_found_error", message=f"model: {params['model']}")
        now = time.monotonic()
        self._window = [moment for moment in self._window if moment > now - 60]
        if len(self._window) >= self.requests_per_minute:
            wait = self._window[0] + 60 - now
            return Fault(status=429, error_type="rate_limit_error", headers={"retry-after": f"{wait:.3f}"})
        self._window.append(now)
        return None

    async def _count_tokens(self, request: web.Request) -> web.Response:
        return web.json_response({"input_tokens": self.books.input_tokens(await request.json())})

    async def _model(self, request: web.Request) -> web.Response:
        return web.json_response({"type": "model", "id": request.match_info["model"], "display_name": "Fake"})

    def _send(self, status: int, body: str, request_id: str, headers: dict[str, str]) -> web.Response:
        self.statuses[status] += 1
        limits = {
            "anthropic-ratelimit-requests-limit": str(self.requests_per_minute),
            "anthropic-ratelimit-requests-remaining": str(max(0, self.requests_per_minute - len(self._window))),
            "anthropic-ratelimit-input-tokens-limit": str(self.input_tokens_per_minute),
            "anthropic-ratelimit-input-tokens-remaining": str(self.input_tokens_per_minute),
        }
        text_type = "text/html" if body.startswith("<") else "application/json"
        return web.Response(
            status=status, text=body, content_type=text_type, headers={"request-id": request_id, **limits, **headers}
        )


def message_for(
    brain: Brain, params: dict[str, Any], usage: dict[str, Any], kind: str, request_id: str
) -> dict[str, Any]:
    """The message that answers a request, spoiled as `kind` says, with its output tokens counted."""
    stop_reason, stop_details = "end_turn", None
    text = json.dumps(_spoiled(brain(Asked(params)), kind), ensure_ascii=False)
    if kind == "free_text":
        text = "Certainly! I would say that this is about the first label."
    elif kind == "bad_answer":
        text = text[: len(text) // 2]
    elif kind == "context_full":
        text, stop_reason = text[: len(text) // 2], "model_context_window_exceeded"
    elif kind == "refusal":
        text, stop_reason = "", "refusal"
        stop_details = {"type": "refusal", "category": "general_harms", "explanation": None}
    output_tokens = tokens_of(text)
    if kind == "truncation" or output_tokens > params["max_tokens"]:
        text, stop_reason = text[: len(text) // 2], "max_tokens"
        output_tokens = min(params["max_tokens"], output_tokens)
    return {
        "id": request_id.replace("req", "msg"),
        "type": "message",
        "role": "assistant",
        "model": params["model"],
        "content": [{"type": "text", "text": text}] if text else [],
        "stop_reason": stop_reason,
        "stop_sequence": None,
        "stop_details": stop_details,
        "usage": {**usage, "output_tokens": output_tokens},
    }


def _spoiled(answer: Any, kind: str) -> Any:
    answers = answer.get("answers") if isinstance(answer, dict) else None
    if kind == "unknown_label":
        for entry in answers or [answer]:
            entry["label"] = "no such label"
    elif kind == "missing_ids" and answers:
        answer["answers"] = answers[: len(answers) // 2]
    elif kind == "duplicate_ids" and answers:
        answer["answers"] = [*answers, answers[0]]
    return answer
