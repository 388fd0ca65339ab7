"""Quality: whether labels and models can be trusted, each figure with its kind and its interval."""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from nextlabel.client.messages.names import several_texts
from nextlabel.client.transport.calls import Mode, Scope, Service, project_call, project_stream
from nextlabel.client.transport.connection import LONG_CALL_S
from nextlabel.v1 import quality_service_pb2 as pb
from nextlabel.v1.annotation_pb2 import Cost
from nextlabel.v1.learner_service_pb2 import FilterCount
from nextlabel.v1.quality_service_pb2_grpc import QualityServiceStub
from nextlabel.v1.run_service_pb2 import AnnotatorSpec

if TYPE_CHECKING:
    from nextlabel.v1.quality_service_pb2_grpc import QualityServiceAsyncStub


class Quality(Service[Mode, Scope]):
    """Figures about the quality of a project's labels and models."""

    @cached_property
    def _stub(self) -> "QualityServiceAsyncStub":
        return QualityServiceStub(self._connection.channel)

    @project_call
    async def accuracy(self, project: str, *, by: str = "") -> pb.GetAccuracyResponse:
        """How accurate the newest model and the labels are, by every way there is to tell.

        With `by`, a field of the items' metadata, also in each part of the data (`slices`).
        """
        return await self._connection.unary(self._stub.GetAccuracy, pb.GetAccuracyRequest(project=project, by=by))

    @project_call
    async def class_shares(self, project: str, *, by: str = "") -> pb.GetClassSharesResponse:
        """The share of each class in the pool, or its mean score, from the audit stream's labels by people.

        With `by`, a field of the items' metadata, also in each part of the pool (`slices`).
        """
        return await self._connection.unary(self._stub.GetClassShares, pb.GetClassSharesRequest(project=project, by=by))

    @project_call
    async def consensus(self, project: str) -> pb.CompareConsensusResponse:
        """Ways to join the answers of several annotators, compared on gold that they have not seen."""
        return await self._connection.unary(self._stub.CompareConsensus, pb.CompareConsensusRequest(project=project))

    @project_call
    async def certify(self, project: str, *, annotator: str, accuracy: float) -> pb.CertifyLabelsResponse:
        """The labels of an annotator of which at least a share `accuracy` is right, as far as gold proves it."""
        request = pb.CertifyLabelsRequest(project=project, annotator=annotator, accuracy=accuracy)
        return await self._connection.unary(self._stub.CertifyLabels, request)

    @project_call
    async def drift(self, project: str) -> pb.GetPoolDriftResponse:
        """Whether the texts that came to the pool are like those that were there before."""
        return await self._connection.unary(self._stub.GetPoolDrift, pb.GetPoolDriftRequest(project=project))

    @project_call
    async def annotator_drift(self, project: str, *, annotator: str = "") -> pb.GetAnnotatorDriftResponse:
        """How annotators answered gold items each time that they were asked, and whether one has become worse."""
        request = pb.GetAnnotatorDriftRequest(project=project, annotator=annotator)
        return await self._connection.unary(self._stub.GetAnnotatorDrift, request)

    @project_call
    async def compare(self, project: str, *, annotator: str, successor: str) -> pb.CompareAnnotatorsResponse:
        """How two annotators did on the same gold items, before `successor` takes the place of `annotator`.

        Nobody is asked: a run asks its annotator about gold when it starts. Raises NextlabelError FAILED_PRECONDITION,
        with the reason NO_GOLD, where no gold item has an answer of both.
        """
        request = pb.CompareAnnotatorsRequest(project=project, annotator=annotator, successor=successor)
        return await self._connection.unary(self._stub.CompareAnnotators, request)

    @project_call
    async def delivery(self, project: str, *, accuracy: float = 0.95) -> pb.GetDeliveryResponse:
        """What the labels of the whole pool are worth, and how many stand under the promise of this accuracy."""
        request = pb.GetDeliveryRequest(project=project, accuracy=accuracy)
        return await self._connection.unary(self._stub.GetDelivery, request, timeout_s=LONG_CALL_S)

    @project_stream
    async def delivered(
        self, project: str, *, accuracy: float = 0.95, page_size: int = 1_000
    ) -> AsyncIterator[Sequence[pb.DeliveredLabel]]:
        """Every item with its label by people, LLMs or the learner, in the order in which they were added.

        `look` says why a person should look at a label; UNSPECIFIED where none has to, under the promise of this
        accuracy. A page that was cut off is asked for again; memory does not grow with the pool.
        """
        request = pb.ListDeliveredLabelsRequest(project=project, accuracy=accuracy, page_size=page_size)
        async for page in self._connection.pages(self._stub.ListDeliveredLabels, request, lambda page: page.labels):
            yield page

    @project_call
    async def delivered_page(
        self, project: str, *, accuracy: float = 0.95, page_token: str = "", page_size: int = 1_000
    ) -> pb.ListDeliveredLabelsResponse:
        """One page of what `delivered` lists, and the token of the next one: it goes on after any break.

        Raises NextlabelError FAILED_PRECONDITION, with the reason DELIVERY_CHANGED, where the listing is not known any
        more.
        """
        request = pb.ListDeliveredLabelsRequest(
            project=project, accuracy=accuracy, page_token=page_token, page_size=page_size
        )
        return await self._connection.unary(self._stub.ListDeliveredLabels, request)

    @project_call
    async def quote_routes(
        self, project: str, budget_usd: float, *, annotators: Mapping[str, float], person_usd: float = 0.0
    ) -> pb.QuoteRoutesResponse:
        """Who should label the items that nobody has answered, so that a budget in dollars buys most right labels.

        `annotators` are the dollars an answer of each LLM costs, 0 for what it has cost so far; without `person_usd`,
        the dollars of a label by a person, no people are asked. Nobody is asked by the call itself.
        """
        prices = [pb.AnnotatorPrice(annotator=name, micro_usd=round(usd * 1e6)) for name, usd in annotators.items()]
        request = pb.QuoteRoutesRequest(
            project=project,
            budget_micro_usd=round(budget_usd * 1e6),
            annotators=prices,
            person_micro_usd=round(person_usd * 1e6),
        )
        return await self._connection.unary(self._stub.QuoteRoutes, request)

    @project_stream
    async def review(
        self, project: str, *, annotator: str = "", unlabeled: int = 0
    ) -> AsyncIterator[Sequence[pb.ReviewEntry]]:
        """The labels that are worth another look, those first where a person's look is expected to gain most.

        All of them, or those that `annotator` may review, who has not answered the item; and up to `unlabeled` items
        without a label, 1,000 at most, those of which the learner is least sure.
        """
        request = pb.ListReviewRequest(project=project, annotator=annotator, unlabeled=unlabeled)
        async for page in self._connection.pages(self._stub.ListReview, request, lambda page: page.entries):
            yield page

    @project_stream
    async def filter_hits(self, project: str, rule: str) -> AsyncIterator[Sequence[pb.FilterHit]]:
        """The labels that a rule names, such as `len(text) < 20`, with the values that it went by; changes nothing."""
        request = pb.ListFilterHitsRequest(project=project, rule=rule)
        async for page in self._connection.pages(self._stub.ListFilterHits, request, lambda page: page.hits):
            yield page

    @project_call
    async def set_filter(
        self, project: str, name: str, rule: str = "", *, enabled: bool = True
    ) -> pb.SetFilterResponse:
        """Give a rule a name: while enabled, training and exports leave its labels out.

        Without a rule that of the filter stays. The labels stay too, and are on the review list. Raises NextlabelError
        INVALID_ARGUMENT for what is no rule, and for a metadata field that no item has.
        """
        request = pb.SetFilterRequest(project=project, name=name, rule=rule, disabled=not enabled)
        return await self._connection.unary(self._stub.SetFilter, request)

    @project_stream
    async def filters(self, project: str) -> AsyncIterator[Sequence[pb.Filter]]:
        """The filters of the project, by name, those that are not enabled included."""
        request = pb.ListFiltersRequest(project=project)
        async for page in self._connection.pages(self._stub.ListFilters, request, lambda page: page.filters):
            yield page

    @project_call
    async def remove_filter(self, project: str, name: str) -> None:
        """Remove a filter; what it left out is in use again. Raises NextlabelError NOT_FOUND."""
        await self._connection.unary(self._stub.RemoveFilter, pb.RemoveFilterRequest(project=project, name=name))

    @project_stream
    async def filtered(self, project: str) -> AsyncIterator[Sequence[pb.FilteredLabel]]:
        """The labels that enabled filters leave out now, each with the values that they went by."""
        request = pb.ListFilteredLabelsRequest(project=project)
        async for page in self._connection.pages(self._stub.ListFilteredLabels, request, lambda page: page.filtered):
            yield page

    @project_call
    async def filter_counts(self, project: str) -> Sequence[FilterCount]:
        """How many labels each enabled filter leaves out now, by name."""
        request = pb.ListFilteredLabelsRequest(project=project, page_size=1)
        return (await self._connection.unary(self._stub.ListFilteredLabels, request)).counts

    @project_call
    async def keep(self, project: str, item_ids: Iterable[str], *, release: bool = False) -> pb.KeepItemsResponse:
        """Bring up to 1,000 items back: their labels stay in use in spite of all filters, with who decided and when.

        With `release` they are left to the filters again. The result lists the ids that no item has.
        """
        request = pb.KeepItemsRequest(project=project, item_ids=several_texts(item_ids, "item_ids"), release=release)
        return await self._connection.unary(self._stub.KeepItems, request)

    @project_stream
    async def kept(self, project: str) -> AsyncIterator[Sequence[pb.KeptItem]]:
        """The items that are kept in spite of filters."""
        request = pb.ListKeptItemsRequest(project=project)
        async for page in self._connection.pages(self._stub.ListKeptItems, request, lambda page: page.kept):
            yield page

    @project_call
    async def judge(
        self,
        project: str,
        *,
        annotator: AnnotatorSpec,
        rule: str = "",
        most: int = 0,
        limit: Cost | None = None,
        quote_only: bool = False,
        timeout_s: float = LONG_CALL_S,
    ) -> pb.JudgeLabelsResponse:
        """Have an LLM judge up to `most` labels (at most 500; 0 for 200), those about gold items first, or quote it.

        `rule` names the labels to judge. Call again while `left` is not 0: what was paid for is found again. A filter
        such as `judged_wrong` goes by the verdicts once 20 answers about gold items are judged.

        Raises NextlabelError: RESOURCE_EXHAUSTED when `limit` or a budget does not allow a single call.
        """
        request = pb.JudgeLabelsRequest(
            project=project, annotator=annotator, rule=rule, most=most, limit=limit, quote_only=quote_only
        )
        return await self._connection.unary(self._stub.JudgeLabels, request, timeout_s=timeout_s)

    @project_stream
    async def judges(self, project: str) -> AsyncIterator[Sequence[pb.JudgeReport]]:
        """The LLMs that have judged labels, with how right they were about answers to gold items."""
        request = pb.ListLabelJudgesRequest(project=project)
        async for page in self._connection.pages(self._stub.ListLabelJudges, request, lambda page: page.judges):
            yield page
