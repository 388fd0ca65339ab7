"""LabelingService over the domain."""

# ruff: noqa: N802 -- the methods are named by the API

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from nextlabel.server.api.boundary.calls import current_call
from nextlabel.server.api.boundary.idempotency import Replies, ReplySlot
from nextlabel.server.api.messages.labeling.annotations import (
    annotation_message,
    annotator_kind,
    consensus_message,
    cost_message,
    outcome_of,
)
from nextlabel.server.api.messages.labeling.answers import body_of
from nextlabel.server.api.messages.labeling.leases import (
    lease_message,
    pick_message,
    replay_response,
    result_messages,
    submission_of,
)
from nextlabel.server.api.messages.values import (
    beginning,
    fitting,
    number_of,
    page,
    page_size,
    page_token,
    seconds_of,
    strategy_of,
    strategy_spec,
    timestamp,
)
from nextlabel.server.api.reading.export import Export, chunks
from nextlabel.server.api.reading.leased_items import LeasedItems
from nextlabel.server.api.reading.project_finder import ProjectFinder
from nextlabel.server.domain.labeling.disguises import Disguises
from nextlabel.server.domain.labeling.known_rows import known_rows
from nextlabel.server.domain.labeling.labels import Labels
from nextlabel.server.domain.labeling.leases import Leased, Leases
from nextlabel.server.domain.labeling.replay_labels import KnownLabel, ReplayLabels, ReplayTally
from nextlabel.server.domain.labeling.slipped_gold import SlippedGold
from nextlabel.server.domain.labeling.submission_checks import Submission
from nextlabel.server.domain.labeling.submissions import Submissions, SubmitResult, SubmitStatus
from nextlabel.server.domain.pool.pools import Pools
from nextlabel.server.domain.selection.auditing import Auditing
from nextlabel.server.domain.selection.leasing import Leasing
from nextlabel.server.domain.selection.review_queue import MOST_UNLABELED
from nextlabel.server.domain.selection.reviewing import Reviewing
from nextlabel.server.domain.selection.selector import Query, Selector
from nextlabel.server.ports.state_store import StateStore, Transaction
from nextlabel.server.system.signals import Signals
from nextlabel.server.values.errors import InvalidArgument, NotFound
from nextlabel.server.values.labeling.annotations import Annotation
from nextlabel.server.values.labeling.batches import Batch, Pick
from nextlabel.server.values.limits import Limits
from nextlabel.server.values.money.costs import Cost
from nextlabel.v1 import labeling_service_pb2 as pb
from nextlabel.v1.labeling_service_pb2_grpc import LabelingServiceServicer


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelingServicer(LabelingServiceServicer):
    """Translates calls about batches, leases and annotations."""

    store: StateStore
    finder: ProjectFinder
    replies: Replies
    selector: Selector
    leasing: Leasing
    reviewing: Reviewing
    auditing: Auditing
    leased_items: LeasedItems
    labeling: Leases
    submissions: Submissions
    slipped_gold: SlippedGold
    disguises: Disguises
    labels: Labels
    pools: Pools
    replay_labels: ReplayLabels
    export: Export
    signals: Signals
    limits: Limits

    async def SelectBatch(self, request: pb.SelectBatchRequest, context: Any) -> pb.SelectBatchResponse:
        """Run a strategy now."""
        project = await self.finder.project(request.project)
        query = Query(
            count=request.count,
            strategy=strategy_of(request.strategy, "strategy") if request.HasField("strategy") else project.strategy,
            audit_share=request.audit_share if request.HasField("audit_share") else project.audit_share,
            seed=request.seed,
        )

        def response(batch: Batch, picks: Sequence[Pick]) -> pb.SelectBatchResponse:
            return pb.SelectBatchResponse(
                batch=batch.id,
                picks=[pick_message(pick) for pick in picks],
                model_version=batch.model_version,
                pool_version=batch.pool_rows,
                strategy=strategy_spec(batch.strategy),
            )

        async def select(slot: ReplySlot[pb.SelectBatchResponse]) -> pb.SelectBatchResponse:
            def save(tx: Transaction, batch: Batch, picks: Sequence[Pick]) -> None:
                slot.save(tx, response(batch, picks))

            return response(*await self.selector.select(project, query, also=save))

        _check_query(query)
        return await self.replies.around(request, pb.SelectBatchResponse, select)

    async def LeaseItems(self, request: pb.LeaseItemsRequest, context: Any) -> pb.LeaseItemsResponse:
        """Give an annotator items to answer."""
        project = await self.finder.project(request.project)
        ttl_s = seconds_of(request.ttl) if request.HasField("ttl") else None
        annotator = current_call().principal.answers_as(request.annotator)
        _check_lease(request)
        slot = self.replies.slot(request, pb.LeaseItemsResponse)
        gold = () if request.review or request.audit else await self.slipped_gold.of(project)

        def saved(tx: Transaction, leased: Leased) -> pb.LeaseItemsResponse:
            response = pb.LeaseItemsResponse(lease=lease_message(leased))
            slot.save(tx, response)
            return response

        def work(tx: Transaction) -> pb.LeaseItemsResponse | None:
            """Lease what is open. Only a lease is stored as the answer: that there is none may change any moment."""
            if (earlier := slot.find(tx)) is not None:
                return earlier
            leased = self.labeling.lease(
                tx, project, annotator, request.count, ttl_s, deliverable=self.leased_items.deliverable, gold=gold
            )
            return None if leased is None else saved(tx, leased)

        def made_for_one(tx: Transaction, batch: Batch, picks: Sequence[Pick]) -> pb.LeaseItemsResponse | None:
            if (earlier := slot.find(tx)) is not None:
                return earlier
            leased = self.labeling.lease_batch(
                tx,
                project,
                annotator,
                request.count,
                ttl_s,
                batch=batch,
                picks=picks,
                deliverable=self.leased_items.deliverable,
            )
            return None if leased is None else saved(tx, leased)

        if request.review:
            response = await self.reviewing.lease(project, annotator, request.count, made_for_one, request.unlabeled)
        elif request.audit:
            response = await self.auditing.lease(project, annotator, request.count, made_for_one)
        else:
            response = await self.leasing.lease(project, annotator, request.count, work)
        if response is None:
            return pb.LeaseItemsResponse()
        await self.leased_items.fill(
            project,
            response.lease.items,
            suggest=not request.audit,
            show_answers=request.show_answers,
            disguised=project.gold_share > 0 and not request.review and not request.audit,
        )
        return response

    async def ExtendLease(self, request: pb.ExtendLeaseRequest, context: Any) -> pb.ExtendLeaseResponse:
        """Move the expiry of a lease."""
        project = await self.finder.project(request.project)
        ttl_s = seconds_of(request.ttl) if request.HasField("ttl") else None
        caller = current_call().principal

        def work(tx: Transaction) -> pb.ExtendLeaseResponse:
            caller.answers_as(self.labeling.owned_lease(tx, project, request.lease_id).annotator)
            lease = self.labeling.extend(tx, project, request.lease_id, ttl_s)
            return pb.ExtendLeaseResponse(expire_time=timestamp(lease.expires_at))

        return await self.replies.once(request, pb.ExtendLeaseResponse, work, project=project.id)

    async def ReleaseLease(self, request: pb.ReleaseLeaseRequest, context: Any) -> pb.ReleaseLeaseResponse:
        """Give the unanswered items of a lease back."""
        project = await self.finder.project(request.project)
        caller = current_call().principal

        def work(tx: Transaction) -> pb.ReleaseLeaseResponse:
            caller.answers_as(self.labeling.owned_lease(tx, project, request.lease_id).annotator)
            return pb.ReleaseLeaseResponse(released=self.labeling.release(tx, project, request.lease_id))

        return await self.replies.once(request, pb.ReleaseLeaseResponse, work, project=project.id)

    async def SubmitAnnotations(
        self, request: pb.SubmitAnnotationsRequest, context: Any
    ) -> pb.SubmitAnnotationsResponse:
        """Take answers, each for itself."""
        project = await self.finder.project(request.project)
        annotator = current_call().principal.answers_as(request.annotator)
        readable, refused = _read_submissions(request.annotations, self.limits)
        real = await self.disguises.real_ids(project.id, [s.item_id for s in readable.values()])
        answers = [replace(s, item_id=real.get(s.item_id, s.item_id)) for s in readable.values()]
        known = await known_rows(self.pools, project.id, [s.item_id for s in answers])

        def work(tx: Transaction) -> pb.SubmitAnnotationsResponse:
            given = self.submissions.submit(tx, project, annotator, request.lease_id, answers, known)
            named = [one.said_of(s.item_id) for one, s in zip(given, readable.values(), strict=True)]
            results = refused | dict(zip(readable, named, strict=True))
            return pb.SubmitAnnotationsResponse(results=result_messages([results[i] for i in sorted(results)]))

        response = await self.replies.once(request, pb.SubmitAnnotationsResponse, work, project=project.id)
        self.signals.notify(f"labeling/{project.id}")
        return response

    async def ListAnnotations(self, request: pb.ListAnnotationsRequest, context: Any) -> pb.ListAnnotationsResponse:
        """List annotations, oldest first."""
        project = await self.finder.project(request.project)
        size, after = page_size(request.page_size), number_of(request.page_token)
        outcome = outcome_of(request.outcome)
        rows: list[int] | None = None
        if request.item_id:
            rows = [(await self.pools.item(project.id, request.item_id)).row]

        def wanted(annotation: Annotation) -> bool:
            return request.annotator in ("", annotation.annotator) and outcome in (None, annotation.outcome)

        def work(tx: Transaction) -> list[Annotation]:
            found: list[Annotation] = []
            last = after
            while len(found) <= size:
                read = tx.labeling.annotations(
                    project.id, rows=rows, run=request.run or None, after_id=last, limit=size + 1
                )
                found += filter(wanted, read)
                if len(read) <= size:
                    break
                last = read[-1].id
            return found

        found = await self.store.read(work)
        annotations = fitting(annotation_message(annotation) for annotation in found[:size])
        more = len(found) > len(annotations)
        return pb.ListAnnotationsResponse(
            annotations=annotations, next_page_token=page_token(found[len(annotations) - 1].id) if more else ""
        )

    async def GetConsensus(self, request: pb.GetConsensusRequest, context: Any) -> pb.GetConsensusResponse:
        """Return what the annotations of an item add up to."""
        project = await self.finder.project(request.project)
        row = int((await self.pools.find(project.id, [request.item_id]))[0])
        if row < 0:
            raise NotFound("item", request.item_id)
        agreed = (await self.labels.consensus(project)).get(row)
        return pb.GetConsensusResponse(consensus=None if agreed is None else consensus_message(agreed, project))

    async def ListConsensus(self, request: pb.ListConsensusRequest, context: Any) -> pb.ListConsensusResponse:
        """List the consensus of every item that has one, in the order in which the items were added."""
        project = await self.finder.project(request.project)
        size, after = page_size(request.page_size), number_of(request.page_token) - 1
        agreed = await self.labels.consensus(project)
        rows = sorted(row for row in agreed if row > after)
        consensus = fitting(consensus_message(agreed[row], project) for row in rows[:size])
        more = len(rows) > len(consensus)
        return pb.ListConsensusResponse(
            consensus=consensus, next_page_token=page_token(rows[len(consensus) - 1] + 1) if more else ""
        )

    async def UploadReplayLabels(
        self, requests: AsyncIterator[pb.UploadReplayLabelsRequest], context: Any
    ) -> pb.UploadReplayLabelsResponse:
        """Store known labels."""
        opening = await anext(requests, None)
        if opening is None or not opening.HasField("header"):
            raise InvalidArgument.field("header", "must come in the first message of the stream")
        project = await self.finder.project(opening.header.project)
        label_set = opening.header.label_set
        self.replay_labels.check_name(label_set)
        tally = ReplayTally()
        async for request in requests:
            await self.replay_labels.take(project, label_set, _known_labels(request), tally)
        return replay_response(tally)

    async def ExportAnnotations(
        self, request: pb.ExportAnnotationsRequest, context: Any
    ) -> AsyncIterator[pb.ExportAnnotationsResponse]:
        """Export annotations or the consensus as JSON Lines."""
        project = await self.finder.project(request.project)
        chosen = self.export.lines(
            project,
            request.format,
            request.run,
            trusted_only=request.trusted_only,
            filtered=request.filtered,
            judging=await self.finder.project(request.judged_by) if request.judged_by else None,
        )
        async for lines in chosen:
            for chunk in chunks([f"{line}\n".encode() for line in lines]):
                yield pb.ExportAnnotationsResponse(lines=b"".join(chunk), line_count=len(chunk))

    async def ListAnnotators(self, request: pb.ListAnnotatorsRequest, context: Any) -> pb.ListAnnotatorsResponse:
        """List who has annotated, by name."""
        project = await self.finder.project(request.project)
        own = await self.labels.by_annotator(project)
        annotators, token = page(
            list(own), request.page_token, request.page_size, lambda name: _annotator(name, own[name])
        )
        return pb.ListAnnotatorsResponse(annotators=annotators, next_page_token=token)


