"""The LLM annotator: any endpoint, one technique, many items at a time."""

import asyncio
import secrets
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, field, replace

import structlog

from nextlabel.server.annotators.endpoints.wire import Endpoint
from nextlabel.server.annotators.llm.answering_models import AnsweringModels
from nextlabel.server.annotators.llm.asking import ModelAsker, ModelSettings, Prepared, Sample
from nextlabel.server.annotators.llm.duplicates import distinct
from nextlabel.server.annotators.llm.probe import probe
from nextlabel.server.annotators.llm.quoting import Quote, Quoter
from nextlabel.server.annotators.paid_calls.accounts import Account
from nextlabel.server.annotators.paid_calls.breaker import BreakerPolicy, CircuitBreaker
from nextlabel.server.annotators.paid_calls.metering import MeteredCaller
from nextlabel.server.annotators.paid_calls.pricing import Price
from nextlabel.server.annotators.paid_calls.retry import Manners
from nextlabel.server.annotators.paid_calls.warming import CacheWarming
from nextlabel.server.annotators.prompting.packing import packs
from nextlabel.server.annotators.prompting.prompts import PromptBuilder, Question
from nextlabel.server.annotators.prompting.technique import Retrieval, Technique
from nextlabel.server.ports.annotators import ConfidenceModel, DemonstrationSource, LabelSimilarity, SignalSource
from nextlabel.server.ports.paid_calls import Ledger
from nextlabel.server.tasks.drafts import CombinedDraft
from nextlabel.server.tasks.registry import task_type
from nextlabel.server.values.errors import (
    AnnotatorStopped,
    BudgetExhausted,
    DomainError,
    FailedPrecondition,
    Unavailable,
)
from nextlabel.server.values.labeling.answers import Answer, ConfidenceKind, Label, Outcome, Provenance
from nextlabel.server.values.labeling.tasks import ItemToAnnotate, Task
from nextlabel.server.values.money.costs import Cost, Usage

_SECOND_VARIANT = 1
_MAX_DETAIL_CHARACTERS = 300
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Lookups:
    """What an annotator may consult about an item; all optional."""

    demonstrations: DemonstrationSource | None = None
    label_similarity: LabelSimilarity | None = None
    signals: Sequence[SignalSource] = ()
    confidence: ConfidenceModel | None = None


@dataclass(frozen=True, slots=True)
class Conduct:
    """How many calls at a time, when to give up, and on whose account. `line` is the budget line that pays."""

    concurrency: int = 16
    breaker: BreakerPolicy = field(default_factory=BreakerPolicy)
    stop_at_other_model: bool = False
    line: str = "annotation"


