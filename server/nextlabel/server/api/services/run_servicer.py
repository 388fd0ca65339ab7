"""RunService over the domain."""

# ruff: noqa: N802 -- the methods are named by the API

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from nextlabel.server.api.boundary.idempotency import Replies, ReplySlot
from nextlabel.server.api.messages.labeling.annotations import cost_message
from nextlabel.server.api.messages.runs.events import event_message
from nextlabel.server.api.messages.runs.specs import run_spec_of
from nextlabel.server.api.messages.values import page
from nextlabel.server.api.reading.project_finder import ProjectFinder
from nextlabel.server.api.reading.run_messages import RunMessages
from nextlabel.server.domain.runs.engine import RunEngine
from nextlabel.server.domain.runs.runs import Runs
from nextlabel.server.domain.runs.scopes import Scopes
from nextlabel.server.domain.selection.known_context import KnownContexts
from nextlabel.server.domain.selection.selector import strategy_of
from nextlabel.server.ports.quotes import RunQuotes
from nextlabel.server.ports.state_store import StateStore, Transaction
from nextlabel.server.system.signals import Signals
from nextlabel.server.values.errors import InvalidArgument
from nextlabel.server.values.projects.projects import Project
from nextlabel.server.values.runs.runs import Run
from nextlabel.v1 import run_service_pb2 as pb
from nextlabel.v1.run_service_pb2_grpc import RunServiceServicer

_WATCH_POLL_S = 1.0
_EVENTS_AT_ONCE = 100

_Turn = pb.StopRunRequest | pb.PauseRunRequest | pb.ResumeRunRequest
R = TypeVar("R", pb.StopRunResponse, pb.PauseRunResponse, pb.ResumeRunResponse)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunServicer(RunServiceServicer):
    """Translates calls about runs."""

    store: StateStore
    finder: ProjectFinder
    replies: Replies
    runs: Runs
    engine: RunEngine
    messages: RunMessages
    scopes: Scopes
    contexts: KnownContexts
    quotes: RunQuotes
    signals: Signals

    async def StartRun(self, request: pb.StartRunRequest, context: Any) -> pb.StartRunResponse:
        """Record a run; the engine takes it up."""
        project = await self.finder.project(request.project)
        spec = run_spec_of(request.spec, project)
        listed = await self.scopes.found(project, request.spec.items.item_ids)

        async def start(slot: ReplySlot[pb.StartRunResponse]) -> pb.StartRunResponse:
            await self.contexts.check(project, strategy_of(spec.strategy))

            def work(tx: Transaction) -> pb.StartRunResponse:
                if (found := slot.find(tx)) is not None:
                    return found
                run = self.runs.start(tx, project, spec, listed)
                reply = pb.StartRunResponse(run=self.messages.within(tx, project, run))
                slot.save(tx, reply)
                return reply

            return await self.store.write(work)

        response = await self.replies.around(request, pb.StartRunResponse, start)
        self.engine.wake()
        return response

    async def GetRun(self, request: pb.GetRunRequest, context: Any) -> pb.GetRunResponse:
        """Return a run."""
        project = await self.finder.project(request.project)
        message = await self.store.read(
            lambda tx: self.messages.within(tx, project, self.runs.get(tx, project, request.run_id))
        )
        return pb.GetRunResponse(run=message)

    async def ListRuns(self, request: pb.ListRunsRequest, context: Any) -> pb.ListRunsResponse:
        """List the runs, newest first."""
        project = await self.finder.project(request.project)

        def work(tx: Transaction) -> tuple[list[pb.Run], str]:
            newest_first = [*reversed(self.runs.list(tx, project))]
            return page(newest_first, request.page_token, request.page_size, self.messages.of_several(tx, project))

        runs, token = await self.store.read(work)
        return pb.ListRunsResponse(runs=runs, next_page_token=token)

    async def StopRun(self, request: pb.StopRunRequest, context: Any) -> pb.StopRunResponse:
        """Ask a run to stop."""
        return await self._turned(request, pb.StopRunResponse, self.runs.stop)

    async def PauseRun(self, request: pb.PauseRunRequest, context: Any) -> pb.PauseRunResponse:
        """Have a run ask nothing more until it is resumed."""
        return await self._turned(request, pb.PauseRunResponse, self.runs.pause)

    async def ResumeRun(self, request: pb.ResumeRunRequest, context: Any) -> pb.ResumeRunResponse:
        """Have a paused run go on."""
        return await self._turned(request, pb.ResumeRunResponse, self.runs.resume)

    async def _turned(self, request: _Turn, response: type[R], turn: Callable[[Transaction, Project, str], Run]) -> R:
        """Do something with a run once, and tell whoever drives it."""
        project = await self.finder.project(request.project)

        def work(tx: Transaction) -> R:
            return response(run=self.messages.within(tx, project, turn(tx, project, request.run_id)))

        answer = await self.replies.once(request, response, work)
        self._tell(project, request.run_id)
        return answer

    async def QuoteRun(self, request: pb.QuoteRunRequest, context: Any) -> pb.QuoteRunResponse:
        """Estimate what a run would cost."""
        if request.sample_items < 0:
            raise InvalidArgument.field("sample_items", f"must not be negative, got {request.sample_items}")
        project = await self.finder.project(request.project)
        spec = run_spec_of(request.spec, project)
        self.runs.check(project, spec)
        quote = await self.quotes.quote(project, spec, request.sample_items)
        return pb.QuoteRunResponse(
            low=cost_message(quote.low),
            expected=cost_message(quote.expected),
            upper=cost_message(quote.upper),
            assumptions=quote.assumptions,
        )

    async def WatchRun(self, request: pb.WatchRunRequest, context: Any) -> AsyncIterator[pb.WatchRunResponse]:
        """Send the events of a run until it has ended and all are sent."""
        if request.after_number < 0:
            raise InvalidArgument.field("after_number", f"must not be negative, got {request.after_number}")
        project = await self.finder.project(request.project)
        after = request.after_number
        with self.signals.listening(f"run/{request.run_id}") as news:
            while True:
                ended, after, events = await self._events(project, request.run_id, after)
                for event in events:
                    yield pb.WatchRunResponse(event=event)
                if events:
                    continue
                if ended:
                    return
                await news.wait(_WATCH_POLL_S)

    def _tell(self, project: Project, run_id: str) -> None:
        """Have who drives, answers or watches a run look at its state."""
        self.engine.wake()
        self.signals.notify(f"labeling/{project.id}")
        self.signals.notify(f"run/{run_id}")

    async def _events(self, project: Project, run_id: str, after: int) -> tuple[bool, int, list[pb.RunEvent]]:
        """Return whether the run has ended, the number of the last event read, and the events after `after`."""

        def work(tx: Transaction) -> tuple[bool, int, list[pb.RunEvent]]:
            run = self.runs.get(tx, project, run_id)
            read = tx.runs.events(run_id, after, _EVENTS_AT_ONCE)
            messages = [event_message(tx, event, project) for event in read]
            return run.state.ended, read[-1].number if read else after, messages

        return await self.store.read(work)
