"""Health that tells the truth, and an orderly end."""

import asyncio
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from nextlabel.v1 import pool_service_pb2
from nextlabel.v1.pool_service_pb2_grpc import PoolServiceStub
from nextlabel.v1.project_service_pb2_grpc import ProjectServiceStub
from tests.api.catalogue import answered
from tests.api.conftest import Serve, Serving
from tests.api.test_boundary import NEWS, Projects, Waiting, Watching, pool, projects

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


class Store:
    """Something that services stand on."""

    def __init__(self) -> None:
        self.well = True

    async def probe(self) -> None:
        if not self.well:
            raise OSError("disk full")


async def health(serving: Serving, service: str) -> int:
    stub: Any = health_pb2_grpc.HealthStub(serving.channel)
    response = await stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=60)
    return int(response.status)


async def test_a_service_is_healthy_as_long_as_what_it_stands_on(serve: Serve) -> None:
    state, items = Store(), Store()
    serving = await serve(probes={"nextlabel.v1.ProjectService": state.probe, "nextlabel.v1.PoolService": items.probe})
    services = ("nextlabel.v1.ProjectService", "nextlabel.v1.PoolService", "")
    assert [await health(serving, service) for service in services] == [SERVING] * 3
    items.well = False
    await serving.api.health.check()
    assert [await health(serving, service) for service in services] == [SERVING, NOT_SERVING, NOT_SERVING]
    items.well = True
    await serving.api.health.check()
    assert [await health(serving, service) for service in services] == [SERVING] * 3


async def test_a_watcher_of_health_sees_it_change(serve: Serve) -> None:
    store = Store()
    serving = await serve(probes={"nextlabel.v1.PoolService": store.probe})
    stub: Any = health_pb2_grpc.HealthStub(serving.channel)
    seen = aiter(stub.Watch(health_pb2.HealthCheckRequest(service="nextlabel.v1.PoolService"), timeout=60))
    assert (await anext(seen)).status == SERVING
    store.well = False
    await serving.api.health.check()
    assert (await anext(seen)).status == NOT_SERVING


async def test_health_answers_when_all_places_are_taken_and_without_a_token(serve: Serve) -> None:
    servicer = Waiting()
    serving = await serve(projects(servicer), api={"concurrent_calls": 1})
    held = asyncio.ensure_future(ProjectServiceStub(serving.channel).GetProject(NEWS, timeout=60))
    await servicer.begun.acquire()
    assert await health(serving, "") == SERVING
    servicer.go.set()
    await held
    closed = await serve(auth={"required": True})
    assert await health(closed, "") == SERVING


async def first_refusal(stub: Any) -> None:
    """Call until no new connection is let in any more; a call that is let in would wait like the first."""
    while True:
        try:
            await stub.GetProject(NEWS, timeout=0.1)
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.UNAVAILABLE:
                return


async def test_a_draining_server_finishes_what_is_under_way_and_takes_nothing_new(serve: Serve) -> None:
    servicer = Waiting()
    serving = await serve(projects(servicer), api={"drain_s": 60})
    stub = ProjectServiceStub(serving.channel)
    under_way = asyncio.ensure_future(stub.GetProject(NEWS, timeout=60))
    await servicer.begun.acquire()
    draining = asyncio.ensure_future(serving.api.drain())
    async with grpc.aio.insecure_channel(serving.address) as late:
        await first_refusal(ProjectServiceStub(late))
    assert not under_way.done()
    servicer.go.set()
    await under_way
    await draining


async def test_a_call_that_outlasts_the_drain_is_cut_off(serve: Serve) -> None:
    servicer = Waiting()
    serving = await serve(projects(servicer), api={"drain_s": 0.01})
    under_way = asyncio.ensure_future(ProjectServiceStub(serving.channel).GetProject(NEWS, timeout=60))
    await servicer.begun.acquire()
    await serving.api.drain()
    with pytest.raises(grpc.aio.AioRpcError):
        await under_way
    assert servicer.cancelled.is_set()


async def test_a_stream_without_end_does_not_hold_up_the_stop(serve: Serve) -> None:
    serving = await serve(pool(Watching()), api={"drain_s": 600})
    request = pool_service_pb2.WatchPoolRequest(project="news")
    responses = aiter(PoolServiceStub(serving.channel).WatchPool(request, timeout=60))
    await anext(responses)
    checks: Any = health_pb2_grpc.HealthStub(serving.channel)
    states = aiter(checks.Watch(health_pb2.HealthCheckRequest(), timeout=60))
    assert (await anext(states)).status == SERVING
    async with asyncio.timeout(60):
        await serving.api.drain()
    assert (await anext(states)).status == NOT_SERVING
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await anext(responses)
    assert raised.value.code() is grpc.StatusCode.UNAVAILABLE


async def listed_services(serving: Serving) -> list[str]:
    make: Any = reflection_pb2_grpc.ServerReflectionStub
    stub = make(serving.channel)
    request = reflection_pb2.ServerReflectionRequest(list_services="*")

    async def answers() -> list[Any]:
        return [r async for r in stub.ServerReflectionInfo(iter([request]), timeout=60)]

    (response,) = await answered(answers)
    return [service.name for service in response.list_services_response.service]


async def test_reflection_lists_the_services_unless_it_is_switched_off(serve: Serve) -> None:
    assert "nextlabel.v1.PoolService" in await listed_services(await serve(projects(Projects())))
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await listed_services(await serve(api={"reflection": False}))
    assert raised.value.code() is grpc.StatusCode.UNIMPLEMENTED
