"""Asks a model about a few items together, until each has a sample or the attempts are used up."""

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import astuple, dataclass, field, replace

from nextlabel.server.annotators.endpoints.cache_ttl import CacheTtl
from nextlabel.server.annotators.endpoints.wire import Endpoint, Failure, HttpReply, ModelRequest, Reply
from nextlabel.server.annotators.llm.decoding import decode
from nextlabel.server.annotators.paid_calls.metering import MeteredCaller
from nextlabel.server.annotators.paid_calls.warming import CacheWarming
from nextlabel.server.annotators.prompting.canonical import digest
from nextlabel.server.annotators.prompting.marking import NO_CODE
from nextlabel.server.annotators.prompting.prompts import Prompt, PromptBuilder, Question
from nextlabel.server.annotators.prompting.technique import Technique
from nextlabel.server.ports.paid_calls import Ledger
from nextlabel.server.tasks.drafts import Draft
from nextlabel.server.tasks.registry import task_type
from nextlabel.server.values.labeling.answers import Outcome
from nextlabel.server.values.labeling.tasks import Task
from nextlabel.server.values.money.costs import Cost, Usage
from nextlabel.server.values.money.paid_calls import StoredAnswer

_ASK_AGAIN = frozenset({Outcome.INVALID, Outcome.TRUNCATED})
_ASK_AGAIN_ALONE = _ASK_AGAIN | {Outcome.REFUSED}


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """What of a request does not depend on the items.

    `answer_tokens` bounds the answer about one item; `thinking_tokens` is added once per request for models that
    think before they answer; None takes the price table's word. `effort` is passed on to models that know it.
    `sample` is the number of the candidate text that is written, 0 for the first.
    """

    model: str
    answer_tokens: int = 96
    justification_tokens: int = 96
    text_tokens: int = 2_048
    thinking_tokens: int | None = None
    cache_ttl: CacheTtl | None = CacheTtl.FIVE_MINUTES
    effort: str | None = None
    sample: int = 0


@dataclass(frozen=True, slots=True)
class Sample:
    """One draft about one item, and the item's share of what it took."""

    draft: Draft
    key: str
    model: str = ""
    request_id: str = ""
    usage: Usage = field(default_factory=Usage)
    cost: Cost = field(default_factory=Cost)
    latency_ms: float = 0.0
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class Prepared:
    """A call that is ready to be made.

    `keys` maps the content address of each question to its id in the reply, `asked` each item id to the same.
    """

    request: ModelRequest
    keys: Mapping[str, str]
    asked: Mapping[str, str]
    task: Task
    technique: Technique

    def decode(self, reply: Reply) -> dict[str, Draft]:
        """One draft for each id in the reply that was asked for."""
        return decode(reply, tuple(self.asked.values()), self.task, self.technique)


@dataclass(frozen=True, slots=True)
class _Share:
    """The share of a call that falls to the item in place `number` of `items`. Whole shares that add up exactly."""

    number: int
    items: int

    def of(self, amount: int) -> int:
        """The first ones take the remainder."""
        return amount // self.items + (self.number < amount % self.items)

    def cost(self, cost: Cost) -> Cost:
        """The share of tokens and money."""
        return Cost(tokens=self.of(cost.tokens), micro_usd=self.of(cost.micro_usd))

    def usage(self, usage: Usage) -> Usage:
        """The share of every count."""
        return Usage(*(self.of(amount) for amount in astuple(usage)))


