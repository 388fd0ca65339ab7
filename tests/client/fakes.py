"""An in-memory server that fails on request."""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Any

import grpc

from nextlabel.v1 import access_service_pb2_grpc as access_grpc
from nextlabel.v1 import budget_service_pb2_grpc as budget_grpc
from nextlabel.v1 import labeling_service_pb2_grpc as labeling_grpc
from nextlabel.v1 import learner_service_pb2_grpc as learner_grpc
from nextlabel.v1 import pool_service_pb2_grpc as pool_grpc
from nextlabel.v1 import project_service_pb2_grpc as project_grpc
from nextlabel.v1 import quality_service_pb2_grpc as quality_grpc
from nextlabel.v1 import report_service_pb2_grpc as report_grpc
from nextlabel.v1 import run_service_pb2_grpc as run_grpc
from nextlabel.v1 import text_service_pb2_grpc as text_grpc
from tests.client.fake_loop import Access, Budgets, Learner, Reports, Runs
from tests.client.fake_quality import Quality
from tests.client.fake_services import Labeling, Pool, Projects
from tests.client.fake_state import State
from tests.client.fake_texts import Texts


class Boundary(grpc.aio.ServerInterceptor):
    """Counts calls, notes request ids and metadata, and fails those that a test has marked."""

    def __init__(self, state: State) -> None:
        self.state = state

    async def intercept_service(self, continuation: Any, details: Any) -> Any:
        handler = await continuation(details)
        method = details.method.rpartition("/")[2]
        self.state.calls[method] += 1
        self.state.metadata.append(dict(details.invocation_metadata))
        if self.state.unavailable[method]:
            self.state.unavailable[method] -= 1
            return _failing(handler, lambda context: context.abort(grpc.StatusCode.UNAVAILABLE, "restarting"))
        if method in self.state.refuse:
            status = self.state.refuse[method]
            return _failing(handler, lambda context: context.abort_with_status(status))
        return handler


def _failing(handler: Any, fail: Callable[[Any], Awaitable[Any]]) -> Any:
    async def refuse(request: Any, context: Any) -> None:
        if handler.request_streaming:
            await anext(request)
        await fail(context)

    async def one(request: Any, context: Any) -> None:
        await refuse(request, context)

    async def many(request: Any, context: Any) -> AsyncIterator[None]:
        await refuse(request, context)
        yield

    make = {
        (False, False): grpc.unary_unary_rpc_method_handler,
        (True, False): grpc.stream_unary_rpc_method_handler,
        (False, True): grpc.unary_stream_rpc_method_handler,
        (True, True): grpc.stream_stream_rpc_method_handler,
    }[handler.request_streaming, handler.response_streaming]
    return make(many if handler.response_streaming else one, handler.request_deserializer, handler.response_serializer)


class FakeServer:
    """The services on a free port, on an event loop of their own."""

    def __init__(self, credentials: grpc.ServerCredentials | None = None) -> None:
        self.state = State()
        self._credentials = credentials
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.address = asyncio.run_coroutine_threadsafe(self._start(), self._loop).result()

    async def _start(self) -> str:
        self._server = grpc.aio.server(
            interceptors=[Boundary(self.state)], options=[("grpc.max_receive_message_length", 16 * 2**20)]
        )
        for serve in (
            partial(project_grpc.add_ProjectServiceServicer_to_server, Projects(self.state)),
            partial(pool_grpc.add_PoolServiceServicer_to_server, Pool(self.state)),
            partial(labeling_grpc.add_LabelingServiceServicer_to_server, Labeling(self.state)),
            partial(learner_grpc.add_LearnerServiceServicer_to_server, Learner(self.state)),
            partial(run_grpc.add_RunServiceServicer_to_server, Runs(self.state)),
            partial(budget_grpc.add_BudgetServiceServicer_to_server, Budgets(self.state)),
            partial(report_grpc.add_ReportServiceServicer_to_server, Reports(self.state)),
            partial(quality_grpc.add_QualityServiceServicer_to_server, Quality(self.state)),
            partial(text_grpc.add_TextServiceServicer_to_server, Texts()),
            partial(access_grpc.add_AccessServiceServicer_to_server, Access(self.state)),
        ):
            serve(self._server)
        if self._credentials is None:
            port = self._server.add_insecure_port("127.0.0.1:0")
        else:
            port = self._server.add_secure_port("127.0.0.1:0", self._credentials)
        await self._server.start()
        return f"127.0.0.1:{port}"

    def stop(self) -> None:
        asyncio.run_coroutine_threadsafe(self._server.stop(None), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
