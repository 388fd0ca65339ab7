"""Services that rules of filters ask: what is sent, what is taken, and what is wrong with other replies."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web

from nextlabel.server.annotators.filter_services import BATCH, FilterService
from nextlabel.server.values.errors import FailedPrecondition, Unavailable
from tests.annotators.serving import serving

Handler = Callable[[web.Request], Awaitable[web.Response]]


def answering(reply: Any, status: int = 200, **headers: str) -> Handler:
    async def handler(_: web.Request) -> web.Response:
        return web.json_response(reply, status=status, headers=headers)

    return handler


async def test_texts_are_sent_in_batches_with_the_key_and_values_come_in_their_order() -> None:
    seen: list[tuple[int, str | None]] = []

    async def handler(request: web.Request) -> web.Response:
        texts = (await request.json())["texts"]
        seen.append((len(texts), request.headers.get("Authorization")))
        return web.json_response({"values": [len(text) for text in texts]})

    async with serving("texts", handler) as url:
        texts = ["x" * n for n in range(BATCH + 3)]
        assert await FilterService("size", f"{url}/texts", "secret").values(texts) == list(range(BATCH + 3))
    assert seen == [(BATCH, "Bearer secret"), (3, "Bearer secret")]


@pytest.mark.parametrize("value", [True, 0.5, 3, "a text", None])
async def test_values_are_those_of_rules(value: Any) -> None:
    async with serving("texts", answering({"values": [value]})) as url:
        assert await FilterService("kind", f"{url}/texts").values(["text"]) == [value]


@pytest.mark.parametrize("reply", [{"values": []}, {"values": ["a", "b"]}, {"value": ["a"]}, [1], "x"])
async def test_another_reply_is_refused(reply: Any) -> None:
    async with serving("texts", answering(reply)) as url:
        with pytest.raises(FailedPrecondition, match=r"behind kind\(text\) did not answer with .* of 1 values"):
            await FilterService("kind", f"{url}/texts").values(["text"])


async def test_a_reply_that_is_nested_without_end_is_refused() -> None:
    async def handler(_: web.Request) -> web.Response:
        return web.Response(body=b"[" * 100_000)

    async with serving("texts", handler) as url:
        with pytest.raises(FailedPrecondition, match=r"did not answer with"):
            await FilterService("kind", f"{url}/texts").values(["text"])


@pytest.mark.parametrize("value", [{"a": 1}, [1], "x" * 1_001, float("nan"), float("inf"), 10**400])
async def test_what_is_no_value_of_rules_is_refused(value: Any) -> None:
    async with serving("texts", answering({"values": [value]})) as url:
        with pytest.raises(FailedPrecondition, match=r"kind\(text\) said"):
            await FilterService("kind", f"{url}/texts").values(["text"])


async def test_faults_and_redirects_say_what_happened_and_follow_nobody() -> None:
    async with serving("texts", answering({}, 302, Location="http://127.0.0.1:9/else")) as url:
        with pytest.raises(Unavailable, match="HTTP status 302"):
            await FilterService("kind", f"{url}/texts").values(["text"])
    with pytest.raises(Unavailable, match=r"kind\(text\) cannot be asked"):
        await FilterService("kind", f"{url}/texts").values(["text"])
