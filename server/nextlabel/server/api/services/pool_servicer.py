"""PoolService over the domain."""

# ruff: noqa: N802 -- the methods are named by the API

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

from nextlabel.server.api.boundary.idempotency import Replies, ReplySlot
from nextlabel.server.api.messages.item_states import state_of
from nextlabel.server.api.messages.pool import DecodedBatch, decode_batch, split_of
from nextlabel.server.api.messages.projects import counts_message
from nextlabel.server.api.messages.values import (
    EMBEDDED_BYTES,
    check_fits,
    embedding_matrix,
    number_of,
    page_size,
    page_token,
)
from nextlabel.server.api.reading.item_listing import ItemFilter, ItemListing
from nextlabel.server.api.reading.project_finder import ProjectFinder
from nextlabel.server.domain.pool.embedding import Embedding
from nextlabel.server.domain.pool.ingest import Ingest
from nextlabel.server.domain.pool.ingest_group import Receipt
from nextlabel.server.domain.pool.pair_making import PairMaking
from nextlabel.server.domain.pool.pools import Pools
from nextlabel.server.domain.reports.reports import Reports
from nextlabel.server.ports.system import Clock, Executor
from nextlabel.server.system.signals import Signals
from nextlabel.server.tasks.registry import task_type
from nextlabel.server.values.errors import AlreadyExists, FailedPrecondition, InvalidArgument, NotFound
from nextlabel.server.values.limits import Limits
from nextlabel.server.values.projects.projects import Project
from nextlabel.v1 import pool_pb2
from nextlabel.v1 import pool_service_pb2 as pb
from nextlabel.v1.pool_service_pb2_grpc import PoolServiceServicer

