"""Quality: whether labels and models can be trusted, each figure with its kind and its interval."""

from collections.abc import AsyncIterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from nextlabel.client.transport.calls import Mode, Scope, Service, project_call, project_stream
from nextlabel.v1 import quality_service_pb2 as pb
from nextlabel.v1.quality_service_pb2_grpc import QualityServiceStub

if TYPE_CHECKING:
    from nextlabel.v1.quality_service_pb2_grpc import QualityServiceAsyncStub


class Quality(Service[Mode, Scope]):
    """Figures about the quality of a project's labels and models."""

    @cached_property
    def _stub(self) -> "QualityServiceAsyncStub":
        return QualityServiceStub(self._connection.channel)

    @project_call
    async def accuracy(self, project: str) -> pb.GetAccuracyResponse:
        """How accurate the newest model and the labels are, by every way there is to tell."""
        return await self._connection.unary(self._stub.GetAccuracy, pb.GetAccuracyRequest(project=project))

    @project_call
    async def class_shares(self, project: str) -> pb.GetClassSharesResponse:
        """The share of each class in the pool, from the audit stream's labels by people."""
        return await self._connection.unary(self._stub.GetClassShares, pb.GetClassSharesRequest(project=project))

    @project_call
    async def consensus(self, project: str) -> pb.CompareConsensusResponse:
        """Ways to join the answers of several annotators, compared on gold that they have not seen."""
        return await self._connection.unary(self._stub.CompareConsensus, pb.CompareConsensusRequest(project=project))

    @project_call
    async def certify(self, project: str, *, annotator: str, accuracy: float) -> pb.CertifyLabelsResponse:
        """The labels of an annotator of which at least a share `accuracy` is right, as far as gold proves it."""
        request = pb.CertifyLabelsRequest(project=project, annotator=annotator, accuracy=accuracy)
        return await self._connection.unary(self._stub.CertifyLabels, request)

    @project_stream
    async def review(self, project: str, *, annotator: str = "") -> AsyncIterator[Sequence[pb.ReviewEntry]]:
        """The labels that are worth another look, the most promising ones first.

        All of them, or those that `annotator` may review, who has not answered the item.
        """
        request = pb.ListReviewRequest(project=project, annotator=annotator)
        async for page in self._connection.pages(self._stub.ListReview, request, lambda page: page.entries):
            yield page

    @project_stream
    async def filter_hits(self, project: str, rule: str) -> AsyncIterator[Sequence[pb.FilterHit]]:
        """The labels that a rule names, such as `len(text) < 20`, with the values that it went by; changes nothing."""
        request = pb.ListFilterHitsRequest(project=project, rule=rule)
        async for page in self._connection.pages(self._stub.ListFilterHits, request, lambda page: page.hits):
            yield page
