"""Callers who begin calls and do not go on: they get little, and nothing that others need."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from nextlabel.server.api.boundary.admission import Arrivals, OverdueRequestError
from nextlabel.server.api.boundary.auth import TokenLookup, secret_hash
from nextlabel.server.api.boundary.refusals import Refusals
from nextlabel.server.values.access import AccessToken, Role
from nextlabel.server.values.errors import ResourceExhausted
from nextlabel.v1 import pool_service_pb2
from nextlabel.v1.pool_service_pb2_grpc import PoolServiceStub
from nextlabel.v1.project_service_pb2_grpc import ProjectServiceStub
from tests.api.conftest import Serve, Serving, Tokens
from tests.api.test_boundary import NEWS, Projects, Watching, pool, projects
from tests.hostile.strangers import ADD_ITEMS, CHECK, EMPTY_REQUEST, GET_PROJECT, REFLECT, WATCH, Connection, connected

AS_READER = [("authorization", "Bearer reader")]


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not true():  # noqa: ASYNC110 -- neither gauges nor raw connections send events
            await asyncio.sleep(0)


def running(serving: Serving, method: str) -> float:
    return serving.registry.get_sample_value("nextlabel_grpc_calls_running", {"method": method}) or 0.0


async def is_serving(serving: Serving) -> bool:
    stub: Any = health_pb2_grpc.HealthStub(serving.channel)
    response = await stub.Check(health_pb2.HealthCheckRequest(), timeout=60)
    return bool(response.status == health_pb2.HealthCheckResponse.SERVING)


async def ended(connection: Connection, calls: int) -> None:
    await until(lambda: connection.ended.total() >= calls)


async def test_calls_whose_request_does_not_come_hold_no_place(serve: Serve) -> None:
    serving = await serve(projects(Projects()), api={"concurrent_calls": 1, "concurrent_streams": 1})
    async with connected(serving.address) as stranger:
        for _ in range(40):
            for path in (GET_PROJECT, ADD_ITEMS, CHECK):
                stranger.begin(path)
        await until(lambda: all(running(serving, path) == 40 for path in (GET_PROJECT, ADD_ITEMS, CHECK)))
        await ProjectServiceStub(serving.channel).GetProject(NEWS, timeout=60)
        assert await is_serving(serving)


async def test_who_shows_no_token_is_refused_before_a_request_comes(serve: Serve) -> None:
    serving = await serve(auth={"required": True})
    async with connected(serving.address) as stranger:
        for path in (GET_PROJECT, ADD_ITEMS):
            stranger.begin(path)
        await ended(stranger, 2)
    assert serving.calls(GET_PROJECT, "UNAUTHENTICATED") == serving.calls(ADD_ITEMS, "UNAUTHENTICATED") == 1


async def test_a_flood_without_a_token_keeps_neither_work_nor_probes_out(serve: Serve, tokens: Tokens) -> None:
    tokens.add("reader", Role.READER)
    serving = await serve(projects(Projects()) | pool(Watching()), auth={"required": True})
    async with connected(serving.address) as stranger, connected(serving.address) as watcher:
        for _ in range(1_600):
            stranger.begin(CHECK)
            watcher.begin(WATCH, body=EMPTY_REQUEST)
        # More than a connection may have open: the rest is turned away by the transport.
        await ended(stranger, 1_000)
        await ended(watcher, 1_000)
        await ProjectServiceStub(serving.channel).GetProject(NEWS, metadata=AS_READER, timeout=60)
        watch = PoolServiceStub(serving.channel).WatchPool(
            pool_service_pb2.WatchPoolRequest(project="news"), metadata=AS_READER, timeout=60
        )
        assert await anext(aiter(watch)) is not None
        assert await is_serving(serving)
        watch.cancel()


async def test_watchers_take_no_places_of_work_and_health_none_of_watchers(serve: Serve) -> None:
    serving = await serve(
        pool(Watching()), api={"concurrent_streams": 1, "concurrent_streams_per_caller": 1, "drain_s": 0.1}
    )
    stub = PoolServiceStub(serving.channel)
    async with connected(serving.address) as stranger:
        for _ in range(5):
            stranger.begin(WATCH, body=EMPTY_REQUEST)
            stranger.begin(REFLECT)
        await until(lambda: running(serving, WATCH) == 5)
        watch = stub.WatchPool(pool_service_pb2.WatchPoolRequest(project="news"), timeout=60)
        await anext(aiter(watch))
        upload = stub.AddItems(
            iter([pool_service_pb2.AddItemsRequest(header=pool_service_pb2.AddItemsHeader(project="news"))]),
            timeout=60,
        )
        await anext(aiter(upload))
        watch.cancel()


async def test_one_host_holds_a_share_of_the_streams_that_need_no_token(serve: Serve) -> None:
    serving = await serve()
    async with connected(serving.address) as watcher:
        for _ in range(70):
            watcher.begin(WATCH, body=EMPTY_REQUEST)
        await ended(watcher, 6)
        assert len(watcher.open) == 64
    await until(lambda: serving.calls(WATCH, "RESOURCE_EXHAUSTED") == 6)


async def test_connections_have_a_limit(serve: Serve) -> None:
    serving = await serve(api={"connections": 3})
    async with AsyncExitStack() as stack:
        strangers = [await stack.enter_async_context(connected(serving.address)) for _ in range(5)]
        await until(lambda: sum(stranger.gone for stranger in strangers) == 2)


@pytest.mark.parametrize(("path", "setting"), [(GET_PROJECT, "request_wait_s"), (CHECK, "unknown_request_wait_s")])
async def test_a_request_that_does_not_come_in_time_ends_its_call(serve: Serve, path: str, setting: str) -> None:
    serving = await serve(api={setting: 0.01})
    async with connected(serving.address) as stranger:
        stranger.begin(path)
        await ended(stranger, 1)
    assert serving.calls(path, "DEADLINE_EXCEEDED") == 1


async def test_a_call_that_ends_without_a_request_is_told_so(serve: Serve) -> None:
    serving = await serve(projects(Projects()))
    call: Any = serving.channel.stream_unary(GET_PROJECT)
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await call(iter([]), timeout=60)
    assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_who_has_waited_longest_makes_room_for_who_comes() -> None:
    arrivals = Arrivals(room=2, patience_s=60)
    never = asyncio.Event()

    async def wait() -> None:
        async with arrivals.waiting():
            await never.wait()

    waiting = [asyncio.create_task(wait()) for _ in range(5)]
    done, still = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    while len(done) < 3:
        more, still = await asyncio.wait(still, return_when=asyncio.FIRST_COMPLETED)
        done |= more
    assert set(waiting[:3]) == done
    assert {type(task.exception()) for task in done} == {ResourceExhausted}
    for task in still:
        task.cancel()
    await asyncio.gather(*still, return_exceptions=True)
    async with arrivals.waiting():
        pass


async def test_patience_ends() -> None:
    with pytest.raises(OverdueRequestError):
        async with Arrivals(room=1, patience_s=0.001).waiting():
            await asyncio.Event().wait()


class SlowForUnknown(Tokens):
    """A store that never answers about secrets that nobody was given."""

    async def token_by_hash(self, token_hash: str) -> AccessToken | None:
        self.asked = getattr(self, "asked", 0) + 1
        if token_hash not in self.by_hash:
            await asyncio.Event().wait()
        return self.by_hash[token_hash]


async def test_invented_secrets_do_not_keep_good_ones_waiting() -> None:
    tokens = SlowForUnknown()
    good = tokens.add("good", Role.READER)
    lookup = TokenLookup(tokens, Arrivals(room=100, patience_s=60))
    assert await lookup.token_by_hash(secret_hash("good")) == good
    invented = [asyncio.create_task(lookup.token_by_hash(secret_hash(f"invented {n}"))) for n in range(200)]
    await until(lambda: sum(task.done() for task in invented) == 100)
    asked = tokens.asked
    assert asked < 10
    assert await lookup.token_by_hash(secret_hash("good")) == good
    for task in invented:
        task.cancel()
    await asyncio.gather(*invented, return_exceptions=True)


def test_refusals_keep_to_their_rate_once_the_first_are_given() -> None:
    now = 0.0
    refusals = Refusals(burst=3, per_s=10.0, waiting=5, monotonic=lambda: now)
    assert [round(refusals.delay_s(), 6) for _ in range(10)] == [0, 0, 0, 0.1, 0.2, 0.3, 0.4, 0.5, 0, 0]
    now = 100.0
    assert refusals.delay_s() == 0
