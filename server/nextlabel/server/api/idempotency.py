"""One answer to one mutating call, however often it comes.

The reply is stored in the transaction that does the work, under the request id and the caller. A call that comes again
gets the stored reply; the same id with another request is an error.
"""

import hashlib
import uuid
from collections.abc import Callable
from typing import Any, TypeVar

from google.protobuf.message import Message

from nextlabel.server.api.calls import current_call
from nextlabel.server.domain.errors import InvalidArgument
from nextlabel.server.domain.ports import Clock, StateStore, Transaction
from nextlabel.server.domain.state import StoredReply

R = TypeVar("R", bound=Message)


class Replies:
    """Finds and stores the replies to mutating calls. A call without a request id is done anew each time."""

    def __init__(self, state: StateStore, clock: Clock) -> None:
        self._state = state
        self._clock = clock

    async def once(self, request: Any, response: type[R], work: Callable[[Transaction], R]) -> R:
        """Return the stored reply to `request`, or do `work` and store its reply in the same transaction."""

        def unit(tx: Transaction) -> R:
            if (found := self.find(tx, request, response)) is not None:
                return found
            reply = work(tx)
            self.save(tx, request, reply)
            return reply

        return await self._state.write(unit)

    async def earlier(self, request: Any, response: type[R]) -> R | None:
        """Return the stored reply to `request`, for work that does not fit one transaction."""
        return await self._state.read(lambda tx: self.find(tx, request, response))

    def find(self, tx: Transaction, request: Any, response: type[R]) -> R | None:
        """Return the stored reply to `request`.

        Raises:
            InvalidArgument: the request id is no UUID4, or was used for another request.
        """
        request_id = _request_id(request)
        stored = tx.access.reply(request_id, current_call().principal.id) if request_id else None
        if stored is None:
            return None
        if (stored.method, stored.fingerprint) != (current_call().method, _fingerprint(request)):
            raise InvalidArgument.field(
                "request_id",
                "was used for another request; every new call needs a new UUID4",
                reason="REQUEST_ID_REUSED",
            )
        return response.FromString(stored.reply)

    def save(self, tx: Transaction, request: Any, reply: Message) -> None:
        """Store the reply to `request` with the work that it tells of."""
        request_id = _request_id(request)
        if not request_id:
            return
        call = current_call()
        tx.access.put_reply(
            StoredReply(
                request_id=request_id,
                principal=call.principal.id,
                method=call.method,
                fingerprint=_fingerprint(request),
                reply=reply.SerializeToString(),
                created_at=self._clock.now(),
            )
        )


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


def _fingerprint(request: Message) -> str:
    return hashlib.sha256(request.SerializeToString(deterministic=True)).hexdigest()
