"""QualityService over the domain."""

# ruff: noqa: N802 -- the methods are named by the API

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from nextlabel.server.api.boundary.calls import current_call
from nextlabel.server.api.boundary.idempotency import Replies, ReplySlot
from nextlabel.server.api.messages.assessment.delivery import delivered_label, delivery, delivery_place, delivery_token
from nextlabel.server.api.messages.assessment.filters import filter_hit, filter_message, filtered_label, kept_item
from nextlabel.server.api.messages.assessment.gold_askings import gold_asking
from nextlabel.server.api.messages.assessment.judging import judge_report, judging_request, judging_response
from nextlabel.server.api.messages.assessment.quality import (
    acceptance,
    annotator_comparison,
    arrival,
    class_share,
    figure,
    review_entry,
    slice_message,
    slice_shares,
)
from nextlabel.server.api.messages.assessment.routing import route_plan
from nextlabel.server.api.messages.models import filter_counts
from nextlabel.server.api.messages.values import fitting, full_page, page, page_size
from nextlabel.server.api.reading.project_finder import ProjectFinder
from nextlabel.server.domain.learning.judging.judging import LabelJudging
from nextlabel.server.domain.pool.pools import Pools
from nextlabel.server.domain.quality.gold_askings import newest_askings
from nextlabel.server.domain.reports.routing import AnnotatorPrice
from nextlabel.server.domain.selection.review_queue import MOST_UNLABELED
from nextlabel.server.ports.state_store import StateStore, Transaction
from nextlabel.server.values.errors import InvalidArgument
from nextlabel.server.wiring.quality import QualityParts
from nextlabel.v1 import quality_service_pb2 as pb
from nextlabel.v1.quality_service_pb2_grpc import QualityServiceServicer

"""Items without a label that a review list names at most."""


