"""Message batches: half the price for answers that may take a day.

A batch fills the ledger with paid answers; the ordinary annotator then finds them by their content addresses and
asks only for what is still missing. A crash at any point neither loses nor repeats a batch: its intent is durable
before it is created, and a batch whose creation was never confirmed is looked up among the recent ones.
"""

import json
import uuid
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from nextlabel.server.annotators.endpoints.anthropic import AnthropicEndpoint
from nextlabel.server.annotators.endpoints.anthropic_replies import read_message
from nextlabel.server.annotators.endpoints.wire import Failure, Reply
from nextlabel.server.annotators.llm.annotator import LlmAnnotator
from nextlabel.server.annotators.llm.asking import Prepared
from nextlabel.server.annotators.llm.duplicates import distinct
from nextlabel.server.annotators.paid_calls.metering import cost_of
from nextlabel.server.annotators.paid_calls.pricing import CacheTtl, Price
from nextlabel.server.ports.paid_calls import Ledger, MessageBatchJournal
from nextlabel.server.ports.system import Timer
from nextlabel.server.system.clock import SystemClock
from nextlabel.server.values.answers import Answer
from nextlabel.server.values.errors import AnnotatorStopped, BudgetExhausted, Unavailable
from nextlabel.server.values.money.costs import Cost
from nextlabel.server.values.money.paid_calls import MessageBatchIntent, StoredAnswer
from nextlabel.server.values.tasks import ItemToAnnotate, Task

if TYPE_CHECKING:
    from anthropic.types.messages import MessageBatch

_CLOCK_SKEW_S = 300.0


@dataclass(frozen=True, slots=True)
class MessageBatchPolicy:
    """Sizes and waits.

    max_requests, max_bytes:  limits of one batch (the API's are 100,000 and 256 MB)
    poll_s:                   wait between looks at a running batch
    grace_s:                  how long after an intent a batch may still turn up before it counts as never created
    """

    max_requests: int = 10_000
    max_bytes: int = 200_000_000
    poll_s: float = 30.0
    grace_s: float = 120.0


