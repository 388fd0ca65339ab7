"""Runs: the loop select, annotate, train, evaluate on the server."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from functools import cached_property
from typing import TYPE_CHECKING

from nextlabel.client.notebook import run_html
from nextlabel.client.services.curves import CurveHandle
from nextlabel.client.transport.calls import (
    Mode,
    OfRun,
    Scope,
    Service,
    project_call,
    project_stream,
    run_call,
    run_stream,
)
from nextlabel.client.transport.modes import Blocking
from nextlabel.v1 import run_service_pb2 as pb
from nextlabel.v1.run_service_pb2_grpc import RunServiceStub

if TYPE_CHECKING:
    from nextlabel.v1.run_service_pb2_grpc import RunServiceAsyncStub


class OneRun(Service[Mode, Scope]):
    """Shows, watches, pauses and stops a run."""

    @cached_property
    def _stub(self) -> "RunServiceAsyncStub":
        return RunServiceStub(self._connection.channel)

    @run_call
    async def get(self, project: str, run_id: str) -> pb.Run:
        """A run as it stands. Raises NextlabelError NOT_FOUND."""
        return await self._current(project, run_id)

    @run_call
    async def stop(self, project: str, run_id: str) -> pb.Run:
        """Ask a run to stop after the answers that are under way; nothing changes when it has ended."""
        request = pb.StopRunRequest(project=project, run_id=run_id)
        return (await self._connection.unary(self._stub.StopRun, request)).run

    @run_call
    async def pause(self, project: str, run_id: str) -> pb.Run:
        """Have a run ask nothing more until it is resumed; answers under way are kept, and pausing twice is harmless.

        Raises NextlabelError FAILED_PRECONDITION when it has ended or is being stopped.
        """
        request = pb.PauseRunRequest(project=project, run_id=run_id)
        return (await self._connection.unary(self._stub.PauseRun, request)).run

    @run_call
    async def resume(self, project: str, run_id: str) -> pb.Run:
        """Have a paused run go on where it was; nothing changes when it is running.

        Raises NextlabelError FAILED_PRECONDITION when it has ended or is being stopped.
        """
        request = pb.ResumeRunRequest(project=project, run_id=run_id)
        return (await self._connection.unary(self._stub.ResumeRun, request)).run

    @run_stream
    async def watch(self, project: str, run_id: str, *, after_number: int = 0) -> AsyncIterator[Sequence[pb.RunEvent]]:
        """The events of a run after a number, until it ends; goes on by itself when it was cut off."""
        async with self._events(project, run_id, after_number) as responses:
            async for response in responses:
                yield [response.event]

    @run_call
    async def wait(self, project: str, run_id: str) -> pb.Run:
        """Wait until a run has ended; returns it as it stands then."""
        async with self._events(project, run_id, 0) as responses:
            async for _ in responses:
                pass
        return await self._current(project, run_id)

    async def _current(self, project: str, run_id: str) -> pb.Run:
        request = pb.GetRunRequest(project=project, run_id=run_id)
        return (await self._connection.unary(self._stub.GetRun, request)).run

    def _events(
        self, project: str, run_id: str, after_number: int
    ) -> AbstractAsyncContextManager[AsyncIterator[pb.WatchRunResponse]]:
        request = pb.WatchRunRequest(project=project, run_id=run_id, after_number=after_number)

        def advance(response: pb.WatchRunResponse) -> None:
            request.after_number = response.event.number

        return self._connection.responses(self._stub.WatchRun, request, advance=advance)


class RunHandle(OneRun[Mode, OfRun]):
    """A run: `get` it as it stands, `watch` its events, `wait` for its end, `pause`, `resume` or `stop` it."""

    @property
    def project(self) -> str:
        """Name of the project."""
        return self._names[0]

    @property
    def run_id(self) -> str:
        """Id of the run."""
        return self._names[1]

    @cached_property
    def curve(self) -> CurveHandle[Mode]:
        """Its learning curve, which notebooks draw."""
        return CurveHandle(self._connection, self._mode, *self._names)

    def __repr__(self) -> str:
        return f"<{self._title}>"

    def _repr_html_(self) -> str | None:
        """The run as a table, which notebooks show; only of a blocking client, as it is asked for."""
        return run_html(self._title, self.get) if isinstance(self._mode, Blocking) else None

    @property
    def _title(self) -> str:
        return f"run {self.run_id} of project {self.project}"


class Runs(OneRun[Mode, Scope]):
    """Starts and lists runs. `run_spec` makes the RunSpec of the common cases."""

    @project_call
    async def start(self, project: str, spec: pb.RunSpec) -> "RunHandle[Mode]":
        """Start a run and return at once."""
        request = pb.StartRunRequest(project=project, spec=spec)
        response = await self._connection.unary(self._stub.StartRun, request)
        return RunHandle(self._connection, self._mode, project, response.run.run_id)

    @project_stream
    async def list(self, project: str) -> AsyncIterator[Sequence[pb.Run]]:
        """The runs of a project, newest first."""
        request = pb.ListRunsRequest(project=project)
        async for page in self._connection.pages(self._stub.ListRuns, request, lambda page: page.runs):
            yield page

    @project_call
    async def quote(self, project: str, spec: pb.RunSpec, *, sample_items: int = 0) -> pb.QuoteRunResponse:
        """Estimate what a run would cost, without starting it."""
        request = pb.QuoteRunRequest(project=project, spec=spec, sample_items=sample_items)
        return await self._connection.unary(self._stub.QuoteRun, request)
