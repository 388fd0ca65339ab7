"""What the boundary does around a servicer: errors, cancellation, deadlines, limits and counts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any, cast

import grpc
import pytest
import structlog
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from nextlabel.server.api.boundary.calls import current_call
from nextlabel.server.values import errors
from nextlabel.server.values.access import Role
from nextlabel.server.values.money.costs import BudgetDimension
from nextlabel.v1 import pool_pb2, pool_service_pb2, project_service_pb2
from nextlabel.v1.pool_service_pb2_grpc import PoolServiceServicer, PoolServiceStub
from nextlabel.v1.project_service_pb2_grpc import ProjectServiceServicer, ProjectServiceStub
from tests.api.conftest import Serve, Tokens

GET_PROJECT = "/nextlabel.v1.ProjectService/GetProject"
WATCH_POOL = "/nextlabel.v1.PoolService/WatchPool"
NEWS = project_service_pb2.GetProjectRequest(project="news")


class Projects(ProjectServiceServicer):
    """Answers GetProject with an error, or with the name of the caller."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.calls = 0

    async def GetProject(self, request: Any, context: Any) -> project_service_pb2.GetProjectResponse:  # noqa: N802
        self.calls += 1
        if self.error:
            raise self.error
        project = project_service_pb2.Project(name=current_call().principal.name)
        return project_service_pb2.GetProjectResponse(project=project)


class Waiting(ProjectServiceServicer):
    """Answers GetProject when it is told to, and says when a call began and how it ended."""

    def __init__(self) -> None:
        self.begun = asyncio.Semaphore(0)
        self.go = asyncio.Event()
        self.cancelled = asyncio.Event()

    async def GetProject(self, request: Any, context: Any) -> project_service_pb2.GetProjectResponse:  # noqa: N802
        self.begun.release()
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        return project_service_pb2.GetProjectResponse()


