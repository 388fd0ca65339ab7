"""Runs: the loop select, annotate, train, evaluate on the server."""

from collections.abc import AsyncIterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from nextlabel.client.transport.calls import Mode, Service, call, stream
from nextlabel.v1 import run_service_pb2 as pb
from nextlabel.v1.run_service_pb2_grpc import RunServiceStub

if TYPE_CHECKING:
    from nextlabel.v1.run_service_pb2_grpc import RunServiceAsyncStub


class Runs(Service[Mode]):
    """Starts, watches and stops runs. `run_spec` makes the RunSpec of the common cases."""

    @cached_property
    def _stub(self) -> "RunServiceAsyncStub":
        return RunServiceStub(self._connection.channel)

    @call
    async def start(self, project: str, spec: pb.RunSpec) -> pb.Run:
        """Start a run and return at once."""
        request = pb.StartRunRequest(project=project, spec=spec)
        return (await self._connection.unary(self._stub.StartRun, request)).run

    @call
    async def get(self, project: str, run_id: str) -> pb.Run:
        """A run as it stands. Raises NextlabelError NOT_FOUND."""
        request = pb.GetRunRequest(project=project, run_id=run_id)
        return (await self._connection.unary(self._stub.GetRun, request)).run

    @stream
    async def list(self, project: str) -> AsyncIterator[Sequence[pb.Run]]:
        """The runs of a project, newest first."""
        request = pb.ListRunsRequest(project=project)
        async for page in self._connection.pages(self._stub.ListRuns, request, lambda page: page.runs):
            yield page

    @call
    async def stop(self, project: str, run_id: str) -> pb.Run:
        """Ask a run to stop after the answers that are under way; nothing changes when it has ended."""
        request = pb.StopRunRequest(project=project, run_id=run_id)
        return (await self._connection.unary(self._stub.StopRun, request)).run

    @stream
    async def watch(self, project: str, run_id: str, *, after_number: int = 0) -> AsyncIterator[Sequence[pb.RunEvent]]:
        """The events of a run after a number, until it ends; goes on by itself when it was cut off."""
        request = pb.WatchRunRequest(project=project, run_id=run_id, after_number=after_number)

        def advance(response: pb.WatchRunResponse) -> None:
            request.after_number = response.event.number

        watched = self._connection.responses(self._stub.WatchRun, request, advance=advance)
        async for response in watched:
            yield [response.event]

    @call
    async def quote(self, project: str, spec: pb.RunSpec, *, sample_items: int = 0) -> pb.QuoteRunResponse:
        """Estimate what a run would cost, without starting it."""
        request = pb.QuoteRunRequest(project=project, spec=spec, sample_items=sample_items)
        return await self._connection.unary(self._stub.QuoteRun, request)
