"""What a run would cost, before it is started.

Input is counted by the endpoint's own tokenizer on a sample of requests; output by counting an answer of the usual
shape. A quote is advice: the budget is what holds.
"""

import json
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Any

from nextlabel.server.annotators.endpoints.wire import Endpoint, ModelRequest
from nextlabel.server.annotators.llm.asking import ModelAsker
from nextlabel.server.annotators.llm.duplicates import distinct
from nextlabel.server.annotators.paid_calls.metering import cost_of
from nextlabel.server.annotators.paid_calls.pricing import Price
from nextlabel.server.annotators.prompting.packing import packs
from nextlabel.server.annotators.prompting.prompts import Question
from nextlabel.server.annotators.prompting.technique import Technique
from nextlabel.server.tasks.answer_form import usual_answer
from nextlabel.server.tasks.registry import task_type
from nextlabel.server.values.labeling.tasks import ItemToAnnotate, Task
from nextlabel.server.values.money.costs import Cost, Usage

_UNEQUAL_SHARE = 0.15
"""Share of items whose first samples are taken to disagree and need a further one."""
_THINKING_SHARE = 0.25
"""Share of the room for thinking that is taken to be used; how much a model thinks cannot be counted beforehand."""
_BYTES_PER_TOKEN = 3.6
_LOW_SHARE = 0.6
"""Answers may be shorter, and samples smaller, than the usual shape; a low estimate allows for this much."""


@dataclass(frozen=True, slots=True)
class Quote:
    """Tokens and money of a run: hardly below `low`, probably `expected`, and at most `upper`.

    `upper` takes every byte for a token and every attempt for necessary, so it is far above what is likely.

    `items` are to be asked, `already_paid` have a stored answer. `counted` is False when the endpoint cannot count
    tokens and sizes were estimated from bytes.
    """

    items: int
    already_paid: int
    requests: int
    low: Cost
    expected: Cost
    upper: Cost
    counted: bool


@dataclass(frozen=True, slots=True)
class _Sizes:
    """Mean tokens of one request. `prefix` is the part that may be cached."""

    prefix: float
    rest: float
    output: float


@dataclass(frozen=True, slots=True)
class RequestQuote:
    """Cost of one request: hardly below `low`, probably `expected`, at most `upper`."""

    low: Cost
    expected: Cost
    upper: Cost
    counted: bool


async def quote_request(endpoint: Endpoint, price: Price, request: ModelRequest, answer: str) -> RequestQuote:
    """Price one request that is answered by a text like `answer`, without asking anything that costs."""
    total, counted = await _size(endpoint, request)
    base, _ = await _size(endpoint, replace(request, user="."))
    with_answer, _ = await _size(endpoint, replace(request, user="." + answer))
    output = with_answer - base + price.thinking_tokens * _THINKING_SHARE

    def cost(share: float) -> Cost:
        usage = Usage(input_tokens=round(total * share), output_tokens=round(output * share), requests=1)
        return cost_of(price, usage, None)

    return RequestQuote(cost(_LOW_SHARE), cost(1.0), cost_of(price, request.worst_usage(), None), counted)


async def _size(endpoint: Endpoint, request: ModelRequest) -> tuple[float, bool]:
    """Input tokens of a request, and whether they were counted by the endpoint."""
    counted = await endpoint.count_tokens(request)
    if counted is not None:
        return counted, True
    size = len(request.system.encode()) + len(request.user.encode()) + len(json.dumps(request.schema))
    return size / _BYTES_PER_TOKEN, False


