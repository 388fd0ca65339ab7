"""Servers that speak OpenAI's chat completions: vLLM, llama.cpp, Ollama, LM Studio and gateways."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from nextlabel.server.annotators.endpoints.anthropic_replies import parse_json, read_error
from nextlabel.server.annotators.endpoints.wire import (
    Failure,
    FailureKind,
    HttpReply,
    ModelRequest,
    Reply,
    Stop,
    TokenChoice,
)
from nextlabel.server.values.money.costs import Usage

if TYPE_CHECKING:
    from aiohttp import ClientSession

_STOPS = {"stop": Stop.FINISHED, "length": Stop.TRUNCATED, "content_filter": Stop.REFUSED}
_API_VERSION = "openai-chat-completions-v1"


@dataclass(frozen=True, slots=True)
class OpenAiConnection:
    """Where and how to reach the server. `base_url` includes the version, as in ``http://127.0.0.1:8080/v1``.

    `temperature` 0 makes most of these servers reproducible. `logprobs` asks for the log-probabilities of the
    answer's tokens, for servers that have them, and of `top_logprobs` alternatives to each; OpenAI and vLLM allow 20,
    llama.cpp any number.
    """

    base_url: str
    api_key: str = field(default="", repr=False)
    temperature: float | None = 0.0
    logprobs: bool = False
    top_logprobs: int = 20
    max_connections: int = 64


class OpenAiEndpoint:
    """One session, shared by all calls. Create it inside a running event loop."""

    def __init__(self, settings: OpenAiConnection) -> None:
        self._settings = settings
        self._session: ClientSession | None = None

    @property
    def api_version(self) -> str:
        """The dialect; these servers have no version of their own."""
        return _API_VERSION

    async def send(self, request: ModelRequest, timeout_s: float) -> HttpReply | Failure:
        """One attempt."""
        import aiohttp

        url = self._settings.base_url.rstrip("/") + "/chat/completions"
        timeout = aiohttp.ClientTimeout(total=timeout_s)
        try:
            async with self._open_session().post(
                url, json=self.parameters(request), timeout=timeout, allow_redirects=False
            ) as response:
                headers = {name.lower(): value for name, value in response.headers.items()}
                return HttpReply(response.status, headers, await response.read())
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError):
            return Failure(FailureKind.UNREACHABLE, f"no connection to {self._settings.base_url}")
        except TimeoutError:
            return Failure(FailureKind.TIMEOUT, "no answer in time")
        except aiohttp.ClientError:
            return Failure(FailureKind.INTERRUPTED, "the connection broke before the answer was complete")

    def read(self, reply: HttpReply) -> Reply | Failure:
        """A model's reply, or why there is none."""
        body = parse_json(reply.body)
        if reply.status != 200 or (isinstance(body, dict) and "error" in body):
            return read_error(reply, body)
        return _read_completion(body)

    def parameters(self, request: ModelRequest) -> dict[str, Any]:
        """The body of `POST /chat/completions`. Always bounded, or small models generate for minutes."""
        schema = {"name": "answer", "strict": True, "schema": request.schema}
        parameters: dict[str, Any] = {
            "model": request.model.removeprefix("local/"),
            "max_tokens": request.max_output_tokens,
            "messages": [
                {"role": "system", "content": request.system},
                {"role": "user", "content": request.user},
            ],
            "response_format": {"type": "json_schema", "json_schema": schema},
        }
        if self._settings.temperature is not None:
            parameters["temperature"] = self._settings.temperature
        if self._settings.logprobs:
            parameters |= {"logprobs": True, "top_logprobs": self._settings.top_logprobs}
        return parameters

    async def count_tokens(self, request: ModelRequest) -> int | None:
        """These servers have no common way to count."""
        del request
        return None

    async def close(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()

    def _open_session(self) -> "ClientSession":
        import aiohttp

        if self._session is None:
            key = self._settings.api_key
            connector = aiohttp.TCPConnector(limit=self._settings.max_connections)
            headers = {"Authorization": f"Bearer {key}"} if key else {}
            self._session = aiohttp.ClientSession(connector=connector, headers=headers)
        return self._session


def _read_completion(body: Any) -> Reply | Failure:
    try:
        choice = body["choices"][0]
        message = choice["message"]
        usage = body["usage"]
        cached = ((usage.get("prompt_tokens_details") or {}).get("cached_tokens")) or 0
        fresh, written = usage["prompt_tokens"] - cached, usage["completion_tokens"]
        counts = Usage(input_tokens=fresh, output_tokens=written, cache_read_tokens=cached, requests=1)
    except (TypeError, KeyError, IndexError, AttributeError):
        return Failure(FailureKind.MALFORMED, "the endpoint answered 200 with something that is no completion")
    if counts.input_tokens < 0 or counts.output_tokens < 0:
        return Failure(FailureKind.MALFORMED, "the completion's usage is negative")
    refusal = message.get("refusal")
    reason = str(choice.get("finish_reason"))
    return Reply(
        text=str(message.get("content") or ""),
        stop=Stop.REFUSED if refusal else _STOPS.get(reason, Stop.OTHER),
        usage=counts,
        model=str(body.get("model") or ""),
        request_id=str(body.get("id") or ""),
        detail="refusal" if refusal else reason,
        label_tokens=_label_tokens(choice.get("logprobs")),
    )


def _label_tokens(logprobs: Any) -> tuple[TokenChoice, ...]:
    """The tokens from the label's first character on, with their alternatives, where the server gives them.

    The label is found by its place behind ``"label":`` in the tokens' own text, which may differ from the content
    (some servers generate a code fence and cut it off).
    """
    entries = logprobs.get("content") if isinstance(logprobs, dict) else None
    if not isinstance(entries, list):
        return ()
    tokens = [str(entry.get("token", "")) for entry in entries]
    text = "".join(tokens)
    marker = '"label"'
    start = text.find(marker)
    value_at = text.find('"', start + len(marker)) + 1 if start >= 0 else 0
    if not value_at:
        return ()
    found, position = [], 0
    for token, entry in zip(tokens, entries, strict=True):
        head, position = token[: max(0, value_at - position)], position + len(token)
        if position > value_at:
            given = {str(other["token"]): float(other["logprob"]) for other in entry.get("top_logprobs") or ()}
            found.append(TokenChoice(token.removeprefix(head), _behind(head, given)))
    return tuple(found)


def _behind(head: str, alternatives: Mapping[str, float]) -> Mapping[str, float]:
    """What the alternatives say after `head`, the part of a token that stands before the label."""
    if not head:
        return alternatives
    return {token.removeprefix(head): value for token, value in alternatives.items() if token.startswith(head)}