class ModelAsker:
    """Turns questions into samples; finds paid answers before it pays."""

    def __init__(
        self,
        *,
        builder: PromptBuilder,
        settings: ModelSettings,
        endpoint: Endpoint,
        caller: MeteredCaller,
        ledger: Ledger,
        warming: CacheWarming,
        new_code: Callable[[], str],
    ) -> None:
        self._builder = builder
        self._plain = PromptBuilder(builder.task, builder.technique, NO_CODE)
        self._settings = settings
        self._endpoint = endpoint
        self._caller = caller
        self._ledger = ledger
        self._warming = warming
        self._new_code = new_code

    @property
    def prompt_hash(self) -> str:
        """SHA-256 of the canonical wording, without items."""
        return self._builder.prompt_hash()

    @property
    def schema_hash(self) -> str:
        """SHA-256 of the schema."""
        return self._builder.schema_hash()

    async def samples(self, questions: Sequence[Question], *, variant: int) -> AsyncGenerator[tuple[Question, Sample]]:
        """Yield a sample of each question; first those that are done, then those that had to be asked again alone."""
        again = _ASK_AGAIN_ALONE if len(questions) > 1 else _ASK_AGAIN
        if self._builder.technique.attempts == 1:
            again = frozenset()
        unsettled = []
        for question, sample in await self._ask(questions, variant, 1):
            if sample.draft.outcome in again and not (sample.draft.final and len(questions) == 1):
                unsettled.append((question, sample))
            else:
                yield question, sample
        for question, sample in unsettled:
            yield question, await self._ask_again(question, sample, variant)

    async def _ask_again(self, question: Question, first: Sample, variant: int) -> Sample:
        sample = first
        for attempt in range(2, self._builder.technique.attempts + 1):
            retried = (await self._ask([question], variant, attempt))[0][1]
            sample = _with_earlier(retried, sample)
            if sample.draft.final or sample.draft.outcome not in _ASK_AGAIN:
                break
        return sample

    def prepare(
        self,
        questions: Sequence[Question],
        *,
        variant: int,
        attempt: int = 1,
        known: Mapping[str, str] | None = None,
    ) -> Prepared:
        """The call that asks `questions`, not yet made. `known` are the keys of the items, where they were made."""
        prompt = self._builder.build(questions, variant=variant, code=self._new_code())
        asked = {question.item.item_id: name for question, name in zip(questions, prompt.ids, strict=True)}
        # Equal texts under two ids are one question: the first id stands for both in the store.
        keys: dict[str, str] = {}
        for question, name in zip(questions, prompt.ids, strict=True):
            keys.setdefault(known[question.item.item_id] if known else self.key(question, variant, attempt), name)
        return Prepared(self._request(prompt, attempt), keys, asked, self._builder.task, self._builder.technique)

    @property
    def cache_ttl(self) -> CacheTtl | None:
        """The lifetime that prompt caching is asked for, where a prefix is long enough."""
        return self._settings.cache_ttl

    async def is_paid(self, question: Question, variant: int) -> bool:
        """True when the first answer to `question` is in the store."""
        return await self._ledger.find_answer(self.key(question, variant, 1)) is not None

    def key(self, question: Question, variant: int, attempt: int) -> str:
        """The content address of the answer to `question`: equal where all is equal that can change the answer.

        What else is in the request does not count, how many items share requests does.
        """
        technique = self._builder.technique
        prompt = self._plain.build([question], variant=variant, code=NO_CODE)
        return digest(
            {
                "request": self._endpoint.fingerprint(self._request(prompt, attempt)),
                "guidelines": self._builder.task.guidelines.digest,
                "items_per_request": technique.items_per_request,
                "variant": variant,
                "attempt": attempt,
                **({"sample": sample} if (sample := self._settings.sample) else {}),
                **({"asking": asking} if (asking := self._builder.task.asking) else {}),
            }
        )

    async def _ask(self, questions: Sequence[Question], variant: int, attempt: int) -> list[tuple[Question, Sample]]:
        keys = {question.item.item_id: self.key(question, variant, attempt) for question in questions}
        results: dict[str, Sample] = {}
        for item_id, key in keys.items():
            if stored := await self._ledger.find_answer(key):
                results[item_id] = self._replay(stored, key)
        if unknown := [question for question in questions if question.item.item_id not in results]:
            results |= await self._buy(unknown, keys, variant, attempt)
        return [(question, results[question.item.item_id]) for question in questions]

    async def _buy(
        self,
        questions: Sequence[Question],
        keys: Mapping[str, str],
        variant: int,
        attempt: int,
    ) -> dict[str, Sample]:
        prepared = self.prepare(questions, variant=variant, attempt=attempt, known=keys)
        async with self._warming.first_alone(prepared.request):
            result = await self._caller.call(prepared.request, prepared.keys)
        shares = {item_id: _Share(number, len(prepared.asked)) for number, item_id in enumerate(prepared.asked)}
        if isinstance(result.reply, Failure) or result.stored is None:
            failed = Draft(Outcome.FAILED, detail=str(result.reply)[:300])
            return {
                item_id: Sample(failed, keys[item_id], cost=share.cost(result.wasted))
                for item_id, share in shares.items()
            }
        drafts = prepared.decode(result.reply)
        return {
            item_id: _sample(drafts[name], keys[item_id], result.stored, result.reply, result.wasted, shares[item_id])
            for item_id, name in prepared.asked.items()
        }

    def _replay(self, stored: StoredAnswer, key: str) -> Sample:
        reply = self._endpoint.read(HttpReply(200, {"request-id": stored.request_id}, stored.raw))
        name = stored.keys[key]
        if isinstance(reply, Failure):
            return Sample(Draft(Outcome.INVALID, detail=f"stored answer: {reply}"), key, replayed=True)
        draft = decode(reply, sorted(stored.keys.values()), self._builder.task, self._builder.technique)[name]
        share = _Share(sorted(stored.keys).index(key), len(stored.keys))
        return replace(_sample(draft, key, stored, reply, Cost(), share), replayed=True)

    def _request(self, prompt: Prompt, attempt: int) -> ModelRequest:
        """The call for a prompt; an answer that was cut off gets twice the room at the next attempt."""
        return ModelRequest(
            model=self._settings.model,
            system=prompt.system,
            user=prompt.user,
            schema=prompt.schema,
            max_output_tokens=self._max_output_tokens(len(prompt.ids)) * 2 ** (attempt - 1),
            cache_ttl=self._warming.useful_ttl(prompt.system, self._settings.cache_ttl),
            effort=self._settings.effort,
            score_levels=self._builder.task.score_levels,
            label_tokens=len(prompt.ids) == 1 and task_type(self._builder.task.annotation_type).one_class,
            sample=self._settings.sample,
        )

    def _max_output_tokens(self, items: int) -> int:
        settings, task = self._settings, self._builder.task
        per_item = settings.text_tokens if task_type(task.annotation_type).writes_text else settings.answer_tokens
        if self._builder.technique.justification:
            per_item += settings.justification_tokens
        per_item += 24 * self._builder.technique.candidates
        return (settings.thinking_tokens or 0) + items * per_item + 16


def _sample(draft: Draft, key: str, stored: StoredAnswer, reply: Reply, wasted: Cost, share: _Share) -> Sample:
    return Sample(
        draft,
        key,
        model=reply.model,
        request_id=stored.request_id,
        usage=share.usage(stored.usage),
        cost=share.cost(stored.cost + wasted),
        latency_ms=stored.latency_ms,
    )


def _with_earlier(sample: Sample, earlier: Sample) -> Sample:
    return replace(
        sample,
        usage=sample.usage + earlier.usage,
        cost=sample.cost + earlier.cost,
        latency_ms=sample.latency_ms + earlier.latency_ms,
    )