class MessageBatchAnnotator:
    """Implements `Annotator`: the same answers as `annotator`, bought in batches where that is possible."""

    def __init__(
        self,
        *,
        annotator: LlmAnnotator,
        endpoint: AnthropicEndpoint,
        ledger: Ledger,
        journal: MessageBatchJournal,
        price: Price,
        line: str = "annotation",
        policy: MessageBatchPolicy | None = None,
        clock: Timer | None = None,
    ) -> None:
        self._annotator = annotator
        self._endpoint = endpoint
        self._ledger = ledger
        self._journal = journal
        self._price = price
        self._line = line
        self._policy = policy or MessageBatchPolicy()
        self._clock = clock or SystemClock()
        self._asked: dict[str, Prepared] = {}

    @property
    def name(self) -> str:
        """The name that provenance carries."""
        return self._annotator.name

    async def annotate(
        self, task: Task, items: Sequence[ItemToAnnotate]
    ) -> AsyncGenerator[tuple[ItemToAnnotate, Answer]]:
        """Finish what an earlier process began, buy what is missing in batches, then yield all answers."""
        await self.resume()
        first_items = [group[0] for group in distinct(items).values()]
        prepared = await self._annotator.prepare(task, first_items)
        for chunk in self._chunks(prepared):
            await self._buy(chunk)
        async with aclosing(self._annotator.annotate(task, items)) as answers:
            async for item, answer in answers:
                yield item, answer

    async def check(self) -> None:
        """Probe with a single call."""
        await self._annotator.check()

    async def close(self) -> None:
        """Close the endpoint's connections."""
        await self._annotator.close()

    async def resume(self) -> None:
        """Collect or give up the batches that earlier processes left open."""
        for intent in await self._journal.open_intents():
            await self._finish(intent)

    def _chunks(self, prepared: Sequence[Prepared]) -> Iterator[list[Prepared]]:
        chunk: list[Prepared] = []
        size = 0
        for request in prepared:
            bytes_of = len(request.request.system.encode()) + len(request.request.user.encode()) + 2_000
            full = len(chunk) >= self._policy.max_requests or size + bytes_of > self._policy.max_bytes
            if chunk and full:
                yield chunk
                chunk, size = [], 0
            chunk.append(request)
            size += bytes_of
        if chunk:
            yield chunk

    async def _buy(self, chunk: Sequence[Prepared]) -> None:
        intent_id = uuid.uuid4().hex
        by_id = {f"{intent_id}-{number}": request for number, request in enumerate(chunk)}
        intent = MessageBatchIntent(
            intent_id=intent_id,
            created_at=self._clock.wall(),
            requests={custom_id: request.keys for custom_id, request in by_id.items()},
            worst={custom_id: self._worst(request) for custom_id, request in by_id.items()},
            line=self._line,
            model=chunk[0].request.model,
        )
        self._asked = by_id
        await self._journal.intend(intent)
        reserved = await self._reserve(intent)
        if reserved:
            requests = [
                {"custom_id": custom_id, "params": self._endpoint.parameters(by_id[custom_id].request)}
                for custom_id in reserved
            ]
            intent = await self._create(intent, requests)
        await self._finish(intent)
        if len(reserved) < len(chunk):
            await self._raise_exhausted(intent)

    def _worst(self, request: Prepared) -> Cost:
        usage = request.request.worst_usage()
        return cost_of(self._price, usage, len(request.keys), request.request.cache_ttl, batch=True)

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

    async def _create(self, intent: MessageBatchIntent, requests: Sequence[Any]) -> MessageBatchIntent:
        import anthropic

        try:
            batch = await self._endpoint.client.messages.batches.create(requests=requests)
        except anthropic.APIConnectionError:
            return intent  # It may exist: `_finish` looks for it.
        except anthropic.APIStatusError as error:
            if error.status_code < 500:
                await self._give_up(intent)
                raise AnnotatorStopped(
                    f"the endpoint refused a message batch: {error.api_message or error.status_code}",
                    reason="ANNOTATOR_BATCH_REFUSED",
                ) from error
            return intent
        await self._journal.submitted(intent.intent_id, batch.id)
        return replace(intent, batch_id=batch.id)

    async def _finish(self, intent: MessageBatchIntent) -> None:
        batch_id = intent.batch_id or await self._adopt(intent)
        if not batch_id:
            await self._give_up(intent)
            return
        await self._ended(batch_id)
        async for custom_id, message in self._results(batch_id):
            if custom_id in intent.requests and message is not None:
                await self._settle(intent, custom_id, message)
        await self._give_up(intent)

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
        await self._journal.finished(intent.intent_id)

    async def _is_settled(self, intent: MessageBatchIntent, custom_id: str) -> bool:
        key = next(iter(intent.requests[custom_id]))
        return await self._ledger.find_answer(key) is not None

    async def _settle(self, intent: MessageBatchIntent, custom_id: str, message: dict[str, Any]) -> None:
        if await self._is_settled(intent, custom_id):
            return
        reply = read_message(message, {"request-id": custom_id})
        reservation = await self._ledger.reserve(custom_id, intent.worst[custom_id], intent.line)
        if isinstance(reply, Failure):
            await self._ledger.settle(reservation, intent.worst[custom_id], None)
            return
        keys = intent.requests[custom_id]
        # A batch of an earlier process is settled without its task; then every item counts as a label.
        asked = self._asked.get(custom_id)
        labels = asked.count_labels(asked.decode(reply)) if asked is not None else len(keys)
        actual = self._actual(reply, labels, message)
        stored = StoredAnswer(keys, json.dumps(message).encode(), reply.usage, actual, request_id=custom_id)
        await self._ledger.settle(reservation, actual, stored)

    def _actual(self, reply: Reply, labels: int, message: dict[str, Any]) -> Cost:
        written = (message.get("usage") or {}).get("cache_creation") or {}
        ttl = CacheTtl.ONE_HOUR if written.get("ephemeral_1h_input_tokens") else CacheTtl.FIVE_MINUTES
        return cost_of(self._price, reply.usage, labels, ttl, batch=True)

    async def _ended(self, batch_id: str) -> None:
        while True:
            batch = await self._endpoint.client.messages.batches.retrieve(batch_id)
            if batch.processing_status == "ended":
                self._check_host(batch.results_url)
                return
            await self._clock.sleep(self._policy.poll_s)

    def _check_host(self, results_url: str | None) -> None:
        """The SDK follows this URL and sends the key along, so it has to be the host we talk to anyway."""
        base = urlsplit(str(self._endpoint.client.base_url))
        target = urlsplit(results_url or "")
        if (target.scheme, target.netloc) != (base.scheme, base.netloc):
            raise AnnotatorStopped(
                f"the results of a message batch are said to be on {target.netloc!r} instead of {base.netloc!r}; "
                "the API key is not sent there",
                reason="ANNOTATOR_RESULTS_HOST",
            )

    async def _results(self, batch_id: str) -> AsyncGenerator[tuple[str, dict[str, Any] | None]]:
        """Custom id and message of each result, in any order; None for a request that failed and cost nothing."""
        try:
            lines = await self._endpoint.client.messages.batches.results(batch_id)
            async for line in lines:
                succeeded = line.result if line.result.type == "succeeded" else None
                yield line.custom_id, succeeded.message.to_dict(mode="json") if succeeded else None
        except json.JSONDecodeError as error:
            raise Unavailable("the results of a message batch were cut off; run again to go on") from error

    async def _adopt(self, intent: MessageBatchIntent) -> str:
        """The id of the batch that was created for an intent without anyone hearing of it; empty if there is none."""
        while True:
            batch_id = await self._look_for(intent)
            waited = self._clock.wall() - intent.created_at
            if batch_id or waited >= self._policy.grace_s:
                return batch_id
            await self._clock.sleep(min(self._policy.poll_s, self._policy.grace_s - waited))

    async def _look_for(self, intent: MessageBatchIntent) -> str:
        known = {other.batch_id for other in await self._journal.open_intents()}
        async for batch in self._endpoint.client.messages.batches.list(limit=100):
            age = batch.created_at.timestamp() - intent.created_at
            if age < -_CLOCK_SKEW_S:
                break
            possible = age <= self._policy.grace_s + _CLOCK_SKEW_S and batch.id not in known
            if possible and _size(batch) <= len(intent.requests) and await self._belongs(batch.id, intent):
                await self._journal.submitted(intent.intent_id, batch.id)
                return batch.id
        return ""

    async def _belongs(self, batch_id: str, intent: MessageBatchIntent) -> bool:
        """Only results carry custom ids, so a running batch has to be waited for."""
        await self._ended(batch_id)
        async with aclosing(self._results(batch_id)) as results:
            async for custom_id, _ in results:
                return custom_id in intent.requests
        return False


def _size(batch: "MessageBatch") -> int:
    counts = batch.request_counts
    return counts.processing + counts.succeeded + counts.errored + counts.canceled + counts.expired
