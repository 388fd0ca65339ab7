"""Uploads: batches in flight within a window, acknowledged one by one, resumed after a cut."""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import grpc

from nextlabel.client.errors import NextlabelError
from nextlabel.client.messages.enums import enum_name
from nextlabel.client.messages.item_batches import EncodedBatch, RejectedItem
from nextlabel.client.transport.connection import Backoff, Connection
from nextlabel.client.transport.statuses import ServerStatus
from nextlabel.client.transport.threads import ThreadReader
from nextlabel.v1.pool_service_pb2 import AddItemsHeader, AddItemsRequest, AddItemsResponse

if TYPE_CHECKING:
    from nextlabel.v1.pool_service_pb2_grpc import PoolServiceAsyncStub

WINDOW = 64
"""Batches on their way at a time: one group commit of 10,000 rows is stored, one prepared, the next ones travel."""

MAX_LISTED = 1_000
"""How many rejected items a result lists; it counts all of them."""


@dataclass(frozen=True, slots=True)
class AddResult:
    """What became of the items of an upload, so far or in the end.

    `accepted` items are durable in the pool; `duplicates` were there already with the same content; `rejected`
    ones were not taken, and `errors` says why for the first MAX_LISTED of them. `resumed` items were in batches
    that the server had stored already, before a cut that kept its answer from us or in an earlier call: it tells
    no more about them. `upload_id` resumes the upload.
    """

    upload_id: str
    accepted: int = 0
    duplicates: int = 0
    rejected: int = 0
    resumed: int = 0
    errors: tuple[RejectedItem, ...] = ()

    def with_errors(self, errors: tuple[RejectedItem, ...]) -> "AddResult":
        """This result with more rejected items."""
        listed = self.errors + errors[: MAX_LISTED - len(self.errors)]
        return replace(self, rejected=self.rejected + len(errors), errors=listed)


def rejections(results: Iterable[AddResult], unit: str) -> list[str]:
    """Why items were not taken, as far as the results list them, each with its row, which is called `unit`."""
    return [
        f"{unit} {error.row}, item {error.item_id or '?'}: {error.message}"
        for result in results
        for error in result.errors
    ]


class Upload:
    """One upload of batches to one project.

    Batches are numbered from 1 in the order in which they come. Each is kept until the server has acknowledged
    that it is durable; when the connection is cut, what is not acknowledged is sent again under the same id.
    """

    def __init__(
        self,
        connection: Connection,
        stub: "PoolServiceAsyncStub",
        *,
        project: str,
        upload_id: str,
        on_progress: Callable[[AddResult], None] | None = None,
    ) -> None:
        self._connection = connection
        self._stub = stub
        self._header = AddItemsHeader(project=project, upload_id=upload_id, resume=True)
        self._on_progress = on_progress
        self._result = AddResult(upload_id)
        self._in_flight: dict[int, EncodedBatch] = {}
        self._changed = asyncio.Event()
        self._last_read = 0
        self._last_durable = 0
        self._source_error: Exception | None = None

    async def run(self, batches: Iterator[EncodedBatch]) -> AddResult:
        """Send all batches and wait until they are durable.

        An error of the source is raised after everything that came before it is durable. Raises NextlabelError
        when the server refuses the upload or cannot be reached again.
        """
        self._connection.check_open()
        source = ThreadReader(batches, ahead=2)
        backoff = self._connection.backoff()
        try:
            while not await self._attempt(source, backoff):
                continue
        finally:
            source.abandon()
        if self._source_error is not None:
            raise self._source_error
        return self._result

    async def _attempt(self, source: ThreadReader[EncodedBatch], backoff: Backoff) -> bool:
        """One stream; False when it was cut off, after a pause before the next one."""
        headers = self._connection.headers()
        call = self._stub.AddItems(metadata=headers.metadata)
        status = ServerStatus(call)
        opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        sender = asyncio.create_task(self._send(call, opened, source))
        try:
            async for response in call:
                # The answer to the header is no progress by itself: a server whose disk is full gives it every time.
                if response.sequence > self._last_durable:
                    backoff.progressed()
                self._take(response, reports_batch=opened.done())
                if not opened.done():
                    opened.set_result(None)
        except grpc.aio.AioRpcError as error:
            await backoff.wait_or_raise(await status.behind(error), self._connection.target.server, headers.reference)
            return False
        finally:
            sender.cancel()
            await asyncio.gather(sender, return_exceptions=True)
            call.cancel()
        if self._in_flight or not opened.done():
            raise NextlabelError(
                grpc.StatusCode.UNKNOWN, "the server ended the upload before it had acknowledged every batch"
            )
        return True

    async def _send(
        self,
        call: "grpc.aio.StreamStreamCall[AddItemsRequest, AddItemsResponse]",
        opened: asyncio.Future[None],
        source: ThreadReader[EncodedBatch],
    ) -> None:
        """Send the header, what is still in flight from the stream before, and then new batches."""
        try:
            await call.write(AddItemsRequest(header=self._header))
            await opened
            for unacknowledged in list(self._in_flight.values()):
                await call.write(AddItemsRequest(batch=unacknowledged.message))
            while (batch := await self._next_batch(source)) is not None:
                await call.write(AddItemsRequest(batch=batch.message))
            await call.done_writing()
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
            # The call is over; whoever reads from it learns why.
            return

    async def _next_batch(self, source: ThreadReader[EncodedBatch]) -> EncodedBatch | None:
        """The next batch to send, once there is room for it; None at the end of the source."""
        while True:
            while len(self._in_flight) >= WINDOW:
                self._changed.clear()
                await self._changed.wait()
            try:
                batch = await source.next()
            except Exception as error:  # noqa: BLE001  (raised again once what came before is durable)
                self._source_error = error
                return None
            if batch is None:
                return None
            self._result = self._result.with_errors(batch.rejected)
            if not batch.rows:
                continue
            self._last_read += 1
            if self._last_read <= self._last_durable:
                self._result = replace(self._result, resumed=self._result.resumed + len(batch.rows))
                continue
            batch.message.sequence = self._last_read
            self._in_flight[self._last_read] = batch
            return batch

    def _take(self, response: AddItemsResponse, *, reports_batch: bool) -> None:
        """Everything up to the sequence of a response is durable; all but the first one report their batch."""
        batch = self._in_flight.pop(response.sequence, None) if reports_batch else None
        errors = tuple(
            RejectedItem(
                row=batch.rows[error.index] if batch else -1,
                item_id=error.item_id,
                reason=enum_name(error, "reason").upper(),
                # Which place it had in a message is nothing that a caller knows.
                message=error.message.removeprefix(f"items[{error.index}]").lstrip(".: "),
            )
            for error in response.errors
        )
        unreported = [sequence for sequence in self._in_flight if sequence <= response.sequence]
        self._result = replace(
            self._result.with_errors(errors),
            accepted=self._result.accepted + response.accepted,
            duplicates=self._result.duplicates + response.duplicates,
            resumed=self._result.resumed + sum(len(self._in_flight.pop(s).rows) for s in unreported),
        )
        self._last_durable = max(self._last_durable, response.sequence)
        self._changed.set()
        if self._on_progress is not None:
            self._on_progress(self._result)
