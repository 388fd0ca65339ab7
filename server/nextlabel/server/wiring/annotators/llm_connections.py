"""Builds LLM annotators out of the operator's settings and a run's options."""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace

from nextlabel.server.annotators.candidate_texts import CandidateTexts
from nextlabel.server.annotators.endpoints.anthropic import AnthropicConnection, AnthropicEndpoint
from nextlabel.server.annotators.endpoints.decisions import DecisionEndpoint
from nextlabel.server.annotators.endpoints.openai import OpenAiConnection, OpenAiEndpoint
from nextlabel.server.annotators.llm.annotator import Conduct, LlmAnnotator, Lookups
from nextlabel.server.annotators.llm.asking import ModelSettings
from nextlabel.server.annotators.llm.label_scores import BatchCalibratedAnnotator
from nextlabel.server.annotators.llm.message_batches import MessageBatchAnnotator
from nextlabel.server.annotators.llm.quoting import Quote
from nextlabel.server.annotators.llm.refinement_quotes import Refinement
from nextlabel.server.annotators.llm.text_critic import TextCritic
from nextlabel.server.annotators.paid_calls.accounts import Account, Accounts
from nextlabel.server.annotators.paid_calls.message_batch_calls import MessageBatchCalls
from nextlabel.server.annotators.paid_calls.metering import MeteredCaller
from nextlabel.server.annotators.paid_calls.pricing import Price, load_prices
from nextlabel.server.annotators.paid_calls.retry import Manners
from nextlabel.server.annotators.prompting.fixed_demonstrations import DemonstratingAnnotator, FixedDemonstrations
from nextlabel.server.annotators.prompting.redaction import (
    RedactedDemonstrations,
    RedactingAnnotator,
    Redactor,
    redacted_task,
)
from nextlabel.server.annotators.prompting.technique import MOST_SHOTS, Retrieval, Technique
from nextlabel.server.annotators.refining import RefiningAnnotator
from nextlabel.server.annotators.settings import AnnotatorSettings
from nextlabel.server.ports.annotators import Annotator
from nextlabel.server.ports.paid_calls import Ledger, MessageBatchJournal
from nextlabel.server.system.halt import Halt, Halts
from nextlabel.server.values.errors import InvalidArgument
from nextlabel.server.values.labeling.tasks import ItemToAnnotate, Task
from nextlabel.server.values.runs.annotator_options import (
    AnthropicOptions,
    DemonstrationSelection,
    LlmOptions,
    OpenaiCompatibleOptions,
    candidate_name,
    texts_an_item,
)
from nextlabel.server.wiring.destinations import Destination, destination

ANNOTATION_LINE = "annotation"
_CANDIDATES = 3
_MOST_CANARIES = 0.5
_MOST_OUTPUT_TOKENS = 100_000
_MOST_CONCURRENCY = 1_000
_MOST_TEXTS = 16
_MOST_ROUNDS = 5
_CRITICISED_FOR_QUOTES = 5
_EFFORT = re.compile(r"[a-z_]{0,32}")
_OPTIONS = {"shots": "demonstration_count", "samples": "variants", "justification": "rationale"}
"""What the API calls the parts of a technique that have another name there."""
_RETRIEVALS = {
    DemonstrationSelection.NEAREST: Retrieval.NEAREST,
    DemonstrationSelection.LABEL_DIVERSE: Retrieval.LABEL_DIVERSE,
}


@dataclass(frozen=True, slots=True)
class LlmStack:
    """An LLM annotator: ``annotator`` with all that is around ``llm``, which can quote."""

    annotator: Annotator
    llm: LlmAnnotator
    fixed: FixedDemonstrations | None
    redact: bool
    refinement: Refinement | None = None

    async def quote(self, task: Task, items: Sequence[ItemToAnnotate], *, sample: int, seed: int, batch: bool) -> Quote:
        """Quote what ``annotator`` would cost; what is counted by the endpoint is redacted like what is asked."""
        if self.fixed is not None:
            task = await self.fixed.added_to(task)
        if self.redact:
            task, items = redacted_task(task), [Redactor().item(item) for item in items]
        written = await self.llm.quote(task, items, sample=sample, seed=seed, batch=batch)
        if self.refinement is None:
            return written
        return await self.refinement.added_to(written, task, items[:_CRITICISED_FOR_QUOTES])