class Watching(PoolServiceServicer):
    """Sends a status, then fails or waits; AddItems acknowledges each batch and fails at the third."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.left = asyncio.Event()

    async def WatchPool(  # noqa: N802
        self, request: Any, context: Any
    ) -> AsyncIterator[pool_service_pb2.WatchPoolResponse]:
        try:
            yield pool_service_pb2.WatchPoolResponse()
            if self.error:
                raise self.error
            await asyncio.Event().wait()
        finally:
            self.left.set()

    async def AddItems(  # noqa: N802
        self, requests: Any, context: Any
    ) -> AsyncIterator[pool_service_pb2.AddItemsResponse]:
        async for request in requests:
            if request.batch.sequence == 3:
                raise errors.InvalidArgument.field("batch.sequence", "must be 2")
            yield pool_service_pb2.AddItemsResponse(sequence=request.batch.sequence)


def projects(servicer: ProjectServiceServicer) -> dict[str, object]:
    return {"nextlabel.v1.ProjectService": servicer}


def pool(servicer: PoolServiceServicer) -> dict[str, object]:
    return {"nextlabel.v1.PoolService": servicer}


def status_of(error: grpc.aio.AioRpcError) -> status_pb2.Status:
    status = rpc_status.from_call(cast("grpc.Call", error))
    assert status is not None
    return status


def details_of(error: grpc.aio.AioRpcError) -> dict[type, Message]:
    found: dict[type, Message] = {}
    for packed in status_of(error).details:
        cls = getattr(error_details_pb2, packed.TypeName().rpartition(".")[2])
        detail = cls()
        packed.Unpack(detail)
        found[cls] = detail
    return found


async def failure(serve: Serve, error: Exception) -> grpc.aio.AioRpcError:
    serving = await serve(projects(Projects(error)))
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await ProjectServiceStub(serving.channel).GetProject(NEWS, timeout=60)
    return raised.value


MAPPED: Sequence[tuple[errors.DomainError, grpc.StatusCode, set[type]]] = [
    (
        errors.InvalidArgument.field("count", "must be positive"),
        grpc.StatusCode.INVALID_ARGUMENT,
        {error_details_pb2.BadRequest},
    ),
    (errors.NotFound("project", "news"), grpc.StatusCode.NOT_FOUND, {error_details_pb2.ResourceInfo}),
    (errors.AlreadyExists("project", "news"), grpc.StatusCode.ALREADY_EXISTS, {error_details_pb2.ResourceInfo}),
    (errors.FailedPrecondition("train first"), grpc.StatusCode.FAILED_PRECONDITION, set()),
    (
        errors.ResourceExhausted("full", quota="items", retry_after_s=1.5),
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        {error_details_pb2.QuotaFailure, error_details_pb2.RetryInfo},
    ),
    (
        errors.BudgetExhausted(BudgetDimension.LABELS, 100),
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        {error_details_pb2.QuotaFailure},
    ),
    (errors.AnnotatorStopped("raise the limit of the provider"), grpc.StatusCode.FAILED_PRECONDITION, set()),
    (errors.PermissionDenied("no"), grpc.StatusCode.PERMISSION_DENIED, set()),
    (errors.Unauthenticated("who?"), grpc.StatusCode.UNAUTHENTICATED, set()),
    (errors.Aborted("again"), grpc.StatusCode.ABORTED, set()),
    (errors.Unavailable("later", retry_after_s=2), grpc.StatusCode.UNAVAILABLE, {error_details_pb2.RetryInfo}),
    (errors.NotImplementedYet("not yet"), grpc.StatusCode.UNIMPLEMENTED, set()),
    (errors.DataLoss("damaged"), grpc.StatusCode.DATA_LOSS, set()),
]


@pytest.mark.parametrize(("error", "code", "details"), MAPPED, ids=lambda value: type(value).__name__)
async def test_a_domain_error_becomes_its_status(
    serve: Serve, error: errors.DomainError, code: grpc.StatusCode, details: set[type]
) -> None:
    raised = await failure(serve, error)
    found = details_of(raised)
    assert raised.code() is code
    assert raised.details() == error.message
    assert set(found) == {error_details_pb2.ErrorInfo} | details
    info = found[error_details_pb2.ErrorInfo]
    assert isinstance(info, error_details_pb2.ErrorInfo)
    assert (info.reason, info.domain) == (error.reason, "nextlabel")


def test_every_domain_error_is_mapped() -> None:
    def leaves(cls: type[errors.DomainError]) -> set[type]:
        return {cls}.union(*(leaves(below) for below in cls.__subclasses__()))

    abstract = {errors.DomainError, errors.ResourceError}
    ours = {cls for cls in leaves(errors.DomainError) if cls.__module__ == errors.__name__}
    assert ours - abstract == {type(error) for error, _, _ in MAPPED}


async def test_an_exhausted_budget_says_which_dimension_and_limit(serve: Serve) -> None:
    error = errors.BudgetExhausted(BudgetDimension.MICRO_USD, 1_500_000, line="annotation")
    info = details_of(await failure(serve, error))[error_details_pb2.ErrorInfo]
    assert isinstance(info, error_details_pb2.ErrorInfo)
    assert dict(info.metadata) == {"dimension": "micro_usd", "limit": "1500000", "line": "annotation"}


@pytest.mark.parametrize("letter", ["x", "ü", "漢", "😀", "\n"])
async def test_an_error_with_endless_text_still_arrives(serve: Serve, letter: str) -> None:
    endless = letter * 20_000
    error = errors.InvalidArgument([(endless, endless)] * 20)
    raised = await failure(serve, error)
    assert raised.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert error_details_pb2.BadRequest in details_of(raised)


async def test_a_name_without_end_still_arrives(serve: Serve) -> None:
    raised = await failure(serve, errors.NotFound("project", "😀" * 20_000))
    assert raised.code() is grpc.StatusCode.NOT_FOUND
    assert error_details_pb2.ResourceInfo in details_of(raised)


@pytest.mark.parametrize(
    "error", [RuntimeError("secret /srv/path"), KeyError("x"), TimeoutError("inner"), RecursionError(), MemoryError()]
)
async def test_a_fault_shows_the_caller_a_reference_and_the_log_the_rest(serve: Serve, error: Exception) -> None:
    with structlog.testing.capture_logs() as logs:
        raised = await failure(serve, error)
    (logged,) = [entry for entry in logs if entry["event"] == "call failed"]
    assert raised.code() is grpc.StatusCode.INTERNAL
    assert logged["exc_info"]
    assert "secret" not in status_of(raised).SerializeToString().decode(errors="replace")
    assert type(error).__name__ not in (raised.details() or "")


async def test_the_log_has_what_was_refused_under_the_callers_reference(serve: Serve) -> None:
    serving = await serve(projects(Projects(errors.NotFound("project", "news"))))
    stub, merged = ProjectServiceStub(serving.channel), structlog.contextvars.merge_contextvars
    with structlog.testing.capture_logs(processors=[merged]) as logs, pytest.raises(grpc.aio.AioRpcError):
        await stub.GetProject(NEWS, metadata=[("x-request-id", "mine")], timeout=60)
    (told,) = [entry for entry in logs if entry["event"] == "call ended"]
    assert (told["log_level"], told["reference"], told["code"]) == ("info", "mine", "NOT_FOUND")


async def test_the_reference_in_an_internal_error_is_that_of_the_caller_if_it_is_a_safe_one(serve: Serve) -> None:
    serving = await serve(projects(Projects(RuntimeError())))
    stub = ProjectServiceStub(serving.channel)
    for given, used in [("trace-7", True), ("a b", False), ("x" * 65, False)]:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await stub.GetProject(NEWS, metadata=[("x-request-id", given)], timeout=60)
        assert (raised.value.details() or "").endswith(f"reference {given}") is used


async def test_what_is_not_there_yet_says_so(serve: Serve) -> None:
    serving = await serve()
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await ProjectServiceStub(serving.channel).GetProject(NEWS, timeout=60)
    assert raised.value.code() is grpc.StatusCode.UNIMPLEMENTED
    assert GET_PROJECT in (raised.value.details() or "")


async def test_an_error_in_the_middle_of_a_response_stream_arrives_after_what_came_before(serve: Serve) -> None:
    serving = await serve(pool(Watching(errors.Unavailable("the pool is gone"))))
    call = PoolServiceStub(serving.channel).WatchPool(pool_service_pb2.WatchPoolRequest(project="news"), timeout=60)
    responses = aiter(call)
    assert await anext(responses) == pool_service_pb2.WatchPoolResponse()
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await anext(responses)
    assert raised.value.code() is grpc.StatusCode.UNAVAILABLE
    assert serving.calls(WATCH_POOL, "UNAVAILABLE") == 1


async def test_an_error_in_the_middle_of_a_bidirectional_stream_names_its_field(serve: Serve) -> None:
    serving = await serve(pool(Watching()))
    header = pool_service_pb2.AddItemsHeader(project="news")
    batches = [pool_service_pb2.ItemBatch(sequence=n, items=[pool_pb2.Item()]) for n in (1, 3)]
    requests = [
        pool_service_pb2.AddItemsRequest(header=header),
        *(pool_service_pb2.AddItemsRequest(batch=b) for b in batches),
    ]
    responses = aiter(PoolServiceStub(serving.channel).AddItems(iter(requests), timeout=60))
    assert [(await anext(responses)).sequence for _ in range(2)] == [0, 1]
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await anext(responses)
    bad = details_of(raised.value)[error_details_pb2.BadRequest]
    assert isinstance(bad, error_details_pb2.BadRequest)
    assert [violation.field for violation in bad.field_violations] == ["batch.sequence"]


async def test_a_watcher_that_leaves_ends_the_servicer_and_frees_its_place(serve: Serve) -> None:
    servicer = Watching()
    serving = await serve(pool(servicer), api={"concurrent_streams": 1})
    stub = PoolServiceStub(serving.channel)
    for _ in range(3):
        servicer.left.clear()
        call = stub.WatchPool(pool_service_pb2.WatchPoolRequest(project="news"), timeout=60)
        await anext(aiter(call))
        call.cancel()
        async with asyncio.timeout(60):
            await servicer.left.wait()
    assert serving.calls(WATCH_POOL, "CANCELLED") == 3


class Chattering(PoolServiceServicer):
    """Goes on sending statuses to a watcher who has left."""

    def __init__(self) -> None:
        self.left = asyncio.Event()

    async def WatchPool(  # noqa: N802
        self, request: Any, context: Any
    ) -> AsyncIterator[pool_service_pb2.WatchPoolResponse]:
        yield pool_service_pb2.WatchPoolResponse()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            try:
                yield pool_service_pb2.WatchPoolResponse()
            finally:
                self.left.set()


async def test_sending_to_a_watcher_who_left_is_no_fault(serve: Serve) -> None:
    servicer = Chattering()
    serving = await serve(pool(servicer))
    call = PoolServiceStub(serving.channel).WatchPool(pool_service_pb2.WatchPoolRequest(project="news"), timeout=60)
    await anext(aiter(call))
    with structlog.testing.capture_logs() as logs:
        call.cancel()
        async with asyncio.timeout(60):
            await servicer.left.wait()
    assert "call failed" not in [entry["event"] for entry in logs]
    assert serving.calls(WATCH_POOL, "CANCELLED") == 1


async def test_a_client_that_gives_up_cancels_the_work(serve: Serve) -> None:
    servicer = Waiting()
    serving = await serve(projects(servicer))
    call = ProjectServiceStub(serving.channel).GetProject(NEWS)
    await servicer.begun.acquire()
    call.cancel()
    async with asyncio.timeout(60):
        await servicer.cancelled.wait()


async def test_a_call_without_a_deadline_gets_the_one_of_the_server(serve: Serve) -> None:
    servicer = Waiting()
    serving = await serve(projects(servicer), api={"default_deadline_s": 0.01})
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await ProjectServiceStub(serving.channel).GetProject(NEWS)
    assert raised.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert servicer.cancelled.is_set()
    assert serving.calls(GET_PROJECT, "DEADLINE_EXCEEDED") == 1


async def test_more_calls_than_allowed_are_told_when_to_come_again(serve: Serve) -> None:
    servicer = Waiting()
    serving = await serve(projects(servicer), api={"concurrent_calls": 3, "concurrent_calls_per_caller": 3})
    stub = ProjectServiceStub(serving.channel)
    held = [asyncio.ensure_future(stub.GetProject(NEWS, timeout=60)) for _ in range(3)]
    for _ in held:
        await servicer.begun.acquire()
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await stub.GetProject(NEWS, timeout=60)
    assert raised.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    retry = details_of(raised.value)[error_details_pb2.RetryInfo]
    assert isinstance(retry, error_details_pb2.RetryInfo)
    assert retry.retry_delay.ToNanoseconds() > 0
    servicer.go.set()
    await asyncio.gather(*held)
    await stub.GetProject(NEWS, timeout=60)


async def test_one_caller_cannot_take_the_places_of_all(serve: Serve, tokens: Tokens) -> None:
    servicer = Waiting()
    serving = await serve(
        projects(servicer),
        auth={"required": True},
        api={"concurrent_calls": 3, "concurrent_calls_per_caller": 2},
    )
    for name in ("greedy", "modest"):
        tokens.add(name, Role.READER)
    stub = ProjectServiceStub(serving.channel)

    def get(name: str) -> Any:
        return stub.GetProject(NEWS, metadata=[("authorization", f"Bearer {name}")], timeout=60)

    held = [asyncio.ensure_future(get("greedy")) for _ in range(2)]
    for _ in held:
        await servicer.begun.acquire()
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await get("greedy")
    assert raised.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    held.append(asyncio.ensure_future(get("modest")))
    await servicer.begun.acquire()
    servicer.go.set()
    await asyncio.gather(*held)


async def test_calls_are_counted_by_method_and_code(serve: Serve) -> None:
    serving = await serve(projects(Projects()))
    stub = ProjectServiceStub(serving.channel)
    for _ in range(2):
        await stub.GetProject(NEWS, timeout=60)
    assert serving.calls(GET_PROJECT, "OK") == 2
    running = serving.registry.get_sample_value("nextlabel_grpc_calls_running", {"method": GET_PROJECT})
    assert running == 0
