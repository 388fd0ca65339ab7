"""What comes over the network from an LLM server: late, huge, elsewhere, untrusted; and what is sent to it."""

import asyncio
import html
import json
import ssl
import urllib.parse
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest
from aiohttp import web

from nextlabel.server.annotators.endpoints.anthropic import AnthropicConnection, AnthropicEndpoint
from nextlabel.server.annotators.endpoints.openai import OpenAiConnection, OpenAiEndpoint
from nextlabel.server.annotators.endpoints.transport import Network
from nextlabel.server.annotators.endpoints.wire import Charge, Failure, FailureKind, HttpReply, ModelRequest, Reply
from tests.fake_anthropic import FakeAnthropic

CERTIFICATES = Path(__file__).parents[2] / "api" / "certificates"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Endpoint = AnthropicEndpoint | OpenAiEndpoint


@asynccontextmanager
async def serving(handler: Handler, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """A server on loopback that hands every request to `handler`; the value is its port."""
    # Below an application, whose router knows nothing of what proxies are asked.
    server: Any = web.Server(cast("Any", handler))
    runner = web.ServerRunner(server, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    yield runner.addresses[0][1]
    await runner.cleanup()


@pytest.fixture(params=["anthropic", "openai"])
async def connect(request: pytest.FixtureRequest) -> AsyncIterator[Callable[..., Endpoint]]:
    made: list[Endpoint] = []

    def make(base_url: str, key: str | None = "secret", **network: Any) -> Endpoint:
        endpoint: Endpoint
        if request.param == "anthropic":
            endpoint = AnthropicEndpoint(AnthropicConnection(key, base_url, network=Network(**network)))
        else:
            endpoint = OpenAiEndpoint(OpenAiConnection(base_url, key or "", network=Network(**network)))
        made.append(endpoint)
        return endpoint

    yield make
    for endpoint in made:
        await endpoint.close()


def request_of(model: str = "m") -> ModelRequest:
    return ModelRequest(model, "system", "user", {"type": "object"}, 50)


async def failed(endpoint: Endpoint, timeout_s: float = 20.0) -> Failure:
    """The failure that one attempt ends in, in the transport or in the reply."""
    result = await endpoint.send(request_of(), timeout_s)
    found = endpoint.read(result) if isinstance(result, HttpReply) else result
    assert isinstance(found, Failure), found
    return found


async def test_an_attempt_is_over_at_its_limit_although_bytes_go_on_coming(connect: Callable[..., Endpoint]) -> None:
    gone = asyncio.Event()

    async def drip(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while True:
                await response.write(b" ")
                await asyncio.sleep(0.01)
        finally:
            gone.set()

    async with serving(drip) as port:
        failure = await failed(connect(f"http://127.0.0.1:{port}"), timeout_s=0.3)
        await gone.wait()
    assert (failure.kind, failure.kind.charge) == (FailureKind.TIMEOUT, Charge.UNKNOWN)


@pytest.mark.parametrize("status", [200, 500])
async def test_a_huge_reply_is_given_up_before_it_fills_the_memory(
    connect: Callable[..., Endpoint], status: int
) -> None:
    sent = 0

    async def flood(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        response = web.StreamResponse(status=status)
        await response.prepare(request)
        for _ in range(250):
            await response.write(b"x" * 2**20)
            sent += 1
        return response

    async with serving(flood) as port:
        failure = await failed(connect(f"http://127.0.0.1:{port}", max_reply_bytes=2**21))
    assert failure.kind is FailureKind.OVERSIZED
    assert not failure.kind.retryable
    assert sent < 50


async def test_a_compressed_reply_is_no_way_round_the_limit(connect: Callable[..., Endpoint]) -> None:
    async def bomb(_: web.Request) -> web.Response:
        return web.Response(body=b"\x1f\x8b\x08\x00", headers={"content-encoding": "gzip"})

    async with serving(bomb) as port:
        assert (await failed(connect(f"http://127.0.0.1:{port}"))).kind is FailureKind.MALFORMED


async def test_a_redirect_names_where_it_goes_and_is_not_followed(connect: Callable[..., Endpoint]) -> None:
    asked: list[str] = []

    async def elsewhere(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.Response(status=307, headers={"location": "https://elsewhere.example/v1/x"})

    async with serving(elsewhere) as port:
        failure = await failed(connect(f"http://127.0.0.1:{port}"))
    assert failure.kind.stop_reason == "ANNOTATOR_REDIRECTED"
    assert "https://elsewhere.example/v1/x" in failure.message
    assert len(asked) == 1


def server_tls() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATES / "server.pem", CERTIFICATES / "server.key")
    return context


async def unauthorised(_: web.Request) -> web.Response:
    return web.json_response({"error": {"message": "no"}}, status=401)


@pytest.mark.parametrize("status", [200, 302, 400, 401, 500])
async def test_a_key_that_a_server_repeats_ends_with_its_reply(connect: Callable[..., Endpoint], status: int) -> None:
    key = "sk-0123456789-abcdef"

    async def echo(request: web.Request) -> web.StreamResponse:
        told = {**dict(request.headers), "location": f"http://elsewhere.example/?key={key}"}
        told = {name: told[name] for name in ("Authorization", "X-Api-Key", "location") if name in told}
        return web.json_response({"error": {"message": f"wrong key: {told}"}}, status=status, headers=told)

    async with serving(echo) as port:
        endpoint = connect(f"http://127.0.0.1:{port}", key)
        reply = await endpoint.send(request_of(), 20.0)
        assert isinstance(reply, HttpReply)
        assert key not in f"{reply} {endpoint.read(reply)}"
        assert b"[hidden]" in reply.body


@pytest.mark.parametrize(
    "written",
    [
        lambda key: json.dumps(key).replace("/", r"\/"),
        lambda key: "".join(one if one.isalnum() else f"\\u{ord(one):04x}" for one in key),
        lambda key: urllib.parse.quote(key, safe=""),
        html.escape,
    ],
)
async def test_a_key_that_a_server_writes_otherwise_is_a_key(
    connect: Callable[..., Endpoint], written: Callable[[str], str]
) -> None:
    key = "sk/0123456789+ab&c=="

    async def echo(_: web.Request) -> web.Response:
        return web.Response(status=400, text=f'{{"error": {{"message": "wrong key: {written(key).strip(chr(34))}"}}}}')

    async with serving(echo) as port:
        assert (await failed(connect(f"http://127.0.0.1:{port}", key))).message == "wrong key: [hidden]"


@pytest.mark.parametrize("charset", ["hex", "rot13", "zip", "utf-16", "none", "x" * 2000])
async def test_no_character_set_of_a_reply_is_followed(connect: Callable[..., Endpoint], charset: str) -> None:
    async def answer(_: web.Request) -> web.Response:
        headers = {"content-type": f"application/json; charset={charset}"}
        return web.Response(status=500, body=b'{"error": {"message": "down"}}', headers=headers)

    async with serving(answer) as port:
        assert str(await failed(connect(f"http://127.0.0.1:{port}"))) == "server error: down"


@pytest.mark.parametrize("head", [b"hello", b"HTTP/1.1 200 OK\r\nx: " + b"a" * 2**16])
async def test_what_is_no_http_is_named(connect: Callable[..., Endpoint], head: bytes) -> None:
    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(head + b"\r\n\r\n")
        await writer.drain()

    async with await asyncio.start_server(answer, "127.0.0.1") as server:
        failure = await failed(connect(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"))
    assert (failure.kind, failure.kind.charge) == (FailureKind.MALFORMED, Charge.UNKNOWN)
    assert "no HTTP" in failure.message


@pytest.mark.parametrize("body", [b"[" * 10**5, b"\xff", b'{"input_tokens": ' + b"9" * 5_000 + b"}", b"{}", b"-1", b""])
async def test_a_count_of_tokens_that_is_none_is_not_known(body: bytes) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=body, content_type="application/json")

    async with serving(answer) as port:
        endpoint = AnthropicEndpoint(AnthropicConnection("secret", f"http://127.0.0.1:{port}"))
        assert await endpoint.count_tokens(request_of()) is None
        assert not endpoint.is_ours(f"http://127.0.0.1:{port}/\x00")
        assert not endpoint.is_ours(f"http://127.0.0.1:{port}/{'x' * 70_000}")
        await endpoint.close()


async def test_a_short_word_that_serves_as_a_key_stays_in_answers(connect: Callable[..., Endpoint]) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(body=b"none of them")

    async with serving(answer) as port:
        reply = await connect(f"http://127.0.0.1:{port}", "none").send(request_of(), 20.0)
    assert isinstance(reply, HttpReply)
    assert reply.body == b"none of them"


async def test_an_untrusted_certificate_is_named_and_a_further_authority_trusts_it(
    connect: Callable[..., Endpoint],
) -> None:
    async with serving(unauthorised, server_tls()) as port:
        refused = await failed(connect(f"https://localhost:{port}"))
        trusted = await failed(connect(f"https://localhost:{port}", ca_file=CERTIFICATES / "ca.pem"))
    assert refused.kind.stop_reason == "ANNOTATOR_TLS"
    assert "annotators.ca_file" in refused.message
    assert trusted.kind is FailureKind.CREDENTIALS, "the server was reached"


async def test_https_to_a_port_that_speaks_none_says_so(connect: Callable[..., Endpoint]) -> None:
    async with serving(unauthorised) as port:
        failure = await failed(connect(f"https://127.0.0.1:{port}"))
    assert failure.kind is FailureKind.TLS
    assert "speak https" in failure.message


async def test_a_proxy_is_used_for_others_than_this_machine(connect: Callable[..., Endpoint]) -> None:
    asked: list[str] = []

    async def proxy(request: web.Request) -> web.Response:
        asked.append(str(request.url.host))
        return web.json_response({"error": {"message": "no"}}, status=401)

    async with serving(proxy) as at_proxy, serving(unauthorised) as port:
        through = {"proxy": f"http://127.0.0.1:{at_proxy}"}
        await failed(connect("http://llm.invalid", **through))
        await failed(connect(f"http://127.0.0.1:{port}", **through))
    assert asked == ["llm.invalid"]


async def test_a_proxy_that_is_away_or_wants_credentials_is_named(connect: Callable[..., Endpoint]) -> None:
    async def refuse(_: web.Request) -> web.Response:
        return web.Response(status=407)

    async with serving(refuse) as at_proxy:
        refused = await failed(connect("https://llm.invalid", proxy=f"http://127.0.0.1:{at_proxy}"))
    away = await failed(connect("https://llm.invalid", proxy="http://127.0.0.1:9"))
    assert refused.kind is FailureKind.CREDENTIALS
    assert away.kind is FailureKind.PROXY
    assert all("annotators.proxy" in failure.message for failure in (refused, away))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]"])
async def test_private_addresses_are_refused_by_number_and_behind_a_name(
    connect: Callable[..., Endpoint], host: str
) -> None:
    asked: list[str] = []

    async def note(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.Response(status=500)

    async with serving(note) as port:
        failure = await failed(connect(f"http://{host}:{port}", public_only=True))
    assert failure.kind.stop_reason == "ANNOTATOR_ADDRESS"
    assert "annotators.private_addresses" in failure.message
    assert not asked


async def test_without_a_key_no_credential_of_the_server_is_sent(
    connect: Callable[..., Endpoint], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "of the environment")
    monkeypatch.setenv("ANTHROPIC_AUTH_TOKEN", "of the environment")
    monkeypatch.setenv("ANTHROPIC_CUSTOM_HEADERS", "X-Api-Key: of the environment\nAuthorization: of the environment")
    heads: list[dict[str, str]] = []

    async def note(request: web.Request) -> web.Response:
        heads.append({name.lower(): value for name, value in request.headers.items()})
        return web.Response(status=500)

    async with serving(note) as port:
        await failed(connect(f"http://127.0.0.1:{port}", key=None))
        await failed(connect(f"http://127.0.0.1:{port}", key="mine"))
    assert "authorization" not in heads[0]
    assert heads[1]["authorization"] == "Bearer mine"
    assert not any("of the environment" in value for head in heads for value in head.values())


@pytest.mark.parametrize("suffix", ["", "/", "/v1", "/v1/", "/v1/messages"])
async def test_the_version_in_a_base_url_is_not_doubled(fake: FakeAnthropic, suffix: str) -> None:
    endpoint = AnthropicEndpoint(AnthropicConnection("key", fake.url + suffix))
    result = await endpoint.send(request_of(), 10.0)
    assert isinstance(result, HttpReply)
    assert isinstance(endpoint.read(result), Reply)
    await endpoint.close()


@pytest.mark.parametrize("suffix", ["", "/", "/chat/completions"])
async def test_the_path_of_completions_is_not_doubled(suffix: str) -> None:
    asked: list[str] = []

    async def note(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.Response(body=json.dumps({}).encode())

    async with serving(note) as port:
        endpoint = OpenAiEndpoint(OpenAiConnection(f"http://127.0.0.1:{port}/v1{suffix}"))
        await endpoint.send(request_of(), 10.0)
        await endpoint.close()
    assert asked == ["/v1/chat/completions"]
