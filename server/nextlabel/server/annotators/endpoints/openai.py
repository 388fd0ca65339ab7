"""Servers that speak OpenAI's chat completions: vLLM, llama.cpp, Ollama, LM Studio and gateways."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from nextlabel.server.annotators.endpoints.anthropic_replies import bounded_name, read_error, token_counts
from nextlabel.server.annotators.endpoints.json_bodies import parse_json
from nextlabel.server.annotators.endpoints.transport import Network, TransportFaultError, open_client
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
    import httpx2

_STOPS = {"stop": Stop.FINISHED, "length": Stop.TRUNCATED, "content_filter": Stop.REFUSED}
_API_VERSION = "openai-chat-completions-v1"


@dataclass(frozen=True, slots=True)
class OpenAiConnection:
    """Where and how to reach the server. `base_url` includes the version, as in ``http://127.0.0.1:8080/v1``.

    `temperature` 0 makes most of these servers reproducible; samples beyond the first are drawn at
    `sample_temperature`, each with a seed of its own. `logprobs` asks for the log-probabilities of the
    answer's tokens, for servers that have them, and of `top_logprobs` alternatives to each; OpenAI and vLLM allow 20,
    llama.cpp any number.
    """

    base_url: str
    api_key: str = field(default="", repr=False)
    temperature: float | None = 0.0
    sample_temperature: float = 1.0
    logprobs: bool = False
    top_logprobs: int = 20
    network: Network = field(default_factory=Network)


class OpenAiEndpoint:
    """One HTTP client, shared by all calls."""

    route: ClassVar[str] = "chat/completions"

    def __init__(self, settings: OpenAiConnection) -> None:
        self._settings = settings
        self._base_url = settings.base_url.rstrip("/").removesuffix(f"/{self.route}")
        self._client: httpx2.AsyncClient | None = None

    @property
    def api_version(self) -> str:
        """The dialect; these servers have no version of their own."""
        return _API_VERSION

    def fingerprint(self, request: ModelRequest) -> object:
        """Base URL and body."""
        return [self._base_url, self.api_version, self.parameters(request)]

    async def send(self, request: ModelRequest, timeout_s: float) -> HttpReply | Failure:
        """One attempt."""
        key = self._settings.api_key
        if self._client is None:
            self._client = open_client(self._settings.network)
        try:
            response = await self._client.post(
                f"{self._base_url}/{self.route}",
                json=self.parameters(request),
                headers={"Authorization": f"Bearer {key}"} if key else {},
                timeout=timeout_s,
            )
        except TransportFaultError as fault:
            return fault.failure
        headers = {name.lower(): value for name, value in response.headers.items()}
        return HttpReply(response.status_code, headers, response.content)

    def read(self, reply: HttpReply) -> Reply | Failure:
        """A model's reply, or why there is none."""
        body = parse_json(reply.body)
        if reply.status != 200 or (isinstance(body, dict) and body.get("error")):
            return read_error(reply, body)
        return self.completion(body)

    def completion(self, body: Any) -> Reply | Failure:
        """What the body of a 200 says; any shape that is none is a failure with a name, and never raises."""
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
        if request.effort is not None:
            parameters["reasoning_effort"] = request.effort
        if request.sample:
            parameters |= {"temperature": self._settings.sample_temperature, "seed": request.sample}
        elif self._settings.temperature is not None:
            parameters["temperature"] = self._settings.temperature
        if self._settings.logprobs and request.label_tokens:
            parameters |= {"logprobs": True, "top_logprobs": self._settings.top_logprobs}
        return parameters

    async def count_tokens(self, request: ModelRequest) -> int | None:
        """These servers have no common way to count."""
        del request
        return None

    async def close(self) -> None:
        """Close all connections."""
        if self._client is not None:
            await self._client.aclose()


def _read_completion(body: Any) -> Reply | Failure:
    choice = _first(body.get("choices")) if isinstance(body, dict) else None
    if choice is None:
        return Failure(FailureKind.MALFORMED, "the endpoint answered 200 with something that is no completion")
    usage = _usage(body.get("usage"))
    message = choice.get("message")
    message = message if isinstance(message, dict) else {}
    content, refusal = message.get("content"), message.get("refusal")
    reason = bounded_name(choice.get("finish_reason")) or "no reason given"
    return Reply(
        text=content if isinstance(content, str) else "",
        stop=Stop.REFUSED if refusal else _STOPS.get(reason, Stop.OTHER),
        usage=usage or Usage(),
        usage_told=usage is not None,
        model=bounded_name(body.get("model")),
        request_id=bounded_name(body.get("id")),
        detail="refusal" if refusal else reason,
        label_tokens=_label_tokens(choice.get("logprobs")),
    )


def _first(choices: Any) -> Mapping[str, Any] | None:
    return choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], dict) else None


def _usage(usage: Any) -> Usage | None:
    """Tokens used; None when the server does not say, or not what can be."""
    told = ("prompt_tokens", "completion_tokens")
    counts = token_counts(usage, *told, told=told)
    details = usage.get("prompt_tokens_details") if isinstance(usage, dict) else None
    (cached,) = token_counts(details, "cached_tokens") or (0,)
    if counts is None or cached > counts[0]:
        return None
    prompt, written = counts
    return Usage(input_tokens=prompt - cached, output_tokens=written, cache_read_tokens=cached, requests=1)


def _label_tokens(logprobs: Any) -> tuple[TokenChoice, ...]:
    """The tokens from the label's first character on, with their alternatives, where the server gives them.

    The label is found by its place behind ``"label":`` in the tokens' own text, which may differ from the content
    (some servers generate a code fence and cut it off).
    """
    entries = logprobs.get("content") if isinstance(logprobs, dict) else None
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
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
            found.append(TokenChoice(token.removeprefix(head), _behind(head, _alternatives(entry))))
    return tuple(found)


def _alternatives(entry: Mapping[str, Any]) -> Mapping[str, float]:
    """Log-probabilities of a token's alternatives; what is none is left out."""
    others = entry.get("top_logprobs")
    given = [other for other in others if isinstance(other, dict)] if isinstance(others, list) else []
    return {
        str(other.get("token", "")): float(other["logprob"])
        for other in given
        if isinstance(other.get("logprob"), int | float) and other["logprob"] <= 0
    }


def _behind(head: str, alternatives: Mapping[str, float]) -> Mapping[str, float]:
    """What the alternatives say after `head`, the part of a token that stands before the label."""
    if not head:
        return alternatives
    return {token.removeprefix(head): value for token, value in alternatives.items() if token.startswith(head)}
