"""One paid call: reserve the worst case, try, settle from the usage, keep the answer, refund the rest."""

import asyncio
import contextlib
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace

import structlog

from nextlabel.server.annotators.endpoints.cache_ttl import CacheTtl
from nextlabel.server.annotators.endpoints.wire import (
    Charge,
    Endpoint,
    Failure,
    FailureKind,
    HttpReply,
    ModelRequest,
    Reply,
)
from nextlabel.server.annotators.paid_calls.accounts import Account
from nextlabel.server.annotators.paid_calls.pricing import Price
from nextlabel.server.annotators.paid_calls.retry import Manners, Patience, check, stopped_by
from nextlabel.server.annotators.prompting.canonical import digest
from nextlabel.server.ports.paid_calls import Ledger
from nextlabel.server.system.tracing import span
from nextlabel.server.values.errors import AnnotatorStopped, BudgetExhausted
from nextlabel.server.values.ids import ReservationId
from nextlabel.server.values.money.costs import Cost, Usage
from nextlabel.server.values.money.paid_calls import StoredAnswer

_BYTES_PER_TOKEN = 4
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class CallResult:
    """How a call ended. `wasted` is what attempts without an answer may have cost and is booked as spent."""

    reply: Reply | Failure
    stored: StoredAnswer | None
    wasted: Cost


def cost_of(price: Price, usage: Usage, ttl: CacheTtl | None, *, batch: bool = False) -> Cost:
    """The tokens and money of one request; labels are booked where annotations are recorded."""
    money = price.micro_usd(usage, ttl=ttl or CacheTtl.FIVE_MINUTES, batch=batch)
    return Cost(tokens=usage.tokens, micro_usd=money)


class MeteredCaller:
    """Makes calls to one endpoint within one budget line.

    Money is safe at every await: before an attempt is sent its worst case is reserved; an attempt that certainly cost
    nothing gives the reservation back; an attempt whose fate is unknown is settled at its worst case. Nothing is
    reserved while a call waits. A killed process leaves the reservation open, to be booked at its worst case by
    whoever finds it.
    """

    def __init__(
        self, *, endpoint: Endpoint, ledger: Ledger, price: Price, account: Account, manners: Manners, line: str
    ) -> None:
        self._endpoint = endpoint
        self._ledger = ledger
        self._price = price
        self._account = account
        self._manners = manners
        self._line = line
        self._overrun: AnnotatorStopped | None = None
        self._open = 0
        self._closings = 0
        self._closed_one = asyncio.Condition()

    async def call(self, request: ModelRequest, keys: Mapping[str, str]) -> CallResult:
        """Ask until there is a reply or no use in going on; an answer is kept under `keys` (see `StoredAnswer`).

        Raises `BudgetExhausted` and `AnnotatorStopped`.
        """
        expected_input = (len(request.system) + len(request.user)) // _BYTES_PER_TOKEN
        patience = Patience(self._account.throttle, self._manners)
        wasted = Cost()
        while True:
            async with self._account.first_alone(request.model):
                await patience.admit(request.model, expected_input, request.max_output_tokens)
                if self._overrun is not None:
                    raise self._overrun
                most = self._account.sizes.worst(request)
                worst = cost_of(self._price, most, request.cache_ttl)
                async with self._reserved(keys, worst) as booking:
                    outcome = await self._attempt(request, booking)
                    if isinstance(outcome, _Received):
                        self._overrun = overrun(self._account, request, most, outcome.reply.usage) or self._overrun
                        stored = self._stored(request, keys, outcome)
                        await booking.settle(stored)
                        return CallResult(outcome.reply, stored, wasted)
            if outcome.kind.charge is Charge.UNKNOWN:
                wasted += worst
            if stopped := stopped_by(outcome):
                raise stopped
            if not await patience.again(outcome):
                return CallResult(outcome, None, wasted)

    async def ask_once(self, request: ModelRequest, question: ModelRequest, number: int = 0) -> Reply | Failure:
        """A call about no item; its answer is kept under the question and found again by it.

        `question` is the request without its random codes; `number` tells apart what is asked several times on
        purpose. Raises as `call` does.
        """
        key = digest(["one question", self._endpoint.fingerprint(question), number])
        if stored := await self._ledger.find_answer(key):
            reply = self._endpoint.read(HttpReply(200, {"request-id": stored.request_id}, stored.raw))
            return replace(reply, usage=stored.usage) if isinstance(reply, Reply) else reply
        result = await self.call(request, {key: ""})
        return result.reply

    async def _attempt(self, request: ModelRequest, booking: "_Booking") -> "_Received | Failure":
        check(self._manners.halt)
        clock = self._manners.clock
        started = clock.monotonic()
        booking.may_be_paid = True
        with span("ask", model=request.model):
            raw = await self._endpoint.send(request, self._manners.retry.attempt_timeout_s)
        result = self._read(request, raw)
        if isinstance(result, Reply) and isinstance(raw, HttpReply):
            if not result.usage_told:
                result = replace(result, usage=self._account.sizes.worst(request))
            return _Received(result, raw, (clock.monotonic() - started) * 1_000)
        failure = result if isinstance(result, Failure) else Failure(FailureKind.MALFORMED, "no reply")
        booking.may_be_paid = failure.kind.charge is Charge.UNKNOWN
        return failure

    def _read(self, request: ModelRequest, raw: HttpReply | Failure) -> Reply | Failure:
        if isinstance(raw, Failure):
            return raw
        self._account.throttle.observe(request.model, raw.headers)
        return self._endpoint.read(raw)

    def _stored(self, request: ModelRequest, keys: Mapping[str, str], received: "_Received") -> StoredAnswer:
        usage = received.reply.usage
        return StoredAnswer(
            keys=keys,
            raw=received.raw.body,
            usage=usage,
            cost=cost_of(self._price, usage, request.cache_ttl),
            request_id=received.reply.request_id,
            latency_ms=received.latency_ms,
        )

    def _reserved(self, keys: Mapping[str, str], worst: Cost) -> "_Booking":
        # The random part makes every reservation its own: one that a killed process left open is never reused.
        return _Booking(self, f"{digest(sorted(keys))}:{uuid.uuid4().hex}", worst)

    async def reserve(self, key: str, worst: Cost) -> ReservationId:
        """Reserve; while other calls of ours hold reservations, a full budget is waited for, not reported."""
        while True:
            closings = self._closings
            try:
                reservation = await self._reserve_or_undo(key, worst)
            except BudgetExhausted:
                if self._open == 0 and closings == self._closings:
                    raise
                await self._another_closing(closings)
            else:
                self._open += 1
                return reservation

    async def _reserve_or_undo(self, key: str, worst: Cost) -> ReservationId:
        """Reserve; a caller that is cancelled meanwhile leaves nothing reserved, which nobody else would give back."""
        reserving = asyncio.ensure_future(self._ledger.reserve(key, worst, self._line))
        try:
            return await asyncio.shield(reserving)
        except asyncio.CancelledError:
            with contextlib.suppress(Exception):
                await self._ledger.release(await reserving)
            raise

    async def _another_closing(self, seen: int) -> None:
        async with self._closed_one:
            await self._closed_one.wait_for(lambda: self._closings != seen)

    async def close_reservation(
        self, reservation: ReservationId, actual: Cost | None, answer: StoredAnswer | None
    ) -> None:
        """Settle at `actual`, or release when it is None."""
        try:
            if actual is None:
                await self._ledger.release(reservation)
            else:
                await self._ledger.settle(reservation, actual, answer)
        finally:
            self._open -= 1
            self._closings += 1
            async with self._closed_one:
                self._closed_one.notify_all()