def technique_of(options: LlmOptions) -> Technique:
    """Return the prompting technique that options describe; InvalidArgument when one is out of range."""
    prompt = options.prompt
    retrieval = _RETRIEVALS.get(prompt.demonstration_selection, Retrieval.NONE)
    return Technique(
        retrieval=retrieval,
        shots=prompt.demonstration_count if retrieval is not Retrieval.NONE else 0,
        justification=prompt.rationale,
        reason_first=prompt.rationale_first,
        verbalised=not (isinstance(options, OpenaiCompatibleOptions) and _gives_probabilities(options)),
        candidates=_CANDIDATES if prompt.candidates else 0,
        samples=prompt.variants or 1,
        items_per_request=prompt.items_per_request or 1,
        preselected_labels=prompt.preselected_labels,
        template=prompt.template or None,
        marking=prompt.data_marking,
    )


def check_llm(options: LlmOptions, settings: AnnotatorSettings, path: str = "") -> None:
    """Check an LLM's options before anything is asked; ``path`` is the field they are in, by default a run's.

    Raises:
        InvalidArgument: an option is missing or out of range, the model has no price, or its URL is not allowed.
        FailedPrecondition: the operator has not configured the endpoint.
    """
    path = path or f"spec.annotator.{options.kind}"
    if not options.model:
        raise InvalidArgument.field(f"{path}.model", "name the model to ask")
    price_of(options.model, settings, f"{path}.model")
    _check_prompt(options, f"{path}.prompt")
    if options.prompt.critic:
        price_of(options.prompt.critic, settings, f"{path}.prompt.critic")
    if not 0.0 <= options.prompt.canary_share <= _MOST_CANARIES:
        raise InvalidArgument.field(
            f"{path}.prompt.canary_share", f"from 0 to {_MOST_CANARIES}, got {options.prompt.canary_share:g}"
        )
    if options.prompt.message_batches and not isinstance(options, AnthropicOptions):
        raise InvalidArgument.field(f"{path}.prompt.message_batches", "only the Anthropic API has message batches")
    if isinstance(options, OpenaiCompatibleOptions) and options.decisions:
        _check_decisions(options, path)
    destination(options, settings, path)


def _check_prompt(options: LlmOptions, path: str) -> None:
    """Check how an LLM is asked; a violation names the option, by its name in the API."""
    violations = [
        (f"{path}.{name}", f"from 0 to {most}, got {given}; 0 is the server's default")
        for name, most in (
            ("max_output_tokens", _MOST_OUTPUT_TOKENS),
            ("max_concurrency", _MOST_CONCURRENCY),
            ("texts", _MOST_TEXTS),
            ("refine_rounds", _MOST_ROUNDS),
        )
        if not 0 <= (given := getattr(options.prompt, name)) <= most
    ]
    if not _EFFORT.fullmatch(options.prompt.effort):
        violations.append((f"{path}.effort", "must be a word such as low, medium or high"))
    selection, count = options.prompt.demonstration_selection, options.prompt.demonstration_count
    if (selection is DemonstrationSelection.NONE) != (count == 0):
        violations.append((f"{path}.demonstration_count", "is given exactly when demonstration_selection is"))
    if not 0 <= count <= MOST_SHOTS:
        violations.append((f"{path}.demonstration_count", f"from 0 to {MOST_SHOTS}, got {count}"))
    if options.prompt.critic and not options.prompt.refine_rounds:
        violations.append((f"{path}.critic", "criticises in rounds of refinement: set refine_rounds too"))
    if options.prompt.rationale_first and not options.prompt.rationale:
        violations.append((f"{path}.rationale_first", "says where the rationale stands: set rationale too"))
    if violations:
        raise InvalidArgument(violations)
    try:
        technique_of(options)
    except InvalidArgument as error:
        named = [(_option(violation.field, path), violation.description) for violation in error.violations]
        raise InvalidArgument(named, reason=error.reason) from error