# Batches of one stream that are queued before the oldest is acknowledged: two group commits under way, two waiting.
_QUEUED_BATCHES = 48
_WATCH_POLL_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolServicer(PoolServiceServicer):
    """Translates calls about items."""

    finder: ProjectFinder
    replies: Replies
    clock: Clock
    executor: Executor
    ingest: Ingest
    pools: Pools
    pairs: PairMaking
    embedding: Embedding
    reports: Reports
    listing: ItemListing
    signals: Signals
    limits: Limits

    async def AddItems(
        self, requests: AsyncIterator[pb.AddItemsRequest], context: Any
    ) -> AsyncIterator[pb.AddItemsResponse]:
        """Take batches in, several on their way at a time, and acknowledge them in order."""
        opening = await anext(requests, None)
        if opening is None or not opening.HasField("header"):
            raise InvalidArgument.field("header", "must come in the first message of the stream")
        project = await self.finder.project(opening.header.project)
        await self._check_pairs_fit(project)
        done = await self._resumed(project, opening.header)
        yield pb.AddItemsResponse(sequence=done)
        queue: _Queue = asyncio.Queue()
        places = asyncio.Semaphore(_QUEUED_BATCHES)
        reader = asyncio.create_task(self._read(project, opening.header.upload_id, done, requests, queue, places))
        try:
            while (queued := await queue.get()) is not None:
                yield await _acknowledgement(*queued)
                places.release()
            await reader
        finally:
            reader.cancel()
            await asyncio.gather(reader, return_exceptions=True)

    async def _check_pairs_fit(self, project: Project) -> None:
        if not task_type(project.annotation_type).pairs or not project.embedding_model:
            return
        embedder = self.embedding.encoders.named(project.embedding_model)
        if embedder is not None and project.embedding_dimension != 2 * await self.embedding.dimension(embedder):
            raise FailedPrecondition(
                f"project {project.name} was created when items could not be pairs yet, or for another embedder; "
                "create a project of another name and add the pairs there",
                reason="NO_PAIRS",
            )

    async def _resumed(self, project: Project, header: pb.AddItemsHeader) -> int:
        """Return the last sequence number of the upload that is durable."""
        if not 1 <= len(header.upload_id.encode()) <= self.limits.item_id_bytes:
            raise InvalidArgument.field(
                "header.upload_id", f"must be 1 to {self.limits.item_id_bytes} bytes; use a new UUID4 for a new upload"
            )
        done = await self.ingest.acknowledged(project, header.upload_id)
        if done and not header.resume:
            raise AlreadyExists(
                "upload",
                header.upload_id,
                message=f"upload {header.upload_id!r} has {done} batches already; set resume, or use a new upload_id",
            )
        return done

    async def _read(
        self,
        project: Project,
        upload: str,
        done: int,
        requests: AsyncIterator[pb.AddItemsRequest],
        queue: _Queue,
        places: asyncio.Semaphore,
    ) -> None:
        """Queue the batches of a stream, as places allow, until it ends or one is wrong as a whole; then None."""
        expected = None
        try:
            async for request in requests:
                await places.acquire()
                batch = request.batch
                if not request.HasField("batch"):
                    raise InvalidArgument.field("message", "must be a batch in every message after the first")
                if batch.sequence < 1:
                    raise InvalidArgument.field("batch.sequence", f"counts from 1, got {batch.sequence}")
                if batch.sequence <= done:
                    queue.put_nowait((None, _already(batch.sequence)))
                    continue
                expected = expected or done + 1
                if batch.sequence != expected:
                    raise InvalidArgument.field("batch.sequence", f"must be {expected}, got {batch.sequence}")
                decoded = await self.executor.run(lambda b=batch: decode_batch(b, project, self.limits))  # type: ignore[misc]
                if project.embedding_model and decoded.incoming.embeddings_nD is None:
                    await self.embedding.check(project)
                receipt = await self.ingest.add(project, upload, batch.sequence, decoded.incoming)
                queue.put_nowait((decoded, receipt))
                expected += 1
        finally:
            queue.put_nowait(None)

    async def GetUpload(self, request: pb.GetUploadRequest, context: Any) -> pb.GetUploadResponse:
        """Return how far an upload got."""
        project = await self.finder.project(request.project)
        done = await self.ingest.acknowledged(project, request.upload_id)
        if not done:
            raise NotFound("upload", request.upload_id)
        upload = pb.Upload(project=project.name, upload_id=request.upload_id, last_sequence=done)
        return pb.GetUploadResponse(upload=upload)

    async def GetItem(self, request: pb.GetItemRequest, context: Any) -> pb.GetItemResponse:
        """Return one item with its state and consensus."""
        project = await self.finder.project(request.project)
        stored = await self.pools.item(project.id, request.item_id)
        (detail,) = await self.listing.details(project, [stored])
        return pb.GetItemResponse(item=detail)

    async def ListItems(self, request: pb.ListItemsRequest, context: Any) -> pb.ListItemsResponse:
        """List items in the order in which they were added."""
        project = await self.finder.project(request.project)
        split = None if request.split == pool_pb2.SPLIT_UNSPECIFIED else split_of(request.split, "split")
        wanted = ItemFilter(split, state_of(request.state, "state"))
        items, after = await self.listing.page(
            project, wanted, row_after(request.page_token), page_size(request.page_size)
        )
        return pb.ListItemsResponse(items=items, next_page_token="" if after is None else page_token(after + 1))

    async def DeleteItems(self, request: pb.DeleteItemsRequest, context: Any) -> pb.DeleteItemsResponse:
        """Delete items for good."""
        project = await self.finder.project(request.project)
        item_ids = list(dict.fromkeys(request.item_ids))

        def done(unknown: Sequence[str]) -> pb.DeleteItemsResponse:
            return pb.DeleteItemsResponse(deleted=len(item_ids) - len(unknown), unknown_item_ids=unknown)

        async def delete(slot: ReplySlot[pb.DeleteItemsResponse]) -> pb.DeleteItemsResponse:
            at = self.clock.now()
            async with self.pairs.with_pairs(project.id, item_ids) as all_ids:
                unknown = await self.pools.delete(
                    project.id, all_ids, at, lambda tx, unknown: slot.save(tx, done(unknown))
                )
            return done(unknown)

        response = await self.replies.around(request, pb.DeleteItemsResponse, delete)
        self.signals.notify(f"pool/{project.id}")
        return response

    async def GetPoolStatus(self, request: pb.GetPoolStatusRequest, context: Any) -> pb.GetPoolStatusResponse:
        """Return the counts of the pool."""
        return pb.GetPoolStatusResponse(status=await self._status(request.project))

    async def WatchPool(self, request: pb.WatchPoolRequest, context: Any) -> AsyncIterator[pb.WatchPoolResponse]:
        """Send the status at every change."""
        project = await self.finder.project(request.project)
        sent = None
        with self.signals.listening(f"pool/{project.id}") as news:
            while True:
                status = await self._status(request.project)
                if status != sent:
                    yield pb.WatchPoolResponse(status=status)
                    sent = status
                if status.counts.awaiting_embedding:
                    await self.embedding.check(project)
                await news.wait(_WATCH_POLL_S)

    async def _status(self, name: str) -> pb.PoolStatus:
        project = await self.finder.project(name)
        pool = await self.pools.open(project.id)
        counts = await self.reports.pool_counts(project)
        return pb.PoolStatus(
            counts=counts_message(counts.with_underway(self.embedding.underway(project.id))),
            pool_version=pool.index.next_row + len(pool.deleted),
            embedding_model=project.embedding_model,
            dimension=project.embedding_dimension,
            embedding_rate=self.embedding.rate(project.id),
        )

    async def Embed(self, requests: AsyncIterator[pb.EmbedRequest], context: Any) -> AsyncIterator[pb.EmbedResponse]:
        """Embed texts without storing them."""
        project: Project | None = None
        async for request in requests:
            project = project or await self.finder.project(request.project)
            await self.embedding.check(project)
            row = project.embedding_dimension * EMBEDDED_BYTES
            check_fits(len(request.texts), row, "texts", f"for embeddings of {project.embedding_dimension} numbers")
            matrix = await self.embedding.embed_texts(project, list(request.texts))
            yield pb.EmbedResponse(embeddings=embedding_matrix(matrix))


_Queue = asyncio.Queue["tuple[DecodedBatch | None, asyncio.Future[Receipt]] | None"]


def _already(sequence: int) -> asyncio.Future[Receipt]:
    """Return the receipt of a batch that was stored before."""
    receipt: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
    receipt.set_result(Receipt(sequence, accepted=0, duplicates=0, errors=()))
    return receipt


async def _acknowledgement(decoded: DecodedBatch | None, receipt: asyncio.Future[Receipt]) -> pb.AddItemsResponse:
    stored = await receipt
    return pb.AddItemsResponse(sequence=stored.sequence) if decoded is None else decoded.response(stored)


def row_after(token: str) -> int:
    """Return the last row of the page before; -1 for the first page."""
    return number_of(token) - 1
