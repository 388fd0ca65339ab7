"""The versions of the guidelines of a project."""

from collections.abc import AsyncIterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from nextlabel.client.transport.calls import Mode, Scope, Service, project_call, project_stream
from nextlabel.client.transport.connection import LONG_CALL_S
from nextlabel.v1 import project_service_pb2 as pb
from nextlabel.v1.annotation_pb2 import Cost
from nextlabel.v1.project_service_pb2_grpc import ProjectServiceStub

if TYPE_CHECKING:
    from nextlabel.v1.project_service_pb2_grpc import ProjectServiceAsyncStub


class Guidelines(Service[Mode, Scope]):
    """Adds versions of the guidelines and puts them in force."""

    @cached_property
    def _stub(self) -> "ProjectServiceAsyncStub":
        return ProjectServiceStub(self._connection.channel)

    @project_call
    async def add(self, project: str, text: str, *, base_version: int = 0, accept: bool = False) -> pb.Guidelines:
        """Store a new version of the guidelines; `accept` puts it in force at once."""
        request = pb.CreateGuidelinesRequest(project=project, text=text, base_version=base_version, accept=accept)
        return (await self._connection.unary(self._stub.CreateGuidelines, request)).guidelines

    @project_call
    async def get(self, project: str, version: int = 0) -> pb.Guidelines:
        """One version of the guidelines; 0 for the one in force."""
        request = pb.GetGuidelinesRequest(project=project, version=version)
        return (await self._connection.unary(self._stub.GetGuidelines, request)).guidelines

    @project_stream
    async def list(self, project: str) -> AsyncIterator[Sequence[pb.Guidelines]]:
        """The versions of the guidelines, newest first."""
        pages = self._connection.pages(
            self._stub.ListGuidelines,
            pb.ListGuidelinesRequest(project=project),
            lambda page: page.guidelines,
        )
        async for page in pages:
            yield page

    @project_call
    async def accept(self, project: str, version: int) -> pb.Guidelines:
        """Put a version of the guidelines in force."""
        request = pb.AcceptGuidelinesRequest(project=project, version=version)
        return (await self._connection.unary(self._stub.AcceptGuidelines, request)).guidelines

    @project_call
    async def reject(self, project: str, version: int) -> pb.Guidelines:
        """Turn a proposed version of the guidelines down; NextlabelError FAILED_PRECONDITION for the one in force."""
        request = pb.RejectGuidelinesRequest(project=project, version=version)
        return (await self._connection.unary(self._stub.RejectGuidelines, request)).guidelines

    @project_call
    async def propose(
        self,
        project: str,
        *,
        model: str = "",
        max_disagreements: int = 0,
        measure_on_gold: bool = False,
        limit: Cost | None = None,
        timeout_s: float = LONG_CALL_S,
    ) -> pb.ProposeGuidelinesResponse:
        """Have an LLM propose guidelines from disagreements: a new version, not in force, and what it cost.

        `model` writes the critique; empty for that of the newest run with an LLM annotator, whose mistakes it sees.
        `measure_on_gold` has that annotator answer half of the gold items under both versions.

        Raises NextlabelError: FAILED_PRECONDITION when there is no disagreement, RESOURCE_EXHAUSTED when `limit` or a
        budget does not allow the critique.
        """
        request = pb.ProposeGuidelinesRequest(
            project=project,
            model=model,
            max_disagreements=max_disagreements,
            measure_on_gold=measure_on_gold,
            limit=limit,
        )
        return await self._connection.unary(self._stub.ProposeGuidelines, request, timeout_s=timeout_s)
