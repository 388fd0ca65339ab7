"""One paid call: reserve the worst case, try, settle from the usage, keep the answer, refund the rest."""

import asyncio
import contextlib
import random
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from nextlabel.server.annotators.endpoints.wire import (
    Charge,
    Endpoint,
    Failure,
    FailureKind,
    HttpReply,
    ModelRequest,
    Reply,
)
from nextlabel.server.annotators.paid_calls.pricing import CacheTtl, Price
from nextlabel.server.annotators.paid_calls.retry import RetryPolicy
from nextlabel.server.annotators.paid_calls.throttle import Throttle
from nextlabel.server.annotators.prompting.canonical import digest
from nextlabel.server.ports.paid_calls import Ledger
from nextlabel.server.ports.system import Timer
from nextlabel.server.values.errors import AnnotatorStopped, BudgetExhausted
from nextlabel.server.values.ids import ReservationId
from nextlabel.server.values.money.costs import Cost, Usage
from nextlabel.server.values.money.paid_calls import StoredAnswer

_BYTES_PER_TOKEN = 4


@dataclass(frozen=True, slots=True)
class CallResult:
    """How a call ended. `wasted` is what attempts without an answer may have cost and is booked as spent."""

    reply: Reply | Failure
    stored: StoredAnswer | None
    wasted: Cost


def cost_of(price: Price, usage: Usage, labels: int, ttl: CacheTtl | None, *, batch: bool = False) -> Cost:
    """The cost of one request in all dimensions."""
    money = price.micro_usd(usage, ttl=ttl or CacheTtl.FIVE_MINUTES, batch=batch)
    return Cost(labels=labels, tokens=usage.tokens, micro_usd=money)


