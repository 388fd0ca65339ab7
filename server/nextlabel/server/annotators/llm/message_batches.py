"""Message batches: half the price for answers that may take a day.

A message batch fills the ledger with paid answers; the ordinary annotator then finds them by their content addresses
and asks only for what is still missing. A crash at any point neither loses nor repeats one: its intent is durable
before it is created, and one whose creation was never confirmed is looked up among the recent ones.
"""

import json
import uuid
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any

import structlog

from nextlabel.server.annotators.endpoints.anthropic_replies import read_message
from nextlabel.server.annotators.endpoints.cache_ttl import CacheTtl
from nextlabel.server.annotators.endpoints.message_batch_replies import MessageBatchResult, ResultKind
from nextlabel.server.annotators.endpoints.wire import Failure
from nextlabel.server.annotators.llm.annotator import LlmAnnotator
from nextlabel.server.annotators.llm.asking import Prepared
from nextlabel.server.annotators.llm.duplicates import distinct
from nextlabel.server.annotators.paid_calls.accounts import Account
from nextlabel.server.annotators.paid_calls.message_batch_calls import MessageBatchCalls
from nextlabel.server.annotators.paid_calls.metering import cost_of, overrun
from nextlabel.server.annotators.paid_calls.pricing import Price
from nextlabel.server.annotators.paid_calls.retry import check
from nextlabel.server.ports.paid_calls import Ledger
from nextlabel.server.values.errors import AnnotatorStopped, BudgetExhausted, Unavailable
from nextlabel.server.values.labeling.answers import Answer
from nextlabel.server.values.labeling.tasks import ItemToAnnotate, Task
from nextlabel.server.values.money.costs import Cost, Usage
from nextlabel.server.values.money.paid_calls import MessageBatchIntent, StoredAnswer

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class MessageBatchPolicy:
    """Sizes of message batches, and how often a request is sent in one.

    max_requests, max_bytes:  limits of one message batch (the API's are 100,000 and 256 MB)
    tries:                    message batches that a request is sent in until it is answered
    """

    max_requests: int = 10_000
    max_bytes: int = 200_000_000
    tries: int = 3


