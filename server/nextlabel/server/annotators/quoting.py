"""What a run would cost, before it is started.

Input is counted by the endpoint's own tokenizer on a sample of requests; output by counting an answer of the usual
shape. `upper` is what a run cannot exceed; the budget, not a quote, is what holds.
"""

import json
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Any

from nextlabel.server.annotators.asking import Asker
from nextlabel.server.annotators.metering import cost_of
from nextlabel.server.annotators.packing import packs
from nextlabel.server.annotators.pricing import Price
from nextlabel.server.annotators.prompts import Question
from nextlabel.server.annotators.technique import Technique
from nextlabel.server.annotators.wire import Endpoint, ModelRequest
from nextlabel.server.domain.annotation import AnnotationType, Cost, ItemToAnnotate, Task, Usage

_UNEQUAL_SHARE = 0.15
"""Share of items whose first samples are taken to disagree and need a further one."""
_JUSTIFICATION = "The text says so in the words that it uses at its very beginning."
_BYTES_PER_TOKEN = 3.6
_LOW_SHARE = 0.6
"""Answers may be shorter, and samples smaller, than the usual shape; a low estimate allows for this much."""


@dataclass(frozen=True, slots=True)
class Quote:
    """Cost of a run: at least `low`, probably `expected`, never above `upper`.

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
    worst: Usage


class Quoter:
    """Prices a run of one task without asking anything that costs."""

    def __init__(
        self,
        *,
        task: Task,
        technique: Technique,
        asker: Asker,
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
        todo = [item for item in items if not await self._asker.is_paid(await self._ask(self._task, item), 0)]
        groups = list(packs(todo, self._technique.items_per_request))
        if not groups:
            nothing = Cost()
            return Quote(0, len(items), 0, nothing, nothing, nothing, counted=True)
        chosen = random.Random(seed).sample(groups, min(sample, len(groups)))  # noqa: S311
        sizes = await self._sizes(chosen)
        least, usual, most = self._passes()
        cached = sizes.prefix >= self._price.cache_minimum and self._asker.cache_ttl is not None
        return Quote(
            items=len(todo),
            already_paid=len(items) - len(todo),
            requests=round(usual * len(groups)),
            low=self._total(sizes, len(groups) * least, len(todo), cached, batch, share=_LOW_SHARE),
            expected=self._total(sizes, len(groups) * usual, len(todo), cached, batch, share=1.0),
            upper=self._ceiling(groups, sizes, most, batch),
            counted=self._counted,
        )

    def _passes(self) -> tuple[float, float, float]:
        """Requests per pack: at least, usually, at most."""
        technique = self._technique
        if self._task.annotation_type is AnnotationType.PREFERENCE:
            return 2, 2, 2 * technique.attempts
        least = min(technique.agree, technique.samples)
        usual = least + (_UNEQUAL_SHARE if technique.samples > least else 0.0)
        return least, usual, technique.samples * technique.attempts

    async def _sizes(self, groups: Sequence[Sequence[ItemToAnnotate]]) -> _Sizes:
        requests = []
        for group in groups:
            questions = [await self._ask(self._task, item) for item in group]
            requests.append(self._asker.prepare(questions, variant=0).request)
        totals = [await self._count(request) for request in requests]
        typical = requests[0]
        prefix = await self._count(typical) - await self._count(replace(typical, system="."))
        base = await self._count(replace(typical, user="."))
        answers = [json.dumps(self._usual_answer(len(group))) for group in groups[:5]]
        outputs = [await self._count(replace(typical, user="." + answer)) - base for answer in answers]
        mean_items = fmean(len(group) for group in groups)
        scale = mean_items / fmean(len(group) for group in groups[:5])
        worst = max((request.worst_usage() for request in requests), key=lambda usage: usage.tokens)
        return _Sizes(prefix, fmean(totals) - prefix, fmean(outputs) * scale, worst)

    async def _count(self, request: ModelRequest) -> float:
        counted = await self._endpoint.count_tokens(request)
        if counted is not None:
            return counted
        self._counted = False
        size = len(request.system.encode()) + len(request.user.encode()) + len(json.dumps(request.schema))
        return size / _BYTES_PER_TOKEN

    def _usual_answer(self, items: int) -> Any:
        technique = self._technique
        names = sorted(self._task.label_names, key=len) or [""]
        label = names[len(names) // 2]
        text = _JUSTIFICATION * 8
        by_type: dict[AnnotationType, dict[str, Any]] = {
            AnnotationType.SINGLE_LABEL: {"label": label},
            AnnotationType.MULTI_LABEL: {"labels": [label]},
            AnnotationType.SCORE: {"score": 0.5},
            AnnotationType.PREFERENCE: {"better": "second"},
            AnnotationType.TEXT: {"text": text},
        }
        answer = by_type[self._task.annotation_type]
        if technique.candidates and self._task.annotation_type is AnnotationType.SINGLE_LABEL:
            answer = {"candidates": [{"label": label, "p": 0.7}, {"label": label, "p": 0.2}]}
        elif technique.verbalised and self._task.annotation_type is not AnnotationType.TEXT:
            answer["confidence"] = 0.9
        if technique.justification:
            answer["justification"] = _JUSTIFICATION
        if items == 1:
            return answer
        return {"answers": [{"id": f"q{number}", **answer} for number in range(1, items + 1)]}

    def _total(self, sizes: _Sizes, requests: float, items: int, cached: bool, batch: bool, *, share: float) -> Cost:
        """The cost of `requests` average requests; with caching the first of each variant writes, the others read."""
        variants = min(self._technique.samples, self._technique.agree) if self._technique.samples > 1 else 1
        writes = min(variants, requests) if cached else 0.0
        per_prefix = sizes.prefix if cached else 0.0
        usage = Usage(
            input_tokens=round(requests * (sizes.rest + (0.0 if cached else sizes.prefix)) * (0.9 + 0.1 * share)),
            output_tokens=round(requests * sizes.output * share),
            cache_read_tokens=round(max(0.0, requests - writes) * per_prefix),
            cache_write_tokens=round(writes * per_prefix),
            requests=round(requests),
        )
        price = replace(self._price, long_prompt_above=None)
        return cost_of(price, usage, items, self._asker.cache_ttl if cached else None, batch=batch)

    def _ceiling(self, groups: Sequence[Sequence[ItemToAnnotate]], sizes: _Sizes, passes: float, batch: bool) -> Cost:
        """Every request as large as the largest counted one, every attempt needed, every answer at full length."""
        requests = round(passes) * sum(len(group) for group in groups)
        one = cost_of(self._price, sizes.worst, 0, self._asker.cache_ttl, batch=batch)
        return Cost(sum(len(group) for group in groups), one.tokens * requests, one.micro_usd * requests)
