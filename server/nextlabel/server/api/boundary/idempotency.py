"""One answer to one mutating call, however often it comes.

The reply is stored in the transaction that does the work, under the request id and the caller. A call that comes again
gets the stored reply; the same id with another request is an error.
"""

from __future__ import annotations

import asyncio
import hashlib
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar
from weakref import WeakValueDictionary

from google.protobuf.message import Message

from nextlabel.server.api.boundary.calls import current_call
from nextlabel.server.ports.state_store import StateStore, Transaction
from nextlabel.server.ports.system import Clock
from nextlabel.server.values.access import StoredReply
from nextlabel.server.values.errors import Aborted, InvalidArgument
from nextlabel.server.values.ids import ProjectId

R = TypeVar("R", bound=Message)


@dataclass(frozen=True, slots=True)
class ReplySlot(Generic[R]):
    """Where the reply to one call is kept; an empty request id keeps none.

    It is made where the call is known, so that it can be used on the thread of a transaction.
    """

    request_id: str
    principal: str
    method: str
    fingerprint: str
    response: type[R]
    at: datetime

    def find(self, tx: Transaction) -> R | None:
        """Return the stored reply.

        Raises:
            InvalidArgument: the request id was used for another request.
        """
        stored = tx.access.reply(self.request_id, self.principal) if self.request_id else None
        if stored is None:
            return None
        if (stored.method, stored.fingerprint) != (self.method, self.fingerprint):
            raise InvalidArgument.field(
                "request_id",
                "was used for another request; every new call needs a new UUID4",
                reason="REQUEST_ID_REUSED",
            )
        return self.response.FromString(stored.reply)

    def save(self, tx: Transaction, reply: R) -> None:
        """Store the reply in the transaction of the work that it tells of."""
        if self.request_id:
            tx.access.put_reply(
                StoredReply(
                    request_id=self.request_id,
                    principal=self.principal,
                    method=self.method,
                    fingerprint=self.fingerprint,
                    reply=reply.SerializeToString(),
                    created_at=self.at,
                )
            )


class Replies:
    """Finds and stores the replies to mutating calls. A call without a request id is done anew each time."""

    def __init__(self, state: StateStore, clock: Clock) -> None:
        self._state = state
        self._clock = clock
        self._under_way: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def slot(self, request: Any, response: type[R]) -> ReplySlot[R]:
        """Return where the reply to the current call is kept.

        Raises:
            InvalidArgument: the request id is no UUID4.
        """
        call = current_call()
        return ReplySlot(
            request_id=_request_id(request),
            principal=call.principal.id,
            method=call.method,
            fingerprint=hashlib.sha256(request.SerializeToString(deterministic=True)).hexdigest(),
            response=response,
            at=self._clock.now(),
        )

    async def once(
        self, request: Any, response: type[R], work: Callable[[Transaction], R], *, project: ProjectId | None = None
    ) -> R:
        """Return the stored reply to `request`, or do `work` and store its reply in the same transaction.

        That may be one with other calls about the same `project`, where one is given.
        """
        slot = self.slot(request, response)

        def unit(tx: Transaction) -> R:
            if (found := slot.find(tx)) is not None:
                return found
            reply = work(tx)
            slot.save(tx, reply)
            return reply

        try:
            return await self._state.write(unit, project=project)
        except Aborted as lost:
            return await self._answered(slot, lost)

    async def around(self, request: Any, response: type[R], work: Callable[[ReplySlot[R]], Awaitable[R]]) -> R:
        """Do the same for work that spans transactions: it saves its reply in the one that makes it true.

        A call that comes again while the first is under way waits for that one's reply.
        """
        slot = self.slot(request, response)
        if not slot.request_id:
            return await work(slot)
        async with self._turn(f"{slot.principal}/{slot.request_id}"):
            earlier = await self._state.read(slot.find)
            if earlier is not None:
                return earlier
            try:
                return await work(slot)
            except Aborted as lost:
                return await self._answered(slot, lost)

    async def _answered(self, slot: ReplySlot[R], lost: Aborted) -> R:
        """Return the reply that was stored meanwhile; raise what this call lost by where there is none.

        A call that its client gave up ends its transaction all the same, and another server may be faster.
        """
        answered = await self._state.read(slot.find)
        if answered is None:
            raise lost
        return answered

    @asynccontextmanager
    async def _turn(self, key: str) -> AsyncIterator[None]:
        """Let one call of a key in at a time, within this process."""
        # Weakly held, so that the lock goes with the last call that waits for it.
        lock = self._under_way.get(key) or asyncio.Lock()
        self._under_way[key] = lock
        async with lock:
            yield


def _request_id(request: Any) -> str:
    """Return the request id in its usual spelling; empty when there is none."""
    given = str(request.request_id)
    if not given:
        return ""
    try:
        parsed = uuid.UUID(given)
    except ValueError:
        parsed = None
    if parsed is None or parsed.version != 4:
        raise InvalidArgument.field("request_id", "must be a UUID4, such as that of Python's uuid.uuid4()")
    return str(parsed)