class LlmAnnotator:
    """Implements `Annotator` over an endpoint. One instance may serve several tasks at once."""

    def __init__(
        self,
        *,
        name: str,
        endpoint: Endpoint,
        settings: ModelSettings,
        price: Price,
        ledger: Ledger,
        technique: Technique | None = None,
        conduct: Conduct | None = None,
        lookups: Lookups | None = None,
        account: Account | None = None,
        manners: Manners | None = None,
        new_code: Callable[[], str] = lambda: secrets.token_hex(8),
    ) -> None:
        manners = manners or Manners()
        self._name = name
        self._endpoint = endpoint
        known = settings.thinking_tokens is not None
        self._settings = settings if known else replace(settings, thinking_tokens=price.thinking_tokens)
        self._ledger = ledger
        self._price = price
        self._technique = technique or Technique()
        self._conduct = conduct or Conduct()
        self._lookups = lookups or Lookups()
        self._new_code = new_code
        self._fixed_code = new_code()
        self._warming = CacheWarming(manners.clock, price.cache_minimum)
        # Of the annotator, not of one query batch: small batches would never prove anything.
        self.breaker = CircuitBreaker(self._conduct.breaker)
        self.models = AnsweringModels(self._settings.model, stop=self._conduct.stop_at_other_model)
        self._caller = MeteredCaller(
            endpoint=endpoint,
            ledger=ledger,
            price=price,
            account=account or Account(manners.clock),
            manners=manners,
            line=self._conduct.line,
        )

    @property
    def name(self) -> str:
        """The name that provenance carries."""
        return self._name

    def failed(self, task: Task, error: Exception) -> Answer:
        """The answer about an item that an unexpected error kept from being asked or understood."""
        why = error.message if isinstance(error, DomainError) else "an internal error; the server's log has the details"
        provenance = Provenance(
            annotator=self._name,
            requested_model=self._settings.model,
            guidelines_hash=task.guidelines.digest,
            api_version=self._endpoint.api_version,
        )
        return Answer(Outcome.FAILED, provenance, detail=why[:_MAX_DETAIL_CHARACTERS])

    def asker(self, task: Task) -> ModelAsker:
        """Asks single questions of a task, outside `annotate`."""
        return ModelAsker(
            builder=PromptBuilder(task, self._technique, self._fixed_code),
            settings=self._settings,
            endpoint=self._endpoint,
            caller=self._caller,
            ledger=self._ledger,
            warming=self._warming,
            new_code=self._new_code,
        )

    async def annotate(
        self, task: Task, items: Sequence[ItemToAnnotate]
    ) -> AsyncGenerator[tuple[ItemToAnnotate, Answer]]:
        """Yield an answer for each item, in any order; see `Annotator.annotate`."""
        groups = distinct(items)
        waiting = packs([group[0] for group in groups.values()], self._technique.items_per_request)
        async with aclosing(self._work(task, waiting)) as answers:
            async for item, answer in answers:
                yield item, answer
                for twin in groups[item.item_id][1:]:
                    yield twin, _free_copy(answer)

    async def prepare(self, task: Task, items: Sequence[ItemToAnnotate]) -> list[Prepared]:
        """The calls that `annotate` is sure to make for `items` and that are not paid yet."""
        asker, technique = self.asker(task), self._technique
        variants, _ = task_type(task.annotation_type).samples(technique.agree, technique.samples)
        prepared = []
        for variant in range(variants):
            questions = {
                item.item_id: self._for_variant(task, await self.question(task, item), variant) for item in items
            }
            unpaid = [item for item in items if not await asker.is_paid(questions[item.item_id], variant)]
            for pack in packs(unpaid, technique.items_per_request):
                asked = [questions[item.item_id] for item in pack]
                prepared.append(asker.prepare(asked, variant=variant))
        return prepared

    async def quote(
        self, task: Task, items: Sequence[ItemToAnnotate], *, sample: int = 20, seed: int = 0, batch: bool = False
    ) -> Quote:
        """What `annotate` would cost, without asking anything that costs; see `Quote`."""
        quoter = Quoter(
            task=task,
            technique=self._technique,
            asker=self.asker(task),
            endpoint=self._endpoint,
            price=self._price,
            ask=self.question,
        )
        return await quoter.quote(items, sample=sample, seed=seed, batch=batch)

    async def check(self) -> None:
        """Ask one trivial question; raises `AnnotatorStopped` or `Unavailable` when the answer does not fit."""
        self.models.record(await probe(self._caller, self._settings))
        self.models.check()

    async def close(self) -> None:
        """Close the endpoint's connections."""
        await self._endpoint.close()

    async def _work(
        self, task: Task, waiting: Iterator[list[ItemToAnnotate]]
    ) -> AsyncGenerator[tuple[ItemToAnnotate, Answer]]:
        shift = _Shift(self, task, waiting, self._conduct)
        everything = asyncio.create_task(shift.run())
        try:
            while (result := await shift.results.get()) is not None:
                yield result
            await everything
        finally:
            everything.cancel()
            with suppress(asyncio.CancelledError):
                await everything
        if shift.stopped is not None:
            raise shift.stopped

    async def answer_pack(
        self, task: Task, asker: ModelAsker, pack: Sequence[ItemToAnnotate]
    ) -> AsyncGenerator[tuple[ItemToAnnotate, Answer]]:
        """Yield the answer of each item of a pack as soon as no further sample of it is needed.

        When the annotator has to stop in between, items with a usable sample are still yielded.
        """
        questions = await self._questions(task, pack)
        samples: dict[str, list[Sample]] = {question.item.item_id: [] for question in questions}
        variant = 0
        try:
            while questions:
                undecided = []
                async with aclosing(asker.samples(questions, variant=variant)) as taking:
                    async for question, sample in taking:
                        taken = samples[question.item.item_id]
                        taken.append(sample)
                        if self._enough(task, taken):
                            yield question.item, await self._answer(task, asker, question.item, taken)
                            del samples[question.item.item_id]
                        else:
                            undecided.append(question)
                variant += 1
                questions = [self._for_variant(task, question, variant) for question in undecided]
        except (BudgetExhausted, AnnotatorStopped):
            one_order_says_nothing = task_type(task.annotation_type).both_orders
            for item in pack:
                if _usable(samples.get(item.item_id, ())) and not one_order_says_nothing:
                    yield item, await self._answer(task, asker, item, samples[item.item_id])
            raise

    def _enough(self, task: Task, taken: Sequence[Sample]) -> bool:
        drafts = [sample.draft for sample in taken]
        return task_type(task.annotation_type).enough(drafts, self._technique.agree, self._technique.samples)

    def _for_variant(self, task: Task, question: Question, variant: int) -> Question:
        both_orders = task_type(task.annotation_type).both_orders
        return replace(question, swapped=both_orders and variant == _SECOND_VARIANT)

    async def question(self, task: Task, item: ItemToAnnotate) -> Question:
        """An item with what the technique wants looked up for it."""
        lookups, technique = self._lookups, self._technique
        question = Question(item)
        if technique.retrieval is not Retrieval.NONE and lookups.demonstrations is not None:
            nearest = technique.retrieval is Retrieval.NEAREST
            source = lookups.demonstrations.nearest if nearest else lookups.demonstrations.nearest_per_label
            question = replace(question, demonstrations=tuple(await source(item, technique.shots)))
        if 0 < technique.preselected_labels < len(task.labels) and lookups.label_similarity is not None:
            closest = await lookups.label_similarity.closest_labels(
                item, task.label_names, technique.preselected_labels
            )
            return replace(question, labels=tuple(closest))
        return replace(question, labels=task.label_names) if technique.preselected_labels else question

    async def _questions(self, task: Task, pack: Sequence[ItemToAnnotate]) -> list[Question]:
        try:
            return [await self.question(task, item) for item in pack]
        except (FailedPrecondition, Unavailable) as error:
            raise _NotAskedError(error) from error

    async def _answer(self, task: Task, asker: ModelAsker, item: ItemToAnnotate, taken: Sequence[Sample]) -> Answer:
        verdict = task_type(task.annotation_type).combine([sample.draft for sample in taken])
        signals = await self._signals(item, verdict)
        confidence, kind = self._confidence(signals)
        draft = verdict.draft
        return Answer(
            outcome=draft.outcome,
            provenance=self._provenance(task, asker, taken),
            body=draft.body,
            candidates=draft.candidates or draft.distribution,
            rationale=draft.rationale,
            confidence=confidence,
            confidence_kind=kind,
            signals=signals,
            detail=draft.detail,
        )

    async def _signals(self, item: ItemToAnnotate, verdict: CombinedDraft) -> Mapping[str, float]:
        draft = verdict.draft
        if draft.body is None:
            return {}
        signals: dict[str, float] = {}
        if draft.probability is not None:
            signals["verbalised"] = draft.probability
        for candidate in draft.distribution:
            if draft.body == Label(candidate.label):
                signals["logprob"] = candidate.probability
        if verdict.agreement is not None:
            signals["agreement"] = verdict.agreement
        for source in self._lookups.signals:
            signals |= await source.signals(item, draft.body)
        return signals

    def _confidence(self, signals: Mapping[str, float]) -> tuple[float | None, ConfidenceKind]:
        if not signals:
            return None, ConfidenceKind.NONE
        if self._lookups.confidence is not None:
            calibrated = self._lookups.confidence.probability(signals)
            if calibrated is not None:
                return calibrated, ConfidenceKind.CALIBRATED
        return sum(signals.values()) / len(signals), ConfidenceKind.UNCALIBRATED

    def _provenance(self, task: Task, asker: ModelAsker, taken: Sequence[Sample]) -> Provenance:
        usage, cost = Usage(), Cost()
        for sample in taken:
            usage, cost = usage + sample.usage, cost + sample.cost
        last = taken[-1]
        return Provenance(
            annotator=self._name,
            requested_model=self._settings.model,
            answered_model=last.model,
            prompt_hash=asker.prompt_hash,
            schema_hash=asker.schema_hash,
            guidelines_hash=task.guidelines.digest,
            api_version=self._endpoint.api_version,
            request_id=last.request_id,
            usage=usage,
            cost=cost,
            latency_ms=sum(sample.latency_ms for sample in taken),
            answer_key=last.key,
            sample=len(taken) - 1,
        )


