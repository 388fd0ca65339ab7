"""Streams of requests end with their calls: no task of theirs outlives a call that the server or the caller ended."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Any

import grpc
import pytest

from nextlabel.client import AsyncClient, NextlabelError, connect_async
from nextlabel.v1 import labeling_service_pb2, learner_service_pb2, pool_service_pb2
from tests.client.fake_state import error_info, rich_status
from tests.client.fakes import FakeServer

TEXTS = ["ball"] * 100_000
AT_ONCE = 20


def tasks() -> set[str]:
    """What is under way, besides the tasks that gRPC ends itself once it has the status of a call."""
    names = {task.get_coro().__qualname__ for task in asyncio.all_tasks()}  # type: ignore[union-attr]
    return {name for name in names if "_handle_status_once_received" not in name}


async def _first(elements: AsyncIterator[Any]) -> None:
    async with aclosing(elements):  # type: ignore[type-var]
        await anext(elements)


CALLS: dict[str, Callable[[AsyncClient], Awaitable[Any]]] = {
    "AddItems": lambda client: client.pool.add("news", TEXTS),
    "Embed": lambda client: _first(client.pool.embed("news", TEXTS)),
    "PredictStream": lambda client: _first(client.learner.predict_stream("news", TEXTS)),
    "UploadReplayLabels": lambda client: client.labeling.upload_replay_labels(
        "news", "truth", ((f"i{n}", "sports") for n in range(100_000))
    ),
}


def test_every_stream_of_requests_is_here() -> None:
    files = (labeling_service_pb2, learner_service_pb2, pool_service_pb2)
    services = [service for file in files for service in file.DESCRIPTOR.services_by_name.values()]
    streams = {method.name for service in services for method in service.methods if method.client_streaming}
    assert streams == CALLS.keys()


@pytest.mark.parametrize("name", CALLS)
async def test_a_refused_stream_says_why_and_leaves_no_task(server: FakeServer, name: str) -> None:
    async with connect_async(server.address) as client:
        await client.projects.create("news", labels=["sports", "politics"])
        server.state.refuse[name] = rich_status(grpc.StatusCode.PERMISSION_DENIED, "not you", error_info("NOT_ALLOWED"))
        before = tasks()
        # The server's answer and what is still being sent meet in another order each time.
        answers = await asyncio.gather(*(CALLS[name](client) for _ in range(AT_ONCE)), return_exceptions=True)
        assert {type(answer) for answer in answers} == {NextlabelError}
        assert {str(answer) for answer in answers} == {"not you"}
        assert tasks() <= before


@pytest.mark.parametrize("name", ["Embed", "PredictStream"])
async def test_a_stream_that_the_caller_leaves_leaves_no_task(server: FakeServer, name: str) -> None:
    async with connect_async(server.address) as client:
        await client.projects.create("news", labels=["sports", "politics"])
        before = tasks()
        await CALLS[name](client)
        assert tasks() <= before


@pytest.mark.parametrize(
    ("field", "predicted"),
    [
        ("input.texts.texts", lambda client, texts: client.learner.predict_stream("news", texts)),
        ("texts", lambda client, texts: client.pool.embed("news", texts)),
    ],
)
@pytest.mark.parametrize("place", [0, 999, 1_000, 60_500])
async def test_an_error_names_a_text_by_its_place_in_the_whole_call(
    server: FakeServer, field: str, predicted: Callable[[AsyncClient, list[str]], AsyncIterator[Any]], place: int
) -> None:
    server.state.longest_text = 10
    texts = [*TEXTS[:place], "a text too long", *TEXTS[place + 1 :]]
    async with connect_async(server.address) as client:
        await client.projects.create("news", labels=["sports", "politics"])
        with pytest.raises(NextlabelError) as refused:
            [_ async for _ in predicted(client, texts)]
    assert str(refused.value) == refused.value.message == f"{field}[{place}]: at most 10 bytes of UTF-8"
    assert [wrong.field for wrong in refused.value.violations] == [f"{field}[{place}]"]