class Quoter:
    """Prices a run of one task without asking anything that costs."""

    def __init__(
        self,
        *,
        task: Task,
        technique: Technique,
        asker: ModelAsker,
        endpoint: Endpoint,
        price: Price,
        ask: Callable[[Task, ItemToAnnotate], Awaitable[Question]],
    ) -> None:
        self._task = task
        self._technique = technique
        self._asker = asker
        self._endpoint = endpoint
        self._price = price
        self._ask = ask
        self._counted = True

    async def quote(self, items: Sequence[ItemToAnnotate], *, sample: int, seed: int, batch: bool) -> Quote:
        """Quote `items`, counting up to `sample` requests."""
        questions = await self._unpaid([group[0] for group in distinct(items).values()])
        todo = [question.item for question in questions.values()]
        groups = [[questions[item.item_id] for item in pack] for pack in packs(todo, self._technique.items_per_request)]
        if not groups:
            nothing = Cost()
            return Quote(0, len(items), 0, nothing, nothing, nothing, counted=True)
        chosen = random.Random(seed).sample(groups, min(sample, len(groups)))  # noqa: S311
        sizes = await self._sizes(chosen)
        least, usual = self._passes()
        cached = sizes.prefix >= self._price.cache_minimum and self._asker.cache_ttl is not None
        return Quote(
            items=len(todo),
            already_paid=len(items) - len(todo),
            requests=round(usual * len(groups)),
            low=self._total(sizes, len(groups) * least, cached, batch, share=_LOW_SHARE),
            expected=self._total(sizes, len(groups) * usual, cached, batch, share=1.0),
            upper=self._ceiling(groups, chosen, batch),
            counted=self._counted,
        )

    async def _unpaid(self, items: Sequence[ItemToAnnotate]) -> dict[str, Question]:
        questions = [await self._ask(self._task, item) for item in items]
        return {question.item.item_id: question for question in questions if not await self._asker.is_paid(question, 0)}

    def _passes(self) -> tuple[float, float]:
        """Requests per pack: at least, and usually."""
        least, most = self._samples()
        return least, least + (_UNEQUAL_SHARE if most > least else 0.0)

    def _samples(self) -> tuple[int, int]:
        return task_type(self._task.annotation_type).samples(self._technique.agree, self._technique.samples)

    async def _sizes(self, groups: Sequence[Sequence[Question]]) -> _Sizes:
        requests = [self._asker.prepare(group, variant=0).request for group in groups]
        totals = [await self._count(request) for request in requests]
        typical = requests[0]
        prefix = await self._count(typical) - await self._count(replace(typical, system="."))
        base = await self._count(replace(typical, user="."))
        answers = [json.dumps(self._usual_answer(len(group))) for group in groups[:5]]
        outputs = [await self._count(replace(typical, user="." + answer)) - base for answer in answers]
        scale = fmean(len(group) for group in groups) / fmean(len(group) for group in groups[:5])
        return _Sizes(prefix, fmean(totals) - prefix, fmean(outputs) * scale)

    async def _count(self, request: ModelRequest) -> float:
        tokens, counted = await _size(self._endpoint, request)
        self._counted &= counted
        return tokens

    def _usual_answer(self, items: int) -> Any:
        answer = usual_answer(self._task, self._technique.form)
        if items == 1:
            return answer
        return {"answers": [{"id": f"q{number}", **answer} for number in range(1, items + 1)]}

    def _total(self, sizes: _Sizes, requests: float, cached: bool, batch: bool, *, share: float) -> Cost:
        """The cost of `requests` average requests; with caching the first of each variant writes, the others read."""
        variants = min(self._technique.samples, self._technique.agree) if self._technique.samples > 1 else 1
        writes = min(variants, requests) if cached else 0.0
        per_prefix = sizes.prefix if cached else 0.0
        usage = Usage(
            input_tokens=round(requests * (sizes.rest + (0.0 if cached else sizes.prefix)) * (0.9 + 0.1 * share)),
            output_tokens=round(requests * (sizes.output + self._price.thinking_tokens * _THINKING_SHARE) * share),
            cache_read_tokens=round(max(0.0, requests - writes) * per_prefix),
            cache_write_tokens=round(writes * per_prefix),
            requests=round(requests),
        )
        price = replace(self._price, long_prompt_above=None)
        return cost_of(price, usage, self._asker.cache_ttl if cached else None, batch=batch)

    def _ceiling(self, groups: Sequence[Sequence[Question]], chosen: Sequence[Sequence[Question]], batch: bool) -> Cost:
        """Every pack asked in every variant, every item of it again alone at every further attempt, at full length."""
        technique = self._technique
        _, passes = self._samples()
        total = Cost()
        for attempt in range(1, technique.attempts + 1):
            alone = attempt > 1
            asked = [[question] for group in groups for question in group] if alone else groups
            sampled = [[group[0]] for group in chosen] if alone else chosen
            frame = self._frame(sampled, attempt)
            for group in asked:
                usage = _heavier(frame, sum(_weight(question) for question in group))
                # A message batch makes only the first attempts; what is asked again is asked singly.
                one = cost_of(self._price, usage, self._asker.cache_ttl, batch=batch and not alone)
                total += Cost(tokens=one.tokens * passes, micro_usd=one.micro_usd * passes)
        return total

    def _frame(self, groups: Sequence[Sequence[Question]], attempt: int) -> Usage:
        """The worst usage of a request apart from what its items weigh, in any variant."""
        frames = [
            _heavier(
                self._asker.prepare(group, variant=variant, attempt=attempt).request.worst_usage(),
                -sum(_weight(question) for question in group),
            )
            for group in groups
            for variant in range(min(self._technique.samples, 3))
        ]
        return max(frames, key=lambda usage: usage.tokens)


def _weight(question: Question) -> int:
    """Bytes of all that differs from item to item."""
    item = question.item
    texts = [item.text, *(item.alternatives or ()), *item.metadata, *item.metadata.values(), *question.labels]
    texts += [item.earlier.text, item.earlier.critique] if item.earlier else []
    texts += [part for shown in question.demonstrations for part in (shown.text, shown.rationale)]
    return sum(len(text.encode(errors="replace")) for text in texts)


def _heavier(usage: Usage, input_tokens: int) -> Usage:
    if usage.cache_write_tokens:
        return replace(usage, cache_write_tokens=usage.cache_write_tokens + input_tokens)
    return replace(usage, input_tokens=usage.input_tokens + input_tokens)
