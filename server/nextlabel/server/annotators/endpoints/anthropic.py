"""The Messages API of Anthropic, or of a gateway that speaks it, through the official SDK."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from nextlabel.server.annotators.endpoints.anthropic_replies import read_anthropic_reply
from nextlabel.server.annotators.endpoints.wire import Failure, FailureKind, HttpReply, ModelRequest, Reply

if TYPE_CHECKING:
    from anthropic import APIConnectionError, AsyncAnthropic

_SDK_NONSTREAMING_LIMIT = 21_000
"""The SDK refuses longer answers without streaming."""


@dataclass(frozen=True, slots=True)
class AnthropicConnection:
    """Where and how to reach the API. The key is kept out of `repr`, logs and errors.

    `headers` adds to or overrides the SDK's, such as `anthropic-version` for gateways that lag behind.
    `structured` False leaves out `output_config` for gateways that refuse it; answers are validated all the same.
    """

    api_key: str = field(repr=False)
    base_url: str = "https://api.anthropic.com"
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    structured: bool = True
    max_connections: int = 256


class AnthropicEndpoint:
    """One client, shared by all calls: starting one costs tens of milliseconds."""

    def __init__(self, settings: AnthropicConnection) -> None:
        from anthropic import AsyncAnthropic, DefaultAioHttpClient
        from httpx2 import Limits

        self._settings = settings
        limits = Limits(max_connections=settings.max_connections, max_keepalive_connections=settings.max_connections)
        # The key must never follow a redirect, and the SDK's own retries know neither budget nor deadline.
        self._client = AsyncAnthropic(
            api_key=settings.api_key,
            base_url=settings.base_url,
            max_retries=0,
            open_telemetry=False,
            default_headers=dict(settings.headers),
            http_client=DefaultAioHttpClient(limits=limits, follow_redirects=False, trust_env=False),
        )

    @property
    def api_version(self) -> str:
        """The value of the `anthropic-version` header."""
        return str(self._client.default_headers["anthropic-version"])

    @property
    def client(self) -> "AsyncAnthropic":
        """The SDK's client, for message batches."""
        return self._client

    async def send(self, request: ModelRequest, timeout_s: float) -> HttpReply | Failure:
        """One attempt."""
        import anthropic

        try:
            response = await self._client.messages.with_raw_response.create(
                **self.parameters(request), timeout=timeout_s
            )
        except anthropic.APIStatusError as error:
            return HttpReply(error.status_code, _lower(error.response.headers), error.response.content)
        except anthropic.APIConnectionError as error:
            return _transport_failure(error)
        raw = response.http_response
        return HttpReply(raw.status_code, _lower(raw.headers), raw.content)

    def read(self, reply: HttpReply) -> Reply | Failure:
        """A model's reply, or why there is none."""
        return read_anthropic_reply(reply)

    def parameters(self, request: ModelRequest) -> dict[str, Any]:
        """The body of `POST /v1/messages`: what requests share first, the cache breakpoint behind it, items last."""
        system: dict[str, Any] = {"type": "text", "text": request.system}
        if request.cache_ttl is not None:
            system["cache_control"] = {"type": "ephemeral", "ttl": request.cache_ttl.value}
        output: dict[str, Any] = {}
        if self._settings.structured:
            output["format"] = {"type": "json_schema", "schema": request.schema}
        if request.effort is not None:
            output["effort"] = request.effort
        parameters: dict[str, Any] = {
            "model": request.model,
            "max_tokens": min(request.max_output_tokens, _SDK_NONSTREAMING_LIMIT),
            "system": [system],
            "messages": [{"role": "user", "content": request.user}],
        }
        return {**parameters, "output_config": output} if output else parameters

    async def count_tokens(self, request: ModelRequest) -> int | None:
        """Input tokens of a request; None where the endpoint cannot count."""
        import anthropic

        parameters = self.parameters(request)
        del parameters["max_tokens"]
        try:
            counted = await self._client.messages.count_tokens(**parameters, timeout=30.0)
        except anthropic.APIError:
            return None
        tokens = getattr(counted, "input_tokens", None)
        return tokens if isinstance(tokens, int) else None

    async def close(self) -> None:
        """Close all connections."""
        await self._client.close()


def _lower(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def _transport_failure(error: "APIConnectionError") -> Failure:
    import aiohttp
    import anthropic

    # The SDK's aiohttp transport calls a connection that broke after sending a ConnectError too; only the root
    # cause tells whether the model may have worked for us.
    never_sent = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)
    if any(isinstance(cause, never_sent) for cause in _causes(error)):
        return Failure(FailureKind.UNREACHABLE, "no connection to the endpoint")
    if isinstance(error, anthropic.APITimeoutError):
        return Failure(FailureKind.TIMEOUT, "no answer in time")
    return Failure(FailureKind.INTERRUPTED, "the connection broke before the answer was complete")


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__