class _NotAskedError(Exception):
    """What a question is made of cannot be had, for no item: nothing was asked."""

    def __init__(self, why: DomainError) -> None:
        super().__init__(str(why))
        self.why = why


class _Shift:
    """The workers of one `annotate` call; the first reason to stop ends the shift for all."""

    def __init__(
        self, annotator: LlmAnnotator, task: Task, waiting: Iterator[list[ItemToAnnotate]], conduct: Conduct
    ) -> None:
        # Bounded, so that a slow reader slows the asking instead of filling the memory.
        self.results: asyncio.Queue[tuple[ItemToAnnotate, Answer] | None] = asyncio.Queue(4 * conduct.concurrency)
        self.stopped: DomainError | None = None
        self._annotator = annotator
        self._task = task
        self._waiting = waiting
        self._workers = conduct.concurrency
        self._asker = annotator.asker(task)

    async def run(self) -> None:
        """Let all workers work; None in `results` says that there are no more."""
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(self._workers):
                    group.create_task(self._work())
        except asyncio.CancelledError:
            raise  # The reader has gone: a full queue would never empty.
        except BaseException:
            await self.results.put(None)
            raise
        await self.results.put(None)

    async def _work(self) -> None:
        for pack in self._waiting:
            if self.stopped is not None:
                return
            missing = {item.item_id: item for item in pack}
            try:
                async with aclosing(self._annotator.answer_pack(self._task, self._asker, pack)) as answers:
                    async for item, answer in answers:
                        await self._give(missing.pop(item.item_id), answer)
            except (BudgetExhausted, AnnotatorStopped) as reason:
                self.stopped = self.stopped or reason
            except _NotAskedError as not_asked:
                self.stopped = self.stopped or not_asked.why
            except Exception as error:  # noqa: BLE001  (whatever breaks concerns these items and no others)
                _log.exception("items_failed", annotator=self._annotator.name, items=len(missing))
                for item in missing.values():
                    await self._give(item, self._annotator.failed(self._task, error))
            try:
                self._annotator.breaker.check()
                self._annotator.models.check()
            except AnnotatorStopped as reason:
                self.stopped = self.stopped or reason

    async def _give(self, item: ItemToAnnotate, answer: Answer) -> None:
        self._annotator.breaker.record(answer.outcome, answer.detail)
        self._annotator.models.record(answer.provenance.answered_model)
        await self.results.put((item, answer))


def _usable(taken: Sequence[Sample]) -> bool:
    return any(sample.draft.outcome.reaches_learner for sample in taken)


def _free_copy(answer: Answer) -> Answer:
    return replace(answer, provenance=replace(answer.provenance, usage=Usage(), cost=Cost()))