@dataclass(frozen=True, slots=True)
class QualityServicer(QualityServiceServicer):
    """Translates calls about quality."""

    store: StateStore
    pools: Pools
    finder: ProjectFinder
    replies: Replies
    quality: QualityParts
    judging: LabelJudging

    async def GetAccuracy(self, request: pb.GetAccuracyRequest, context: Any) -> pb.GetAccuracyResponse:
        """Return how accurate the newest model and the labels are."""
        project = await self.finder.project(request.project)
        slices = await self.quality.slices.slices(project, request.by) if request.by else ()
        found = await self.quality.accuracy.accuracy(project)
        return pb.GetAccuracyResponse(
            model=[figure(one) for one in found.model],
            labels=[figure(one) for one in found.labels],
            slices=[slice_message(one) for one in slices],
            annotators=[
                pb.AnnotatorAccuracy(annotator=one.annotator, figures=[figure(each) for each in one.figures])
                for one in await self.quality.annotator_accuracies.of(project)
            ],
        )

    async def GetClassShares(self, request: pb.GetClassSharesRequest, context: Any) -> pb.GetClassSharesResponse:
        """Return the share of each class in the pool."""
        found = await self.quality.shares.shares(await self.finder.project(request.project), request.by)
        return pb.GetClassSharesResponse(
            shares=[class_share(one) for one in found.shares],
            draws=found.draws,
            unanswered_draws=found.unanswered_draws,
            mean_score=[figure(one) for one in found.mean],
            slices=[slice_shares(one) for one in found.slices],
        )

    async def GetPoolDrift(self, request: pb.GetPoolDriftRequest, context: Any) -> pb.GetPoolDriftResponse:
        """Return whether the texts that came are like the earlier ones."""
        found = await self.quality.drift.arrivals((await self.finder.project(request.project)).id)
        return pb.GetPoolDriftResponse(arrivals=[arrival(one) for one in found])

    async def GetAnnotatorDrift(
        self, request: pb.GetAnnotatorDriftRequest, context: Any
    ) -> pb.GetAnnotatorDriftResponse:
        """Return how annotators answered gold items each time that they were asked."""
        project = await self.finder.project(request.project)
        found = newest_askings(await self.quality.gold_askings.of(project, request.annotator))
        return pb.GetAnnotatorDriftResponse(askings=[gold_asking(one) for one in found])

    async def CompareAnnotators(
        self, request: pb.CompareAnnotatorsRequest, context: Any
    ) -> pb.CompareAnnotatorsResponse:
        """Compare two annotators by their answers about the same gold items."""
        project = await self.finder.project(request.project)
        return annotator_comparison(
            await self.quality.annotator_comparisons.compare(project, request.annotator, request.successor)
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

    async def GetDelivery(self, request: pb.GetDeliveryRequest, context: Any) -> pb.GetDeliveryResponse:
        """Tell what the labels of the whole pool are worth."""
        project = await self.finder.project(request.project)
        _, found = await self.quality.deliveries.found(project, request.accuracy)
        measured = await self.quality.measured_deliveries.of(project, request.accuracy)
        return delivery(found, measured)

    async def ListDeliveredLabels(
        self, request: pb.ListDeliveredLabelsRequest, context: Any
    ) -> pb.ListDeliveredLabelsResponse:
        """List every item with its label."""
        project = await self.finder.project(request.project)
        deliveries, size = self.quality.deliveries, page_size(request.page_size)
        key, after = delivery_place(request.page_token)
        if not key:
            key, _ = await deliveries.found(project, request.accuracy)
        found = await deliveries.page(project, request.accuracy, key, after, size)
        references = (await self.pools.open(project.id)).references
        labels = fitting(delivered_label(one, references.get(one.item.row), project) for one in found.items)
        if len(labels) < len(found.items):
            token = delivery_token(key, found.items[len(labels) - 1].item.row)
        else:
            token = "" if found.after is None else delivery_token(key, found.after)
        return pb.ListDeliveredLabelsResponse(labels=labels, next_page_token=token)

    async def QuoteRoutes(self, request: pb.QuoteRoutesRequest, context: Any) -> pb.QuoteRoutesResponse:
        """Plan who should label the rest of the pool for a budget."""
        project = await self.finder.project(request.project)
        annotators = [AnnotatorPrice(one.annotator, one.micro_usd) for one in request.annotators]
        found = await self.quality.route_plans.plan(
            project, request.budget_micro_usd, annotators, request.person_micro_usd
        )
        return route_plan(found)

    async def ListReview(self, request: pb.ListReviewRequest, context: Any) -> pb.ListReviewResponse:
        """List the labels that are worth another look."""
        project = await self.finder.project(request.project)
        if not 0 <= request.unlabeled <= MOST_UNLABELED:
            raise InvalidArgument.field("unlabeled", f"from 0 to {MOST_UNLABELED:,}, got {request.unlabeled}")
        found = await self.quality.review.entries(project, request.annotator, request.unlabeled)
        entries, token = full_page(found, request.page_token, request.page_size, review_entry)
        gain = sum(entry.gain for entry in found)
        return pb.ListReviewResponse(entries=entries, total=len(found), next_page_token=token, expected_gain=gain)

    async def ListFilterHits(self, request: pb.ListFilterHitsRequest, context: Any) -> pb.ListFilterHitsResponse:
        """List the labels that a rule would take out."""
        filters = self.quality.filter_sets.filters
        found = await filters.preview(await self.finder.project(request.project), request.rule)
        hits, token = full_page(found.by_item(), request.page_token, request.page_size, filter_hit)
        total = len(found.by_row)
        return pb.ListFilterHitsResponse(hits=hits, total=total, labels=found.labels, next_page_token=token)

    async def SetFilter(self, request: pb.SetFilterRequest, context: Any) -> pb.SetFilterResponse:
        """Try a rule and make it a filter."""
        sets, author = self.quality.filter_sets, current_call().principal.name

        async def set_filter(slot: ReplySlot[pb.SetFilterResponse]) -> pb.SetFilterResponse:
            project = await self.finder.project(request.project)
            tried = await sets.tried(project, request.rule) if request.rule else None

            def work(tx: Transaction) -> pb.SetFilterResponse:
                now = sets.put(tx, project, request.name, request.rule, enabled=not request.disabled, changed_by=author)
                reply = pb.SetFilterResponse(filter=filter_message(now))
                if tried is not None:
                    reply.hits, reply.labels = len(tried.by_row), tried.labels
                slot.save(tx, reply)
                return reply

            return await self.store.write(work)

        return await self.replies.around(request, pb.SetFilterResponse, set_filter)

    async def ListFilters(self, request: pb.ListFiltersRequest, context: Any) -> pb.ListFiltersResponse:
        """List the filters of a project."""
        project = await self.finder.project(request.project)
        found = await self.store.read(lambda tx: tx.filters.list(project.id))
        filters, token = page(found, request.page_token, request.page_size, filter_message)
        return pb.ListFiltersResponse(filters=filters, next_page_token=token)

    async def RemoveFilter(self, request: pb.RemoveFilterRequest, context: Any) -> pb.RemoveFilterResponse:
        """Remove a filter."""
        project = await self.finder.project(request.project)

        def work(tx: Transaction) -> pb.RemoveFilterResponse:
            self.quality.filter_sets.remove(tx, project, request.name)
            return pb.RemoveFilterResponse()

        return await self.replies.once(request, pb.RemoveFilterResponse, work)

    async def ListFilteredLabels(
        self, request: pb.ListFilteredLabelsRequest, context: Any
    ) -> pb.ListFilteredLabelsResponse:
        """List the labels that enabled filters leave out."""
        filters = self.quality.filter_sets.filters
        found = await filters.left_out(await self.finder.project(request.project))
        labels, token = full_page(found.by_item(), request.page_token, request.page_size, filtered_label)
        counts = [] if request.page_token else filter_counts(found.counts())
        return pb.ListFilteredLabelsResponse(
            filtered=labels, total=len(found.by_row), counts=counts, next_page_token=token
        )

    async def KeepItems(self, request: pb.KeepItemsRequest, context: Any) -> pb.KeepItemsResponse:
        """Keep items in spite of filters, or leave them to the filters again."""
        project = await self.finder.project(request.project)
        author, ids = current_call().principal.name, list(dict.fromkeys(request.item_ids))
        found = dict(zip(ids, (await self.pools.find(project.id, ids)).tolist(), strict=True))
        rows = {item_id: row for item_id, row in found.items() if row >= 0}

        def work(tx: Transaction) -> pb.KeepItemsResponse:
            if request.release:
                tx.filters.release(project.id, list(rows.values()))
            else:
                self.quality.filter_sets.keep(tx, project, rows, author)
            unknown = [item_id for item_id in ids if item_id not in rows]
            return pb.KeepItemsResponse(items=len(rows), unknown_item_ids=unknown)

        return await self.replies.once(request, pb.KeepItemsResponse, work)

    async def ListKeptItems(self, request: pb.ListKeptItemsRequest, context: Any) -> pb.ListKeptItemsResponse:
        """List the items that are kept in spite of filters."""
        found = await self.quality.filter_sets.kept(await self.finder.project(request.project))
        kept, token = full_page(found, request.page_token, request.page_size, kept_item)
        return pb.ListKeptItemsResponse(kept=kept, next_page_token=token)

    async def JudgeLabels(self, request: pb.JudgeLabelsRequest, context: Any) -> pb.JudgeLabelsResponse:
        """Have an LLM judge labels."""
        project, wanted = await self.finder.project(request.project), judging_request(request)

        async def judge(slot: ReplySlot[pb.JudgeLabelsResponse]) -> pb.JudgeLabelsResponse:
            reply = judging_response(await self.judging.judge(project, wanted))
            await self.store.write(lambda tx: slot.save(tx, reply))
            return reply

        return await self.replies.around(request, pb.JudgeLabelsResponse, judge)

    async def ListLabelJudges(self, request: pb.ListLabelJudgesRequest, context: Any) -> pb.ListLabelJudgesResponse:
        """List the judges of labels with how they did on gold."""
        found = await self.quality.judges.reports(await self.finder.project(request.project))
        judges, token = page(found, request.page_token, request.page_size, judge_report)
        return pb.ListLabelJudgesResponse(judges=judges, next_page_token=token)
