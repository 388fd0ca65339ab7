"""The Messages API of Anthropic, or of a gateway that speaks it, through the official SDK."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from nextlabel.server.annotators.endpoints.anthropic_replies import read_anthropic_reply, token_counts
from nextlabel.server.annotators.endpoints.json_bodies import parse_json
from nextlabel.server.annotators.endpoints.transport import Network, failure_in, open_client
from nextlabel.server.annotators.endpoints.wire import Failure, FailureKind, HttpReply, ModelRequest, Reply
from nextlabel.server.system.origins import Origin

if TYPE_CHECKING:
    from anthropic import AsyncAnthropic

_SDK_NONSTREAMING_LIMIT = 21_000
"""The SDK refuses longer answers without streaming."""
_MESSAGES = "/v1/messages"
_BATCHES = f"{_MESSAGES}/batches"
_COUNT_TIMEOUT_S = 30.0
_LONGEST_URL = 2_000
_RESULTS_BYTES = 2**30
"""Results of a whole message batch come in one reply."""


@dataclass(frozen=True, slots=True)
class AnthropicConnection:
    """Where and how to reach the API. The key is kept out of `repr`, logs and errors; None for gateways without.

    `base_url` may end in ``/v1``, as gateways print it. `headers` adds to or overrides the SDK's, such as
    `anthropic-version` for gateways that lag behind. `structured` False leaves out `output_config` for gateways that
    refuse it; answers are validated all the same.
    """

    api_key: str | None = field(repr=False)
    base_url: str = "https://api.anthropic.com"
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    structured: bool = True
    network: Network = field(default_factory=Network)


class AnthropicEndpoint:
    """One client, shared by all calls: starting one costs tens of milliseconds."""

    def __init__(self, settings: AnthropicConnection) -> None:
        self._settings = settings
        self._base_url = settings.base_url.rstrip("/").removesuffix("/v1/messages").removesuffix("/v1")
        self._client = self._connect(settings.network)
        self._results_client: AsyncAnthropic | None = None

    @property
    def api_version(self) -> str:
        """The value of the `anthropic-version` header."""
        return str(self._client.default_headers["anthropic-version"])

    def fingerprint(self, request: ModelRequest) -> object:
        """Base URL, headers of ours and body; what only caching depends on is left out."""
        body = self.parameters(replace(request, cache_ttl=None))
        return [self._base_url, self.api_version, dict(self._settings.headers), body]

    async def send(self, request: ModelRequest, timeout_s: float) -> HttpReply | Failure:
        """One attempt."""
        return await self._exchange(self._client, "POST", _MESSAGES, timeout_s, self.parameters(request))

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
        parameters = self.parameters(request)
        del parameters["max_tokens"]
        reply = await self._exchange(self._client, "POST", f"{_MESSAGES}/count_tokens", _COUNT_TIMEOUT_S, parameters)
        if isinstance(reply, Failure) or reply.status != 200:
            return None
        (tokens,) = token_counts(parse_json(reply.body), "input_tokens") or (0,)
        return tokens or None

    async def create_batch(self, requests: Sequence[Any], timeout_s: float) -> HttpReply | Failure:
        """Create a message batch; each request is a `custom_id` with its `params`."""
        return await self._exchange(self._client, "POST", _BATCHES, timeout_s, {"requests": requests})

    async def batch(self, batch_id: str, timeout_s: float) -> HttpReply | Failure:
        """How far a message batch is."""
        return await self._exchange(self._client, "GET", f"{_BATCHES}/{batch_id}", timeout_s)

    async def cancel_batch(self, batch_id: str, timeout_s: float) -> HttpReply | Failure:
        """Have the requests of a message batch that are not under way left undone."""
        return await self._exchange(self._client, "POST", f"{_BATCHES}/{batch_id}/cancel", timeout_s)

    async def batches(self, after_id: str, timeout_s: float) -> HttpReply | Failure:
        """A page of the message batches there are, the newest first; those after `after_id` unless it is empty."""
        after = f"&after_id={after_id}" if after_id else ""
        return await self._exchange(self._client, "GET", f"{_BATCHES}?limit=100{after}", timeout_s)

    async def batch_results(self, url: str, timeout_s: float) -> HttpReply | Failure:
        """The results of a message batch, one JSON document a line. The key goes to no other origin than ours."""
        if not self.is_ours(url):
            return Failure(FailureKind.REDIRECTED, "the results are said to be elsewhere")
        if self._results_client is None:
            self._results_client = self._connect(replace(self._settings.network, max_reply_bytes=_RESULTS_BYTES))
        return await self._exchange(self._results_client, "GET", url, timeout_s)

    @property
    def origin(self) -> str:
        """Scheme, host and port of the endpoint."""
        return str(Origin.of(self._base_url))

    def is_ours(self, url: str) -> bool:
        """True when a URL leads to the origin that the key is for."""
        if not (url.isascii() and url.isprintable() and len(url) <= _LONGEST_URL):
            return False
        try:
            return Origin.of(url.partition("?")[0]) == Origin.of(self._base_url)
        except ValueError:
            return False

    async def close(self) -> None:
        """Close all connections."""
        await self._client.close()
        if self._results_client is not None:
            await self._results_client.close()

    def _connect(self, network: Network) -> "AsyncAnthropic":
        from anthropic import AsyncAnthropic, Omit

        # The SDK would add what this variable names to every request, whatever its origin.
        foreign = _header_names(os.environ.get("ANTHROPIC_CUSTOM_HEADERS", ""))
        left_out = {name: Omit() for name in foreign if name.lower() not in ("anthropic-version", "authorization")}
        key = self._settings.api_key
        headers: Any = {
            **left_out,
            **self._settings.headers,
            "Authorization": Omit() if key is None else f"Bearer {key}",
        }
        # A key is always given, or the SDK would look for others in environment and files. Its own retries know
        # neither budget nor deadline.
        return AsyncAnthropic(
            api_key=key or "none",
            base_url=self._base_url,
            max_retries=0,
            open_telemetry=False,
            default_headers=headers,
            http_client=open_client(network),
        )

    async def _exchange(
        self, client: "AsyncAnthropic", method: str, path: str, timeout_s: float, body: object = None
    ) -> HttpReply | Failure:
        import anthropic
        import httpx2

        options: Any = {"timeout": timeout_s}
        try:
            if method == "GET":
                response = await client.get(path, cast_to=httpx2.Response, options=options)
            else:
                response = await client.post(path, cast_to=httpx2.Response, body=body, options=options)
        except anthropic.APIStatusError as error:
            response = error.response
        except anthropic.APIConnectionError as error:
            return failure_in(error) or Failure(FailureKind.INTERRUPTED, "the connection broke")
        headers = {name.lower(): value for name, value in response.headers.items()}
        return HttpReply(response.status_code, headers, response.content)


def _header_names(lines: str) -> list[str]:
    return [line.partition(":")[0].strip() for line in lines.split("\n") if ":" in line]