class MessageBatchAnnotator:
    """Implements `Annotator`: the same answers as `annotator`, bought in message batches where that is possible."""

    def __init__(
        self,
        *,
        annotator: LlmAnnotator,
        calls: MessageBatchCalls,
        ledger: Ledger,
        price: Price,
        account: Account,
        line: str = "annotation",
        policy: MessageBatchPolicy | None = None,
    ) -> None:
        self._annotator = annotator
        self._calls = calls
        self._ledger = ledger
        self._price = price
        self._account = account
        self._line = line
        self._policy = policy or MessageBatchPolicy()
        self._asked: dict[str, Prepared] = {}
        self._undone: dict[str, str] = {}
        self._overrun: AnnotatorStopped | None = None

    @property
    def name(self) -> str:
        """The name that provenance carries."""
        return self._annotator.name

    async def annotate(
        self, task: Task, items: Sequence[ItemToAnnotate]
    ) -> AsyncGenerator[tuple[ItemToAnnotate, Answer]]:
        """Finish what an earlier process began, buy what is missing in message batches, then yield all answers.

        What no message batch answered for a fault of the endpoint's fails: single calls cost twice as much. Single
        calls repeat only what was answered and invalid.
        """
        groups = distinct(items)
        first_items = [group[0] for group in groups.values()]
        stopped: BudgetExhausted | AnnotatorStopped | None = None
        try:
            await self.resume()
            left = await self._buy_all(task, first_items)
        except (BudgetExhausted, AnnotatorStopped) as reason:
            stopped, left = reason, await self._annotator.prepare(task, first_items)
        unpaid = self._without_answer(left, stopped is not None)
        for item_id, why in unpaid.items():
            for item in groups[item_id] if stopped is None else ():
                yield item, self._annotator.failed(task, Unavailable(f"no message batch answered: {why}"))
        paid = [item for item_id, group in groups.items() if item_id not in unpaid for item in group]
        async with aclosing(self._annotator.annotate(task, paid)) as answers:
            async for item, answer in answers:
                yield item, answer
        if stopped is not None:
            raise stopped

    async def check(self) -> None:
        """Probe with a single call."""
        await self._annotator.check()

    async def close(self) -> None:
        """Close the endpoint's connections."""
        await self._annotator.close()

    async def resume(self) -> None:
        """Collect or give up the message batches that earlier processes left open here."""
        for intent in self._known_here(await self._calls.journal.open_intents()):
            await self._finish(intent)

    async def collect(self, intents: Sequence[MessageBatchIntent]) -> None:
        """Settle those that have ended. The others go on, and so do those whose creation was never confirmed.

        Raises `AnnotatorStopped` when the endpoint cannot be asked.
        """
        for intent in self._known_here(intents):
            if intent.batch_id and await self._calls.has_ended(intent.batch_id):
                await self._finish(intent)

    def _known_here(self, intents: Sequence[MessageBatchIntent]) -> list[MessageBatchIntent]:
        """Those that were sent to this endpoint: another one would say that there are none of them."""
        here = [intent for intent in intents if intent.origin in ("", self._calls.endpoint.origin)]
        elsewhere = sorted({intent.origin for intent in intents} - {intent.origin for intent in here})
        if elsewhere:
            _log.warning("message_batches_elsewhere", origins=elsewhere, batches=len(intents) - len(here))
        return here

    async def _buy_all(self, task: Task, items: Sequence[ItemToAnnotate]) -> Sequence[Prepared]:
        """Buy what is not paid for yet; return the calls that no message batch answered."""
        left = await self._annotator.prepare(task, items)
        for _ in range(self._policy.tries):
            askable = [one for one in left if not self._is_refused(one)]
            if not askable:
                break
            for chunk in self._chunks(askable):
                await self._buy(chunk)
            left = await self._annotator.prepare(task, items)
        return left

    def _without_answer(self, left: Sequence[Prepared], everything: bool) -> dict[str, str]:
        """The ids of items that are not to be asked singly, each with why it has no paid answer."""
        undone = {
            item_id: next((self._undone[key] for key in one.keys if key in self._undone), "")
            for one in left
            for item_id in one.asked
        }
        if not everything and not all(undone.values()):
            singly = sum(not why for why in undone.values())
            _log.warning("asked_singly", annotator=self.name, items=singly, because="refused in a message batch")
        return {item_id: why for item_id, why in undone.items() if why or everything}

    def _is_refused(self, request: Prepared) -> bool:
        return any(self._undone.get(key) == "" for key in request.keys)

    def _chunks(self, prepared: Sequence[Prepared]) -> Iterator[list[Prepared]]:
        chunk: list[Prepared] = []
        size = 0
        for request in prepared:
            bytes_of = len(json.dumps(self._calls.parameters(request.request))) + 100
            full = len(chunk) >= self._policy.max_requests or size + bytes_of > self._policy.max_bytes
            if chunk and full:
                yield chunk
                chunk, size = [], 0
            chunk.append(request)
            size += bytes_of
        if chunk:
            yield chunk

    async def _buy(self, chunk: Sequence[Prepared]) -> None:
        check(self._calls.manners.halt)
        intent_id = uuid.uuid4().hex
        by_id = {f"{intent_id}-{number}": request for number, request in enumerate(chunk)}
        intent = MessageBatchIntent(
            intent_id=intent_id,
            created_at=self._calls.manners.clock.wall(),
            requests={custom_id: request.keys for custom_id, request in by_id.items()},
            worst={custom_id: self._worst(request) for custom_id, request in by_id.items()},
            line=self._line,
            model=chunk[0].request.model,
            origin=self._calls.endpoint.origin,
        )
        self._asked = by_id
        await self._calls.journal.intend(intent)
        reserved = await self._reserve(intent)
        if reserved:
            requests = [
                {"custom_id": custom_id, "params": self._calls.parameters(by_id[custom_id].request)}
                for custom_id in reserved
            ]
            created = await self._calls.create(intent, requests)
            if isinstance(created, AnnotatorStopped):
                await self._give_up(intent)
                raise created
            await self._finish(replace(intent, batch_id=created))
        else:
            await self._give_up(intent)
        if self._overrun is not None:
            raise self._overrun
        if len(reserved) < len(chunk):
            await self._raise_exhausted(intent)

    def _worst(self, request: Prepared) -> Cost:
        usage = self._account.sizes.worst(request.request)
        return cost_of(self._price, usage, request.request.cache_ttl, batch=True)

    async def _reserve(self, intent: MessageBatchIntent) -> list[str]:
        """Custom ids that the budget allows, in order."""
        reserved: list[str] = []
        for custom_id, worst in intent.worst.items():
            try:
                await self._ledger.reserve(custom_id, worst, intent.line)
            except BudgetExhausted:
                return reserved
            reserved.append(custom_id)
        return reserved

    async def _raise_exhausted(self, intent: MessageBatchIntent) -> None:
        """Let the ledger say which budget is exhausted, unless refunds have made room in the meantime."""
        custom_id, worst = list(intent.worst.items())[-1]
        reservation = await self._ledger.reserve(custom_id, worst, intent.line)
        await self._ledger.release(reservation)

    async def _finish(self, intent: MessageBatchIntent) -> None:
        """Wait for a message batch, settle what it answered, and close its intent."""
        batch_id = intent.batch_id or await self._calls.adopt(intent)
        if batch_id:
            state = await self._calls.ended(batch_id)
            if state is None:
                await self._presume(intent)
                return
            for result in await self._calls.results(state):
                if result.custom_id in intent.requests:
                    await self._take(intent, result)
        await self._give_up(intent)

    async def _take(self, intent: MessageBatchIntent, result: MessageBatchResult) -> None:
        if result.kind is ResultKind.ANSWERED:
            await self._settle(intent, result.custom_id, result.message)
            return
        # "" marks what would be refused again, and is free to ask singly, to name the reason with the item.
        why = result.why if result.kind is ResultKind.UNDONE else ""
        self._undone.update(dict.fromkeys(intent.requests[result.custom_id], why))

    async def _give_up(self, intent: MessageBatchIntent) -> None:
        """Release what was not paid and close the intent."""
        for custom_id, worst in intent.worst.items():
            if await self._is_settled(intent, custom_id):
                continue
            try:
                reservation = await self._ledger.reserve(custom_id, worst, intent.line)
            except BudgetExhausted:
                continue  # It never had a reservation, so there is none to release.
            await self._ledger.release(reservation)
        await self._calls.journal.finished(intent.intent_id)

    async def _presume(self, intent: MessageBatchIntent) -> None:
        """Book a message batch that the endpoint no longer knows at its worst case, and close the intent."""
        _log.error("message_batch_gone", batch=intent.batch_id, requests=len(intent.requests))
        for custom_id, worst in intent.worst.items():
            if not await self._is_settled(intent, custom_id):
                await self._ledger.settle(await self._ledger.reserve(custom_id, worst, intent.line), worst, None)
        await self._calls.journal.finished(intent.intent_id)

    async def _is_settled(self, intent: MessageBatchIntent, custom_id: str) -> bool:
        key = next(iter(intent.requests[custom_id]))
        return await self._ledger.find_answer(key) is not None

    async def _settle(self, intent: MessageBatchIntent, custom_id: str, message: Any) -> None:
        if await self._is_settled(intent, custom_id):
            return
        reply = read_message(message, {"request-id": custom_id})
        reservation = await self._ledger.reserve(custom_id, intent.worst[custom_id], intent.line)
        if isinstance(reply, Failure):
            await self._ledger.settle(reservation, intent.worst[custom_id], None)
            return
        keys = intent.requests[custom_id]
        # What an earlier process asked is known by its keys and prices only.
        asked = self._asked.get(custom_id)
        most = self._account.sizes.worst(asked.request) if asked is not None else Usage()
        if reply.usage_told:
            usage = reply.usage
            actual = cost_of(self._price, usage, _cache_ttl(message), batch=True)
        else:
            usage, actual = most, intent.worst[custom_id]
        if asked is not None:
            self._overrun = overrun(self._account, asked.request, most, usage) or self._overrun
        stored = StoredAnswer(keys, json.dumps(message).encode(), usage, actual, request_id=custom_id)
        await self._ledger.settle(reservation, actual, stored)


def _cache_ttl(message: Any) -> CacheTtl:
    written = (message.get("usage") or {}).get("cache_creation") or {}
    hour = isinstance(written, dict) and written.get("ephemeral_1h_input_tokens")
    return CacheTtl.ONE_HOUR if hour else CacheTtl.FIVE_MINUTES
