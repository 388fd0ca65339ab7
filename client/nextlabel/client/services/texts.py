"""Candidate texts of a project: what was written of its items, how that is judged, and the best of it."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

import grpc

from nextlabel.client.errors import NextlabelError
from nextlabel.client.items import Item
from nextlabel.client.literals import JudgingName
from nextlabel.client.messages.enums import enum_value
from nextlabel.client.services.guidelines import Guidelines
from nextlabel.client.services.pool import Pool
from nextlabel.client.services.projects import Projects
from nextlabel.client.transport.calls import Mode, OfServer, Scope, Service, project_call, project_stream
from nextlabel.client.transport.modes import Awaiting
from nextlabel.client.upload import AddResult
from nextlabel.v1 import text_service_pb2 as pb
from nextlabel.v1.text_service_pb2_grpc import TextServiceStub

if TYPE_CHECKING:
    from nextlabel.client.literals import AnnotationTypeName
    from nextlabel.v1.text_service_pb2_grpc import TextServiceAsyncStub

_TYPES: "dict[JudgingName, AnnotationTypeName]" = {"preference": "pairwise_preference", "score": "score"}
_ASKED = {
    "preference": "Two answers were written as the guidelines below ask. Say which of them follows these better.",
    "score": "An answer was written as the guidelines below ask. Give it a score for how well it follows these.",
}


class Texts(Service[Mode, Scope]):
    """Shows what was written of items, and has it judged."""

    @cached_property
    def _stub(self) -> "TextServiceAsyncStub":
        return TextServiceStub(self._connection.channel)

    @project_stream
    async def list(self, project: str, *, judged_by: str = "") -> AsyncIterator[Sequence[pb.WrittenItem]]:
        """The items that something was written of, with all candidates, the best first.

        `judged_by` names the project in which they are judged.
        """
        request = pb.ListTextsRequest(project=project, judged_by=judged_by)
        async for page in self._connection.pages(self._stub.ListTexts, request, lambda page: page.items):
            yield page

    @project_stream
    async def judges(self, project: str) -> AsyncIterator[Sequence[pb.TextJudge]]:
        """Who judges in a project of preferences or scores: agreement with people, and what comes first or second."""
        request = pb.ListJudgesRequest(project=project)
        async for page in self._connection.pages(self._stub.ListJudges, request, lambda page: page.judges):
            yield page

    @project_call
    async def judge(
        self,
        project: str,
        judging: str,
        *,
        by: JudgingName = "preference",
        pairs_per_item: int = 0,
        score_range: tuple[float, float] | tuple[float, float, float] | None = None,
        guidelines: str = "",
    ) -> AddResult:
        """Put the candidates into a project in which people and LLMs judge them; what is there already stays.

        With something to judge, the project `judging` is created where there is none: of preferences, or of scores
        within `score_range`. `guidelines` are its own, by default those of the texts with what is asked about them.
        `pairs_per_item` bounds the pairs of an item; 0 takes all. To judge what was written since, call it again.

        Raises NextlabelError when the server refuses, ValueError for a way to judge that does not exist.
        """
        judging_value = enum_value(pb.Judging, by, "by")
        request = pb.ListJudgingItemsRequest(
            project=project, judging=judging_value, pairs_per_item=pairs_per_item, page_size=1_000
        )
        pool: Pool[Awaiting, OfServer] = Pool(self._connection, Awaiting())
        added = nothing = AddResult(upload_id="")
        async for page in self._connection.pages(self._stub.ListJudgingItems, request, lambda page: page.items):
            if not page:
                break
            if added == nothing:
                await self._create(project, judging, by, score_range, guidelines)
            items = [
                Item(one.text, one.id, pair=(one.pair.a, one.pair.b) if one.HasField("pair") else None) for one in page
            ]
            found = await pool.add(judging, items)
            added = replace(
                added, accepted=added.accepted + found.accepted, duplicates=added.duplicates + found.duplicates
            ).with_errors(found.errors)
        return added

    async def _create(
        self,
        project: str,
        judging: str,
        by: JudgingName,
        score_range: tuple[float, float] | tuple[float, float, float] | None,
        guidelines: str,
    ) -> None:
        projects: Projects[Awaiting] = Projects(self._connection, Awaiting())
        texts = await projects.get(project)
        if not guidelines and texts.guidelines_version:
            known: Guidelines[Awaiting, OfServer] = Guidelines(self._connection, Awaiting())
            guidelines = f"{_ASKED[by]}\n\n{(await known.get(project)).text}"
        try:
            await projects.create(
                judging,
                annotation_type=_TYPES[by],
                score_range=score_range,
                guidelines=guidelines or _ASKED[by].replace(" as the guidelines below ask", ""),
                embedding_model=texts.embedding.model,
            )
        except NextlabelError as error:
            if error.code is not grpc.StatusCode.ALREADY_EXISTS:
                raise
