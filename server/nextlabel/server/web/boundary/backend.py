"""The service as the pages see it: calls over one channel, each with the token of who looks at the page."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

import grpc

from nextlabel.client.errors import raise_from
from nextlabel.client.transport.references import CallHeaders
from nextlabel.v1.access_service_pb2_grpc import AccessServiceStub
from nextlabel.v1.budget_service_pb2_grpc import BudgetServiceStub
from nextlabel.v1.labeling_service_pb2_grpc import LabelingServiceStub
from nextlabel.v1.learner_service_pb2_grpc import LearnerServiceStub
from nextlabel.v1.pool_service_pb2_grpc import PoolServiceStub
from nextlabel.v1.project_service_pb2_grpc import ProjectServiceStub
from nextlabel.v1.quality_service_pb2_grpc import QualityServiceStub
from nextlabel.v1.report_service_pb2_grpc import ReportServiceStub
from nextlabel.v1.run_service_pb2_grpc import RunServiceStub
from nextlabel.v1.text_service_pb2_grpc import TextServiceStub

if TYPE_CHECKING:
    from nextlabel.v1.access_service_pb2_grpc import AccessServiceAsyncStub
    from nextlabel.v1.budget_service_pb2_grpc import BudgetServiceAsyncStub
    from nextlabel.v1.labeling_service_pb2_grpc import LabelingServiceAsyncStub
    from nextlabel.v1.learner_service_pb2_grpc import LearnerServiceAsyncStub
    from nextlabel.v1.pool_service_pb2_grpc import PoolServiceAsyncStub
    from nextlabel.v1.project_service_pb2_grpc import ProjectServiceAsyncStub
    from nextlabel.v1.quality_service_pb2_grpc import QualityServiceAsyncStub
    from nextlabel.v1.report_service_pb2_grpc import ReportServiceAsyncStub
    from nextlabel.v1.run_service_pb2_grpc import RunServiceAsyncStub
    from nextlabel.v1.text_service_pb2_grpc import TextServiceAsyncStub

Request = TypeVar("Request")
Response = TypeVar("Response")

CALL_S = 30.0
PATIENCE_S = 5.0
"""How long a part of a page waits for what may take longer; it asks again, and what was begun goes on meanwhile."""


class Backend:
    """One channel to the service. It belongs to the event loop of its first call.

    ``server`` names it in messages to people. Calls raise NextlabelError with the sentences of the service.
    """

    def __init__(self, channel: grpc.aio.Channel, server: str) -> None:
        self.channel = channel
        self.server = server

    @cached_property
    def projects(self) -> ProjectServiceAsyncStub:
        """Projects and guidelines."""
        return ProjectServiceStub(self.channel)

    @cached_property
    def pool(self) -> PoolServiceAsyncStub:
        """Items."""
        return PoolServiceStub(self.channel)

    @cached_property
    def labeling(self) -> LabelingServiceAsyncStub:
        """Leases and annotations."""
        return LabelingServiceStub(self.channel)

    @cached_property
    def learner(self) -> LearnerServiceAsyncStub:
        """Model versions."""
        return LearnerServiceStub(self.channel)

    @cached_property
    def runs(self) -> RunServiceAsyncStub:
        """Runs."""
        return RunServiceStub(self.channel)

    @cached_property
    def budgets(self) -> BudgetServiceAsyncStub:
        """Budgets and the ledger."""
        return BudgetServiceStub(self.channel)

    @cached_property
    def reports(self) -> ReportServiceAsyncStub:
        """Curves and reports."""
        return ReportServiceStub(self.channel)

    @cached_property
    def quality(self) -> QualityServiceAsyncStub:
        """Whether labels can be trusted."""
        return QualityServiceStub(self.channel)

    @cached_property
    def texts(self) -> TextServiceAsyncStub:
        """Candidate texts."""
        return TextServiceStub(self.channel)

    @cached_property
    def access(self) -> AccessServiceAsyncStub:
        """Tokens."""
        return AccessServiceStub(self.channel)

    async def close(self) -> None:
        """Close the channel."""
        await self.channel.close()


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who looks at a page: the backend, called with their token (empty where the server asks for none)."""

    backend: Backend
    token: str

    async def call(self, method: Callable[..., Any], request: Any, within_s: float = CALL_S) -> Any:
        """Make a unary call; after ``within_s`` seconds nobody waits for it any more.

        Raises:
            NextlabelError: what the service answered instead.
        """
        headers = CallHeaders(self.token)
        try:
            return await method(request, timeout=within_s, metadata=headers.metadata)
        except grpc.aio.AioRpcError as error:
            raise_from(error, self.backend.server, headers.reference)

    async def stream(self, method: Callable[..., Any], request: Any) -> AsyncIterator[Any]:
        """Make a call that answers with a stream.

        Raises:
            NextlabelError: what the service answered instead.
        """
        headers = CallHeaders(self.token)
        try:
            async for response in method(request, metadata=headers.metadata):
                yield response
        except grpc.aio.AioRpcError as error:
            raise_from(error, self.backend.server, headers.reference)