def _check_lease(request: pb.LeaseItemsRequest) -> None:
    if request.audit and request.review:
        raise InvalidArgument.field("audit", "a lease is of audit draws or of labels to review; leave one of them out")
    if request.show_answers and not request.review:
        raise InvalidArgument.field("show_answers", "answers of others are shown with `review` only")
    most_unlabeled = MOST_UNLABELED if request.review else 0
    if not 0 <= request.unlabeled <= most_unlabeled:
        only = "" if request.review else "; leases without `review` are of new items anyway"
        raise InvalidArgument.field("unlabeled", f"from 0 to {most_unlabeled:,}, got {request.unlabeled}{only}")


def _check_query(query: Query) -> None:
    if query.seed < 0:
        raise InvalidArgument.field("seed", f"must not be negative, got {query.seed}")
    if not 0.0 <= query.audit_share <= 1.0:
        raise InvalidArgument.field("audit_share", f"from 0 to 1, got {query.audit_share:g}")


def _read_submissions(
    messages: Sequence[pb.SubmittedAnnotation],
    limits: Limits,
) -> tuple[dict[int, Submission], dict[int, SubmitResult]]:
    """Return the answers that could be read and the refusals of the others, each by its place in the call."""
    readable: dict[int, Submission] = {}
    refused: dict[int, SubmitResult] = {}
    for place, message in enumerate(messages):
        try:
            readable[place] = submission_of(message, f"annotations[{place}]", limits)
        except InvalidArgument as error:
            refused[place] = SubmitResult(
                beginning(message.item_id, limits.item_id_bytes), SubmitStatus.REFUSED, error.message
            )
    return readable, refused


def _annotator(name: str, annotations: Sequence[Annotation]) -> pb.Annotator:
    return pb.Annotator(
        name=name,
        kind=annotator_kind(annotations[0].kind),
        annotation_count=len(annotations),
        cost=cost_message(sum((a.answer.provenance.cost for a in annotations), start=Cost())),
        last_time=timestamp(max(a.created_at for a in annotations)),
    )


def _known_labels(request: pb.UploadReplayLabelsRequest) -> Sequence[KnownLabel]:
    if not request.HasField("batch"):
        raise InvalidArgument.field("batch", "must hold labels, in every message after the first")
    return [
        KnownLabel(entry.item_id, body_of(entry.answer, "answer") if entry.answer.WhichOneof("body") else None)
        for entry in request.batch.labels
    ]
