"""The pool of a project."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from nextlabel.client.errors import Parts
from nextlabel.client.items import Columns, Rows
from nextlabel.client.known_labels import KNOWN, LabeledAddResult, LabeledRows
from nextlabel.client.literals import SplitName, StateName
from nextlabel.client.messages.answers import encode_answer
from nextlabel.client.messages.chunks import text_chunks
from nextlabel.client.messages.enums import enum_value
from nextlabel.client.messages.item_batches import ItemEncoder
from nextlabel.client.messages.names import named_as, several_texts
from nextlabel.client.row_checks import is_missing
from nextlabel.client.services.labeling import Labeling
from nextlabel.client.services.projects import Projects
from nextlabel.client.sources import blocks, texts_of
from nextlabel.client.transport.calls import Mode, OfServer, Scope, Service, project_call, project_stream
from nextlabel.client.transport.modes import Awaiting
from nextlabel.client.upload import AddResult, Upload
from nextlabel.v1 import pool_service_pb2 as pb
from nextlabel.v1.annotation_pb2 import Answer
from nextlabel.v1.labeling_service_pb2 import SUBMIT_STATUS_REFUSED, SubmitResult
from nextlabel.v1.pool_pb2 import SPLIT_HOLDOUT, SPLIT_POOL, EmbeddingMatrix, ItemDetail, ItemState, Split
from nextlabel.v1.pool_service_pb2_grpc import PoolServiceStub

# So that embeddings of up to 12,000 numbers fit into a reply.
_EMBEDDED_TEXTS = 128

if TYPE_CHECKING:
    from numpy import ndarray

    from nextlabel.v1.pool_service_pb2_grpc import PoolServiceAsyncStub


class Pool(Service[Mode, Scope]):
    """Takes items in, returns them and reports on the pool."""

    @cached_property
    def _stub(self) -> "PoolServiceAsyncStub":
        return PoolServiceStub(self._connection.channel)

    @project_call
    async def add(
        self,
        project: str,
        items: Any,
        *,
        embeddings: "ndarray[Any, Any] | None" = None,
        split: SplitName = "pool",
        columns: Columns | None = None,
        upload_id: str | None = None,
        on_progress: Callable[[AddResult], None] | None = None,
    ) -> AddResult:
        """Add items and wait until they are durable.

        `items` is an iterable of texts, dicts or Items, a pandas DataFrame, an Arrow table, batch or reader, a
        Hugging Face data set, or an ItemFile; it is read once, as far ahead as the window of batches on their way
        allows. `columns` names its columns or keys: `text`, `id` and `label` unless it says otherwise. An item
        without an id gets the hash of its text (`content_id`). `embeddings` is a matrix with a row for each item,
        sent as half floats.

        `split` is pool, holdout or gold; labels are sent for the latter two only: `add_labeled` keeps those of pool
        items, and Items of the pool with a label are refused here.

        An upload that is cut off resumes by itself. To resume it in another process, pass the same items and the
        same `upload_id`: what was acknowledged is not sent again. `on_progress` is called after every
        acknowledgement and must not call the client.

        Items that are not taken are reported in the result, the others go in. An error of the source is raised
        after what came before it is durable. Raises NextlabelError when the server refuses the upload or stays
        away; ValueError for an unknown column, a split that does not exist, or embeddings of another length.
        """
        split_value = enum_value(Split, split, "split")
        rows = blocks(items, columns or Columns(), embeddings)
        if split_value == SPLIT_POOL:
            rows = map(_without_given_labels, rows)
        return await self._upload(project, rows, split_value, upload_id, on_progress)

    @project_call
    async def add_labeled(
        self,
        project: str,
        items: Any,
        *,
        holdout: float = 0.0,
        annotator: str = KNOWN,
        embeddings: "ndarray[Any, Any] | None" = None,
        columns: Columns | None = None,
        on_progress: Callable[[AddResult], None] | None = None,
    ) -> LabeledAddResult:
        """Add items of which some have labels already, given as to `add`, and keep those labels.

        A share `holdout` in [0, 1) of the labeled items only evaluates; it is drawn by their content, so that adding
        them again changes nothing. The labels of the others become annotations of `annotator`, or of whom an export of
        another tool names, each of which counts against the budget of labels. Names of classes may differ in case and
        spaces. A label that is none is refused by itself, with its item. All items are read before the first is sent.

        Raises what `add` raises; ValueError for a share out of its range, and, with the items in the pool and no label
        kept, where more items are not taken than the result can list.
        """
        if not 0.0 <= holdout < 1.0:
            raise ValueError(f"holdout: a share from 0 to below 1, got {holdout}")
        given = await asyncio.to_thread(LabeledRows, blocks(items, columns or Columns(), embeddings), holdout)
        evaluating = await self._upload(project, iter(given.holdout), SPLIT_HOLDOUT, None, on_progress)
        pool = await self._upload(project, iter(given.pool), SPLIT_POOL, None, on_progress)
        if pool.rejected > len(pool.errors):
            raise ValueError(f"items: {pool.rejected:,} were not taken, too many to tell whose labels belong to what")
        # An item of this id may be there with another text, which the label is not about.
        untaken = {error.item_id for error in pool.errors}
        known: dict[str, dict[str, Answer]] = {}
        answers: list[SubmitResult] = []
        answer = await self._reading_labels(project)
        numbers: dict[str, int] = {}
        for number, by, item_id, label in given.labels():
            if item_id in untaken:
                continue
            numbers[item_id] = number
            try:
                known.setdefault(by or annotator, {})[item_id] = answer(label)
            except ValueError as error:
                answers.append(SubmitResult(item_id=item_id, status=SUBMIT_STATUS_REFUSED, message=str(error)))
        labeling: Labeling[Awaiting, OfServer] = Labeling(self._connection, Awaiting())
        for by, labels in known.items():
            answers += await labeling.submit(project, labels, annotator=by)
        return LabeledAddResult(evaluating, pool, answers, numbers)

    async def _reading_labels(self, project: str) -> Callable[[Any], Answer]:
        """How labels in files are read as answers; classes may have been added, so they are asked for anew."""
        found = await Projects(self._connection, Awaiting()).get(project)
        classes = [one.name for one in found.label_space.classes]
        return partial(encode_answer, annotation_type=found.annotation_type, named=named_as(classes))

    async def _upload(
        self,
        project: str,
        blocks: Iterator[Rows],
        split: "Split.ValueType",
        upload_id: str | None,
        on_progress: Callable[[AddResult], None] | None,
    ) -> AddResult:
        answer = None if split == SPLIT_POOL else await self._reading_labels(project)
        encoder = ItemEncoder(split, answer)
        upload = Upload(
            self._connection,
            self._stub,
            project=project,
            upload_id=upload_id or str(uuid.uuid4()),
            on_progress=on_progress,
        )
        return await upload.run(batch for rows in blocks for batch in encoder.batches(rows))

    @project_call
    async def get(self, project: str, item_id: str) -> ItemDetail:
        """One item with what the service knows about it. Raises NextlabelError NOT_FOUND."""
        request = pb.GetItemRequest(project=project, item_id=item_id)
        return (await self._connection.unary(self._stub.GetItem, request)).item

    @project_stream
    async def list(
        self, project: str, *, split: SplitName | None = None, state: StateName | None = None, page_size: int = 1_000
    ) -> AsyncIterator[Sequence[ItemDetail]]:
        """The items in the order in which they were added; only those of a split or state when given.

        `split` is pool, holdout or gold; `state` unlabeled, picked, leased, asked, labeled, unresolved (needs
        another answer; `need` says why) or given_up.
        """
        request = pb.ListItemsRequest(project=project, page_size=page_size)
        if split is not None:
            request.split = enum_value(Split, split, "split")
        if state is not None:
            request.state = enum_value(ItemState, state, "state")
        async for page in self._connection.pages(self._stub.ListItems, request, lambda page: page.items):
            yield page

    @project_call
    async def delete(self, project: str, item_ids: Iterable[str]) -> pb.DeleteItemsResponse:
        """Delete up to 1,000 items with their annotations; the result lists the ids that no item has."""
        request = pb.DeleteItemsRequest(project=project, item_ids=several_texts(item_ids, "item_ids"))
        return await self._connection.unary(self._stub.DeleteItems, request)

    @project_call
    async def status(self, project: str) -> pb.PoolStatus:
        """The counts of the pool."""
        request = pb.GetPoolStatusRequest(project=project)
        return (await self._connection.unary(self._stub.GetPoolStatus, request)).status

    @project_stream
    async def watch(self, project: str) -> AsyncIterator[Sequence[pb.PoolStatus]]:
        """The counts of the pool now and whenever they have changed, without end."""
        request = pb.WatchPoolRequest(project=project)
        # Every response is the whole status, so that a stream that was cut off just starts anew.
        async with self._connection.responses(self._stub.WatchPool, request, advance=lambda _: None) as responses:
            async for response in responses:
                yield [response.status]

    @project_stream
    async def embed(
        self, project: str, texts: Any, *, columns: Columns | None = None
    ) -> AsyncIterator[Sequence[EmbeddingMatrix]]:
        """Embed texts, given as items are to `add`, with the embedder of the project: matrices for them, in order.

        An error names a text by its place among all of them, from 0 on.
        """
        chunked = text_chunks(texts_of(texts, columns or Columns()), _EMBEDDED_TEXTS)
        parts = Parts("texts")
        requests = (pb.EmbedRequest(project=project, texts=chunk) for chunk in parts.of(chunked))
        with parts:
            async with self._connection.exchange(self._stub.Embed, requests) as responses:
                async for response in responses:
                    parts.answered += 1
                    yield [response.embeddings]


def _without_given_labels(rows: Rows) -> Rows:
    """Rows of the pool. Raises ValueError for Items that were given a label, which would be lost."""
    if rows.labels_were_given and any(not is_missing(label) for label in rows.labels or ()):
        raise ValueError(
            "items: an Item of the pool has a label, which add would drop; use add_labeled, or split holdout or gold"
        )
    return rows