def _gives_probabilities(options: OpenaiCompatibleOptions) -> bool:
    return options.log_probabilities or options.decisions


def _check_decisions(options: OpenaiCompatibleOptions, path: str) -> None:
    """Refuse what typed decisions cannot be asked for."""
    prompt = options.prompt
    said = {
        "log_probabilities": options.log_probabilities,
        "prompt.candidates": prompt.candidates,
        "prompt.rationale": prompt.rationale,
        "prompt.effort": bool(prompt.effort),
        "prompt.items_per_request": prompt.items_per_request > 1,
    }
    violations = [
        (
            f"{path}.{name}",
            "says nothing to decisions, which are typed answers about one item with probabilities of their own",
        )
        for name, given in said.items()
        if given
    ]
    if violations:
        raise InvalidArgument(violations)


def _option(field: str, path: str) -> str:
    name = field.removeprefix("technique.")
    return f"{path}.{_OPTIONS.get(name, name)}"


def price_of(model: str, settings: AnnotatorSettings, field: str) -> Price:
    """Return the price of a model that ``field`` names, or raise InvalidArgument when it has none."""
    try:
        return load_prices(settings.prices).price_of(model)
    except InvalidArgument as error:
        raise InvalidArgument(
            [(field, violation.description) for violation in error.violations], reason=error.reason
        ) from error


@dataclass(frozen=True, slots=True)
class LlmConnection:
    """A model behind its endpoint, with its price and the books that pay for it."""

    options: LlmOptions
    endpoint: AnthropicEndpoint | OpenAiEndpoint
    model: ModelSettings
    price: Price
    ledger: Ledger
    account: Account
    manners: Manners
    stop_at_other_model: bool = False
    critic: LlmConnection | None = None

    def to(self, model: str, price: Price) -> LlmConnection:
        """Return the connection to another model behind the same endpoint, whose connections it shares."""
        asked = replace(self.model, model=model, thinking_tokens=price.thinking_tokens)
        return replace(self, model=asked, price=price)

    def caller(self, line: str) -> MeteredCaller:
        """Return who asks single questions on a budget line."""
        return MeteredCaller(
            endpoint=self.endpoint,
            ledger=self.ledger,
            price=self.price,
            account=self.account,
            manners=self.manners,
            line=line,
        )

    def stack(
        self, lookups: Lookups, *, line: str = ANNOTATION_LINE, journal: MessageBatchJournal | None = None
    ) -> LlmStack:
        """Return the annotator on a budget line; message batches need a ``journal``."""
        first, *further = [
            self._writer(number, lookups, line, journal) for number in range(1, texts_an_item(self.options) + 1)
        ]
        if not further:
            return first
        return replace(first, annotator=CandidateTexts([first.annotator, *(writer.annotator for writer in further)]))

    def _writer(self, number: int, lookups: Lookups, line: str, journal: MessageBatchJournal | None) -> LlmStack:
        """Return who gives the answer of a number, from 1, of those that are wanted about each item."""
        prompt = self.options.prompt
        if prompt.redact and lookups.demonstrations is not None:
            lookups = replace(lookups, demonstrations=RedactedDemonstrations(lookups.demonstrations))
        llm = LlmAnnotator(
            name=candidate_name(self.options.annotator_name, number),
            endpoint=self.endpoint,
            settings=replace(self.model, sample=number - 1),
            price=self.price,
            ledger=self.ledger,
            technique=technique_of(self.options),
            conduct=Conduct(
                concurrency=prompt.max_concurrency or Conduct().concurrency,
                stop_at_other_model=self.stop_at_other_model,
                line=line,
            ),
            lookups=lookups,
            account=self.account,
            manners=self.manners,
        )
        annotator: Annotator = llm
        if journal is not None and prompt.message_batches and isinstance(self.endpoint, AnthropicEndpoint):
            annotator = MessageBatchAnnotator(
                annotator=llm,
                calls=MessageBatchCalls(self.endpoint, journal, self.account.throttle, self.manners),
                ledger=self.ledger,
                price=self.price,
                account=self.account,
                line=line,
            )
        if isinstance(self.options, OpenaiCompatibleOptions) and self.options.batch_calibration:
            annotator = BatchCalibratedAnnotator(annotator)
        fixed = None
        if prompt.demonstration_selection is DemonstrationSelection.FIXED and lookups.demonstrations is not None:
            fixed = FixedDemonstrations(lookups.demonstrations, prompt.demonstration_count)
            annotator = DemonstratingAnnotator(annotator, fixed)
        if prompt.refine_rounds:
            annotator = RefiningAnnotator(
                annotator,
                self.text_critic(line),
                rounds=prompt.refine_rounds,
                calls_at_a_time=prompt.max_concurrency or Conduct().concurrency,
            )
        if prompt.redact:
            annotator = RedactingAnnotator(annotator)
        return LlmStack(annotator, llm, fixed, prompt.redact, self._refinement(line))

    def _refinement(self, line: str) -> Refinement | None:
        rounds = self.options.prompt.refine_rounds
        if not rounds:
            return None
        return Refinement(self.endpoint, self.text_critic(line), self.price, rounds, self.model.text_tokens)

    def text_critic(self, line: str) -> TextCritic:
        """Return who criticises texts on a budget line."""
        by = self.critic or self
        return TextCritic(
            caller=by.caller(line),
            settings=replace(by.model, sample=0),
            price=by.price,
            new_code=lambda: secrets.token_hex(8),
            marking=self.options.prompt.data_marking,
        )


