"""SynthesisService over the domain."""

# ruff: noqa: N802 -- the methods are named by the API

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from nextlabel.server.api.boundary.idempotency import Replies, ReplySlot
from nextlabel.server.api.messages.synthesis import synthesis_request, synthesis_response
from nextlabel.server.api.reading.project_finder import ProjectFinder
from nextlabel.server.domain.synthesis.synthesis import SynthesisGate
from nextlabel.server.ports.state_store import StateStore
from nextlabel.v1 import synthesis_service_pb2 as pb
from nextlabel.v1.synthesis_service_pb2_grpc import SynthesisServiceServicer


@dataclass(frozen=True, slots=True, kw_only=True)
class SynthesisServicer(SynthesisServiceServicer):
    """Translates calls about texts that an LLM writes."""

    store: StateStore
    finder: ProjectFinder
    replies: Replies
    synthesis: SynthesisGate

    async def Synthesize(self, request: pb.SynthesizeRequest, context: Any) -> pb.SynthesizeResponse:
        """Have an LLM write texts of a class, and judge them."""
        project = await self.finder.project(request.project)
        wanted = synthesis_request(request)

        async def synthesize(slot: ReplySlot[pb.SynthesizeResponse]) -> pb.SynthesizeResponse:
            reply = synthesis_response(await self.synthesis.synthesize(project, wanted))
            await self.store.write(lambda tx: slot.save(tx, reply))
            return reply

        return await self.replies.around(request, pb.SynthesizeResponse, synthesize)
