"""TextService over the domain."""

# ruff: noqa: N802 -- the methods are named by the API

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from nextlabel.server.api.messages.texts import judging_item, judging_of, text_judge, written_item
from nextlabel.server.api.messages.values import fitting, number_of, page, page_size, page_token
from nextlabel.server.api.reading.project_finder import ProjectFinder
from nextlabel.server.domain.labeling.labels import Labels
from nextlabel.server.domain.texts.judgements import Judgements
from nextlabel.server.domain.texts.judges import judges_of
from nextlabel.server.domain.texts.judging_items import JudgingItem, in_pairs, one_by_one
from nextlabel.server.values.annotation_type import AnnotationType
from nextlabel.server.values.errors import InvalidArgument
from nextlabel.server.values.projects.projects import Project
from nextlabel.v1 import text_service_pb2 as pb
from nextlabel.v1.text_service_pb2_grpc import TextServiceServicer

_ITEMS_READ = 50
_PLACES = 1_000
"""More than an item has judging items: a page token is its row times this, and the place among them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TextServicer(TextServiceServicer):
    """Translates calls about candidate texts."""

    finder: ProjectFinder
    labels: Labels
    judgements: Judgements

    async def ListTexts(self, request: pb.ListTextsRequest, context: Any) -> pb.ListTextsResponse:
        """Return items with their candidates, the best first."""
        project = await self.finder.project(request.project)
        judging = await self.finder.project(request.judged_by) if request.judged_by else None
        after, size = number_of(request.page_token), page_size(request.page_size)
        left = [row for row in await self.judgements.rows(project) if row >= after]
        taken: list[pb.WrittenItem] = []
        rows: list[int] = []
        for start in range(0, min(size, len(left)), _ITEMS_READ):
            found = await self.judgements.items(project, left[start : min(start + _ITEMS_READ, size)], judging)
            fit = fitting([*taken, *map(written_item, found)])
            rows += [one.item.row for one in found]
            taken = fit
            if len(fit) < len(rows):
                break
        rows = rows[: len(taken)]
        more = bool(rows) and any(row > rows[-1] for row in left)
        return pb.ListTextsResponse(items=taken, next_page_token=page_token(rows[-1] + 1) if more else "")

    async def ListJudgingItems(self, request: pb.ListJudgingItemsRequest, context: Any) -> pb.ListJudgingItemsResponse:
        """Return the items to judge candidates by."""
        project = await self.finder.project(request.project)
        kind = judging_of(request.judging)
        if request.pairs_per_item < 0:
            raise InvalidArgument.field("pairs_per_item", f"must not be negative, got {request.pairs_per_item}")
        after, size = number_of(request.page_token), page_size(request.page_size)
        placed: list[tuple[int, JudgingItem]] = []
        async for place, item in self._judging_items(project, kind, request.pairs_per_item, after):
            placed.append((place, item))
            if len(placed) > size:
                break
        items = fitting(judging_item(item) for _, item in placed[:size])
        more = len(items) < len(placed)
        return pb.ListJudgingItemsResponse(
            items=items, next_page_token=page_token(placed[len(items)][0]) if more else ""
        )

    async def _judging_items(
        self, project: Project, kind: AnnotationType, most_pairs: int, first: int
    ) -> AsyncIterator[tuple[int, JudgingItem]]:
        """Yield judging items from a place on, each with its place among all of the project."""
        rows = [row for row in await self.judgements.rows(project) if row >= first // _PLACES]
        for start in range(0, len(rows), _ITEMS_READ):
            for found in await self.judgements.items(project, rows[start : start + _ITEMS_READ], None):
                written = [one.candidate for one in found.texts]
                pairs = kind is AnnotationType.PREFERENCE
                prompt = found.item.text
                items = in_pairs(prompt, written, most_pairs) if pairs else one_by_one(prompt, written)
                for number, item in enumerate(items):
                    if (place := found.item.row * _PLACES + number) >= first:
                        yield place, item

    async def ListJudges(self, request: pb.ListJudgesRequest, context: Any) -> pb.ListJudgesResponse:
        """Return who judges, and how far each can be trusted."""
        judging = await self.finder.project(request.project)
        found = await judges_of(self.labels, judging)
        judges, token = page(found, request.page_token, request.page_size, text_judge)
        return pb.ListJudgesResponse(judges=judges, next_page_token=token)
