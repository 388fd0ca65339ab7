"""QualityService over the domain."""

# ruff: noqa: N802 -- the methods are named by the API

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from nextlabel.server.api.messages.quality import acceptance, class_share, figure, filter_hit, review_entry
from nextlabel.server.api.messages.values import full_page
from nextlabel.server.api.reading.project_finder import ProjectFinder
from nextlabel.server.wiring.quality import QualityParts
from nextlabel.v1 import quality_service_pb2 as pb
from nextlabel.v1.quality_service_pb2_grpc import QualityServiceServicer


@dataclass(frozen=True, slots=True)
class QualityServicer(QualityServiceServicer):
    """Translates calls about quality."""

    finder: ProjectFinder
    quality: QualityParts

    async def GetAccuracy(self, request: pb.GetAccuracyRequest, context: Any) -> pb.GetAccuracyResponse:
        """Return how accurate the newest model and the labels are."""
        found = await self.quality.accuracy.accuracy(await self.finder.project(request.project))
        return pb.GetAccuracyResponse(
            model=[figure(one) for one in found.model], labels=[figure(one) for one in found.labels]
        )

    async def GetClassShares(self, request: pb.GetClassSharesRequest, context: Any) -> pb.GetClassSharesResponse:
        """Return the share of each class in the pool."""
        found = await self.quality.shares.shares(await self.finder.project(request.project))
        return pb.GetClassSharesResponse(
            shares=[class_share(one) for one in found.shares],
            draws=found.draws,
            unanswered_draws=found.unanswered_draws,
        )

    async def CompareConsensus(self, request: pb.CompareConsensusRequest, context: Any) -> pb.CompareConsensusResponse:
        """Compare ways to join the answers of several annotators."""
        found = await self.quality.consensus.compare(await self.finder.project(request.project))
        return pb.CompareConsensusResponse(
            methods=[
                pb.ConsensusMethod(name=name, on_gold=None if one is None else figure(one))
                for name, one in found.methods.items()
            ],
            chosen=found.chosen,
            shared_items=found.shared_items,
            gold_items=found.gold_items,
        )

    async def CertifyLabels(self, request: pb.CertifyLabelsRequest, context: Any) -> pb.CertifyLabelsResponse:
        """Find the labels of an annotator that may stand under a promise."""
        project = await self.finder.project(request.project)
        return acceptance(await self.quality.acceptance.certify(project, request.annotator, request.accuracy))

    async def ListReview(self, request: pb.ListReviewRequest, context: Any) -> pb.ListReviewResponse:
        """List the labels that are worth another look."""
        project = await self.finder.project(request.project)
        found = await self.quality.review.entries(project, request.annotator)
        entries, token = full_page(found, request.page_token, request.page_size, review_entry)
        return pb.ListReviewResponse(entries=entries, total=len(found), next_page_token=token)

    async def ListFilterHits(self, request: pb.ListFilterHitsRequest, context: Any) -> pb.ListFilterHitsResponse:
        """List the labels that a rule would take out."""
        found = await self.quality.filters.preview(await self.finder.project(request.project), request.rule)
        hits, token = full_page(found.hits, request.page_token, request.page_size, filter_hit)
        return pb.ListFilterHitsResponse(hits=hits, total=len(found.hits), labels=found.labels, next_page_token=token)
