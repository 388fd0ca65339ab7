"""Calls about message batches, with the manners of single calls: they wait, try again, and end in a named reason."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from nextlabel.server.annotators.endpoints.anthropic import AnthropicEndpoint
from nextlabel.server.annotators.endpoints.message_batch_replies import (
    MessageBatchResult,
    MessageBatchState,
    read_page,
    read_results,
    read_state,
)
from nextlabel.server.annotators.endpoints.wire import Charge, Failure, FailureKind, HttpReply, ModelRequest
from nextlabel.server.annotators.paid_calls.retry import Manners, Patience, check, stopped_by
from nextlabel.server.annotators.paid_calls.throttle import Throttle
from nextlabel.server.ports.paid_calls import MessageBatchJournal
from nextlabel.server.system.halt import Halt
from nextlabel.server.values.errors import AnnotatorStopped
from nextlabel.server.values.money.paid_calls import MessageBatchIntent

T = TypeVar("T")

_CLOCK_SKEW_S = 300.0
_RESULTS_TIMEOUT_S = 1_800.0
_LONGEST_RETRY_AFTER_S = 3_600.0
_MOST_PAGES = 1_000
"""Of the list of message batches, 100 each: more than there are in the hours in which one may go unconfirmed."""


@dataclass(frozen=True, slots=True)
class MessageBatchWaits:
    """How long is waited for what.

    poll_s:      between looks at a running message batch
    patience_s:  for looks that fail, before a later run has to go on
    cancel_s:    for one that was cancelled
    grace_s:     after an intent, for one that may still turn up, before it counts as never created
    """

    poll_s: float = 30.0
    patience_s: float = 86_400.0
    cancel_s: float = 120.0
    grace_s: float = 120.0


class MessageBatchCalls:
    """Creates, finds, watches and fetches message batches at one endpoint."""

    def __init__(
        self,
        endpoint: AnthropicEndpoint,
        journal: MessageBatchJournal,
        throttle: Throttle,
        manners: Manners,
        waits: MessageBatchWaits | None = None,
    ) -> None:
        self.endpoint = endpoint
        self.journal = journal
        self.manners = manners
        self._throttle = throttle
        self._waits = waits or MessageBatchWaits()
        waits = self._waits
        waiting = replace(manners.retry, max_attempts=10**6, max_retry_after_s=_LONGEST_RETRY_AFTER_S)
        self._patient = replace(manners, retry=replace(waiting, deadline_s=waits.patience_s))
        # What is paid for is fetched even when nothing new is to begin, but not waited for as long.
        self._hurried = replace(manners, retry=replace(waiting, deadline_s=waits.cancel_s), halt=Halt())

    def parameters(self, request: ModelRequest) -> dict[str, Any]:
        """What a request of a message batch asks, the same as a single call would."""
        return self.endpoint.parameters(request)

    async def create(self, intent: MessageBatchIntent, requests: Sequence[Any]) -> str | AnnotatorStopped:
        """Return the id of the message batch made for an intent, or why there certainly is none.

        Raises `AnnotatorStopped` when that cannot be found out now; a later run has to.
        """
        patience = Patience(self._throttle, self.manners)
        while True:
            try:
                await patience.admit(intent.model, 0, 0)
            except AnnotatorStopped as reason:
                return reason
            reply = await self.endpoint.create_batch(requests, self.manners.retry.attempt_timeout_s)
            created = read_state(reply)
            if isinstance(created, MessageBatchState):
                await self.journal.submitted(intent.intent_id, created.batch_id)
                return created.batch_id
            if _may_exist(created) and (found := await self.adopt(intent)):
                return found
            try:
                if not await patience.again(created):
                    return _not_created(created)
            except AnnotatorStopped as reason:
                return reason

    async def ended(self, batch_id: str) -> MessageBatchState | None:
        """The state of a message batch that has ended; None when the endpoint knows none of that id.

        When nothing new is to begin it is cancelled, which leaves undone what is not under way, and waited for.
        """
        clock, cancelled_at = self.manners.clock, None
        while True:
            state = await self._patiently(batch_id, self.endpoint.batch, read_state)
            if state is None or state.ended:
                return state
            if self.manners.halt.is_called:
                if cancelled_at is None:
                    cancelled_at = clock.monotonic()
                    await self.endpoint.cancel_batch(batch_id, self.manners.retry.attempt_timeout_s)
                elif clock.monotonic() - cancelled_at > self._waits.cancel_s:
                    check(self.manners.halt)  # Its intent stays open for the next run.
                await clock.sleep(min(self._waits.poll_s, self._waits.cancel_s / 10))
            else:
                await self.manners.halt.cut_short(clock.sleep(self._waits.poll_s))

    async def has_ended(self, batch_id: str) -> bool:
        """Whether a message batch has ended, or is not known any more; raises `AnnotatorStopped` when none can say."""
        state = await self._patiently(batch_id, self.endpoint.batch, read_state)
        return state is None or state.ended

    async def results(self, state: MessageBatchState) -> list[MessageBatchResult]:
        """All results of a message batch that has ended; raises `AnnotatorStopped` when they cannot be had now."""
        if not self.endpoint.is_ours(state.results_url):
            raise AnnotatorStopped(
                f"the results of a message batch are said to be on {state.results_url[:200]!r}, which is another "
                "origin than the endpoint's; the API key is not sent there",
                reason="ANNOTATOR_RESULTS_HOST",
            )
        found = await self._patiently(state.results_url, self.endpoint.batch_results, read_results, _RESULTS_TIMEOUT_S)
        return found or []

    async def _patiently(
        self,
        about: str,
        send: Callable[[str, float], Awaitable[HttpReply | Failure]],
        read: Callable[[HttpReply | Failure], T | Failure],
        timeout_s: float | None = None,
    ) -> T | None:
        """What the endpoint says `about` something that is paid for; None when it knows nothing of it.

        Raises `AnnotatorStopped` when it cannot be had for long; a later run goes on.
        """
        hurried = self.manners.halt.is_called
        patience = Patience(self._throttle, self._hurried if hurried else self._patient)
        while True:
            found = read(await send(about, timeout_s or self.manners.retry.attempt_timeout_s))
            if not isinstance(found, Failure):
                return found
            if found.kind is FailureKind.MODEL:
                return None
            if stopped := stopped_by(found):
                raise stopped
            try:
                goes_on = await patience.again(found)
            except AnnotatorStopped:
                if hurried or not self.manners.halt.is_called:
                    raise
                hurried, goes_on, patience = True, True, Patience(self._throttle, self._hurried)
            if not goes_on:
                raise AnnotatorStopped(
                    f"a message batch cannot be looked at ({found}); it stays reserved, and the next run goes on",
                    reason="ANNOTATOR_BATCH_UNAVAILABLE",
                )

    async def adopt(self, intent: MessageBatchIntent) -> str:
        """The id of the message batch that was created for an intent without anyone hearing of it; empty if none."""
        clock = self.manners.clock
        while True:
            batch_id = await self._look_for(intent)
            waited = clock.wall() - intent.created_at
            if batch_id or waited >= self._waits.grace_s:
                return batch_id
            await self.manners.halt.cut_short(clock.sleep(min(self._waits.poll_s, self._waits.grace_s - waited)))
            check(self.manners.halt)

    async def _look_for(self, intent: MessageBatchIntent) -> str:
        known = {other.batch_id for other in await self.journal.open_intents()}
        page_after = ""
        for _ in range(_MOST_PAGES):
            page = await self._patiently(page_after, self.endpoint.batches, read_page)
            states, page_after = page or ([], "")
            for state in states:
                age = state.created_s - intent.created_at
                if age < -_CLOCK_SKEW_S:
                    return ""
                possible = age <= self._waits.grace_s + _CLOCK_SKEW_S and state.batch_id not in known
                if possible and state.size <= len(intent.requests) and await self._belongs(state, intent):
                    await self.journal.submitted(intent.intent_id, state.batch_id)
                    return state.batch_id
            if not page_after:
                return ""
        raise AnnotatorStopped(
            f"the endpoint's list of message batches has no end within {_MOST_PAGES} pages; one that may have been "
            "created stays reserved, and the next run looks for it again",
            reason="ANNOTATOR_BATCH_UNAVAILABLE",
        )

    async def _belongs(self, state: MessageBatchState, intent: MessageBatchIntent) -> bool:
        """Only results carry custom ids, so a running message batch has to be waited for."""
        ended = await self.ended(state.batch_id)
        results = await self.results(ended) if ended is not None else []
        return any(result.custom_id in intent.requests for result in results[:1])


def _may_exist(failure: Failure) -> bool:
    """Whether the creation that failed so may have been done all the same."""
    return failure.kind.charge is Charge.UNKNOWN or failure.kind is FailureKind.SERVER_ERROR


def _not_created(failure: Failure) -> AnnotatorStopped:
    if failure.kind.retryable:
        return AnnotatorStopped(
            f"the endpoint takes no message batch now ({failure}); nothing was bought: start again later, or turn "
            "message batches off",
            reason="ANNOTATOR_BATCH_UNAVAILABLE",
        )
    if failure.kind is not FailureKind.MODEL and (stopped := stopped_by(failure)):
        return stopped
    return AnnotatorStopped(
        f"the endpoint refused a message batch ({failure}); where it has none, turn message batches off",
        reason="ANNOTATOR_BATCH_REFUSED",
    )