def overrun(account: Account, request: ModelRequest, worst: Usage, usage: Usage) -> AnnotatorStopped | None:
    """Learn from a reply's usage; the error to stop with when it was more than `worst`, which was set aside."""
    if account.sizes.learn(request, worst, usage):
        return None
    _log.error("reply_exceeds_reservation", model=request.model, used=usage.tokens, set_aside=worst.tokens)
    return AnnotatorStopped(
        f"a reply of model {request.model!r} used {usage.tokens} tokens where at most {worst.tokens} were set aside: "
        "the endpoint counts otherwise, or lets answers exceed their limit; later calls set aside as much more, so "
        "check the bill and the budget, then start again",
        reason="ANNOTATOR_OVERRUN",
    )


@dataclass(frozen=True, slots=True)
class _Received:
    reply: Reply
    raw: HttpReply
    latency_ms: float


class _Booking:
    """A reservation that cannot be forgotten: on exit it is settled, booked at its worst, or released."""

    def __init__(self, caller: MeteredCaller, key: str, worst: Cost) -> None:
        self._caller = caller
        self._key = key
        self._worst = worst
        self._reservation: ReservationId | None = None
        self.may_be_paid = False

    async def __aenter__(self) -> "_Booking":
        self._reservation = await self._caller.reserve(self._key, self._worst)
        return self

    async def settle(self, answer: StoredAnswer) -> None:
        """Book what an answer cost and keep it."""
        reservation, self._reservation = self._reservation, None
        if reservation is not None:
            await asyncio.shield(self._caller.close_reservation(reservation, answer.cost, answer))

    async def __aexit__(self, *_: object) -> None:
        if self._reservation is not None:
            booked = self._worst if self.may_be_paid else None
            await asyncio.shield(self._caller.close_reservation(self._reservation, booked, None))