@dataclass(frozen=True, slots=True)
class LlmConnections:
    """Connects to models. Calls with one key to one server share its rate limits, calls of a run its halt."""

    settings: AnnotatorSettings
    accounts: Accounts
    halts: Halts

    def connect(self, options: LlmOptions, ledger: Ledger, run: str = "") -> LlmConnection:
        """Connect to the model of a choice that :func:`check_llm` has passed, within a running event loop.

        Calls end when ``run`` is halted; those outside of runs are not.
        """
        settings = self.settings
        to = destination(options, settings, f"spec.annotator.{options.kind}")
        price = load_prices(settings.prices).price_of(options.model)
        connection = LlmConnection(
            options=options,
            endpoint=_endpoint(options, settings, to),
            model=_model_settings(options, price),
            price=price,
            ledger=ledger,
            account=self.accounts.of(to.base_url, to.api_key),
            manners=Manners(halt=self.halts.of(run) if run else Halt()),
            stop_at_other_model=settings.other_model == "stop",
        )
        critic = options.prompt.critic
        if not critic:
            return connection
        return replace(connection, critic=connection.to(critic, load_prices(settings.prices).price_of(critic)))


def _endpoint(options: LlmOptions, settings: AnnotatorSettings, to: Destination) -> AnthropicEndpoint | OpenAiEndpoint:
    if isinstance(options, AnthropicOptions):
        return AnthropicEndpoint(AnthropicConnection(to.api_key, to.base_url, network=to.network))
    asks_decisions = isinstance(options, OpenaiCompatibleOptions) and options.decisions
    kind = DecisionEndpoint if asks_decisions else OpenAiEndpoint
    return kind(
        OpenAiConnection(
            to.base_url,
            to.api_key or "",
            logprobs=isinstance(options, OpenaiCompatibleOptions) and options.log_probabilities,
            top_logprobs=settings.openai_compatible.top_logprobs,
            network=to.network,
        )
    )


def _model_settings(options: LlmOptions, price: Price) -> ModelSettings:
    defaults, most = ModelSettings(options.model), options.prompt.max_output_tokens
    return replace(
        defaults,
        answer_tokens=most or defaults.answer_tokens,
        text_tokens=most or defaults.text_tokens,
        thinking_tokens=price.thinking_tokens,
        effort=options.prompt.effort or None,
    )