class MeteredCaller:
    """Makes calls to one endpoint within one budget line.

    Money is safe at every await: before an attempt is sent its worst case is reserved; an attempt that certainly
    cost nothing keeps the reservation for the next one; an attempt whose fate is unknown is settled at its worst
    case. A killed process leaves the reservation open, to be booked at its worst case by whoever finds it.
    """

    def __init__(
        self,
        *,
        endpoint: Endpoint,
        ledger: Ledger,
        price: Price,
        throttle: Throttle,
        policy: RetryPolicy,
        clock: Timer,
        rng: random.Random,
        line: str,
    ) -> None:
        self._endpoint = endpoint
        self._ledger = ledger
        self._price = price
        self._throttle = throttle
        self._policy = policy
        self._clock = clock
        self._rng = rng
        self._line = line
        self._open = 0
        self._closings = 0
        self._closed_one = asyncio.Condition()

    async def call(
        self, request: ModelRequest, keys: Mapping[str, str], labels: int, count_labels: Callable[[Reply], int]
    ) -> CallResult:
        """Ask until there is a reply or no use in going on.

        `labels` bounds what `count_labels` may return. Raises `BudgetExhausted` and `AnnotatorStopped`.
        """
        worst = cost_of(self._price, request.worst_usage(), labels, request.cache_ttl)
        deadline = self._clock.monotonic() + self._policy.deadline_s
        wasted = Cost()
        attempt = 0
        while True:
            attempt += 1
            async with self._reserved(keys, worst) as booking:
                outcome = await self._attempt(request, booking, deadline, attempt)
                if isinstance(outcome, _Received):
                    usage = outcome.reply.usage
                    actual = cost_of(self._price, usage, count_labels(outcome.reply), request.cache_ttl)
                    stored = StoredAnswer(
                        keys=keys,
                        raw=outcome.raw.body,
                        usage=usage,
                        cost=actual,
                        request_id=outcome.reply.request_id,
                        latency_ms=outcome.latency_ms,
                    )
                    await booking.settle(actual, stored)
                    return CallResult(outcome.reply, stored, wasted)
                attempt, failure = outcome.attempt, outcome.failure
                if failure.kind.charge is Charge.UNKNOWN:
                    wasted += worst
            if reason := failure.kind.stop_reason:
                raise AnnotatorStopped(f"the endpoint stopped us: {failure}", reason=reason)
            if outcome.final:
                return CallResult(failure, None, wasted)

    async def ask_once(self, request: ModelRequest, content: object) -> Reply | Failure:
        """A call that yields no labels; its answer is kept under `content`, which stands for the question.

        `content` is anything that JSON can hold: the request without its random codes. Raises as `call` does.
        """
        key = digest([self._endpoint.api_version, request.model, request.schema, content])
        if stored := await self._ledger.find_answer(key):
            return self._endpoint.read(HttpReply(200, {"request-id": stored.request_id}, stored.raw))
        result = await self.call(request, {key: ""}, 0, lambda _: 0)
        return result.reply

    async def _attempt(
        self, request: ModelRequest, booking: "_Booking", deadline: float, attempt: int
    ) -> "_Received | _Missed":
        """Try until a reply, a final failure, or an attempt whose charge is unknown."""
        expected_input = sum(len(text) for text in (request.system, request.user)) // _BYTES_PER_TOKEN
        while True:
            cool_down = self._throttle.remaining_cool_down_s()
            patience = min(self._policy.max_retry_after_s * 1.1, deadline - self._clock.monotonic())
            if cool_down > patience:
                raise _told_to_wait(cool_down)
            await self._throttle.admit(expected_input, request.max_output_tokens)
            started = self._clock.monotonic()
            booking.may_be_paid = True
            raw = await self._endpoint.send(request, self._policy.attempt_timeout_s)
            result = self._read(raw)
            if isinstance(result, Reply) and isinstance(raw, HttpReply):
                return _Received(result, raw, (self._clock.monotonic() - started) * 1_000)
            failure = result if isinstance(result, Failure) else Failure(FailureKind.MALFORMED, "no reply")
            booking.may_be_paid = failure.kind.charge is Charge.UNKNOWN
            final = await self._wait_to_retry(failure, attempt, deadline)
            if final or booking.may_be_paid:
                return _Missed(failure, attempt, final)
            attempt += 1

    def _read(self, raw: HttpReply | Failure) -> Reply | Failure:
        if isinstance(raw, Failure):
            return raw
        self._throttle.observe(raw.headers)
        return self._endpoint.read(raw)

    async def _wait_to_retry(self, failure: Failure, attempt: int, deadline: float) -> bool:
        """Wait as the policy says; True when there is to be no further attempt."""
        if failure.kind is FailureKind.RATE_LIMITED and failure.retry_after_s is not None:
            self._throttle.cool_down(failure.retry_after_s)
            if failure.retry_after_s > self._policy.max_retry_after_s:
                raise _told_to_wait(failure.retry_after_s)
        delay = self._policy.delay_s(failure, attempt, self._rng)
        if delay is None or self._clock.monotonic() + delay > deadline:
            return True
        await self._clock.sleep(delay)
        return False

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


@dataclass(frozen=True, slots=True)
class _Received:
    reply: Reply
    raw: HttpReply
    latency_ms: float


@dataclass(frozen=True, slots=True)
class _Missed:
    failure: Failure
    attempt: int
    final: bool


def _told_to_wait(seconds: float) -> AnnotatorStopped:
    return AnnotatorStopped(
        f"the endpoint asks to wait {seconds:.0f} s, longer than a call may; go on later, or lower the concurrency",
        reason="ANNOTATOR_RATE_LIMITED",
    )


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

    async def settle(self, actual: Cost, answer: StoredAnswer) -> None:
        """Book what was paid and keep the answer."""
        reservation, self._reservation = self._reservation, None
        if reservation is not None:
            await asyncio.shield(self._caller.close_reservation(reservation, actual, answer))

    async def __aexit__(self, *_: object) -> None:
        if self._reservation is not None:
            booked = self._worst if self.may_be_paid else None
            await asyncio.shield(self._caller.close_reservation(self._reservation, booked, None))
