"""Builds LLM annotators out of the operator's settings and a run's options."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from nextlabel.server.annotators.endpoints.anthropic import AnthropicConnection as AnthropicEndpointSettings
from nextlabel.server.annotators.endpoints.anthropic import AnthropicEndpoint
from nextlabel.server.annotators.endpoints.openai import OpenAiConnection, OpenAiEndpoint
from nextlabel.server.annotators.llm.annotator import Conduct, LlmAnnotator, Lookups
from nextlabel.server.annotators.llm.asking import ModelSettings
from nextlabel.server.annotators.llm.label_scores import BatchCalibratedAnnotator
from nextlabel.server.annotators.llm.message_batches import MessageBatchAnnotator
from nextlabel.server.annotators.paid_calls.metering import MeteredCaller
from nextlabel.server.annotators.paid_calls.pricing import Price, load_prices
from nextlabel.server.annotators.paid_calls.retry import RetryPolicy
from nextlabel.server.annotators.paid_calls.throttle import Throttle
from nextlabel.server.annotators.prompting.marking import Marking
from nextlabel.server.annotators.prompting.redaction import RedactingAnnotator
from nextlabel.server.annotators.prompting.technique import Retrieval, Technique
from nextlabel.server.assessment.canaries import canary_share
from nextlabel.server.ports.annotators import Annotator
from nextlabel.server.ports.paid_calls import Ledger, MessageBatchJournal
from nextlabel.server.settings import AnnotatorSettings
from nextlabel.server.system.clock import SystemClock
from nextlabel.server.values.errors import FailedPrecondition, InvalidArgument
from nextlabel.server.values.runs import AnnotatorChoice

ANNOTATION_LINE = "annotation"
_CANDIDATES = 3
_MOST_CANARIES = 0.5
_MARKINGS = {f"DATA_MARKING_{marking.name}": marking for marking in Marking}
_RETRIEVALS = {"nearest": Retrieval.NEAREST, "label_diverse": Retrieval.LABEL_DIVERSE}


@dataclass(frozen=True, slots=True)
class LlmStack:
    """An LLM annotator: ``annotator`` with batches and redaction around ``llm``, which can quote."""

    annotator: Annotator
    llm: LlmAnnotator


@dataclass(frozen=True, slots=True)
class LlmOptions:
    """A run's options for an LLM annotator, as the API names them."""

    choice: AnnotatorChoice

    @property
    def model(self) -> str:
        """The model to ask."""
        return str(self.choice.options.get("model", ""))

    @property
    def prompt(self) -> Mapping[str, Any]:
        """Prompting options."""
        prompt: Mapping[str, Any] = self.choice.options.get("prompt", {})
        return prompt

    @property
    def batches(self) -> bool:
        """Whether answers are bought in message batches."""
        return bool(self.prompt.get("message_batches", False))

    @property
    def redact(self) -> bool:
        """Whether personal data is replaced by placeholders before anything is sent."""
        return bool(self.prompt.get("redact", False))

    def flag(self, name: str) -> bool:
        """Return a switch of the annotator kind."""
        return bool(self.choice.options.get(name, False))

    def technique(self) -> Technique:
        """Return the prompting technique; InvalidArgument when an option is out of range."""
        prompt = self.prompt
        retrieval = _RETRIEVALS.get(str(prompt.get("demonstration_selection", "")), Retrieval.NONE)
        return Technique(
            retrieval=retrieval,
            shots=int(prompt.get("demonstration_count", 0)) if retrieval is not Retrieval.NONE else 0,
            justification=bool(prompt.get("rationale", False)),
            verbalised=not self.flag("log_probabilities"),
            candidates=_CANDIDATES if prompt.get("candidates") else 0,
            samples=int(prompt.get("variants") or 1),
            items_per_request=int(prompt.get("items_per_request") or 1),
            preselected_labels=int(prompt.get("preselected_labels") or 0),
            template=prompt.get("template") or None,
            marking=_MARKINGS.get(str(prompt.get("data_marking", "")), Marking.DELIMITERS),
        )


def check_llm(choice: AnnotatorChoice, settings: AnnotatorSettings, path: str = "") -> None:
    """Check an LLM's options before anything is asked; ``path`` is the field they are in, by default a run's.

    Raises:
        InvalidArgument: an option is missing or out of range, the model has no price, or the host is not allowed.
        FailedPrecondition: the operator has not configured the endpoint.
    """
    options = LlmOptions(choice)
    path = path or f"spec.annotator.{choice.kind}"
    if not options.model:
        raise InvalidArgument.field(f"{path}.model", "name the model to ask")
    price_of(options.model, settings, f"{path}.model")
    options.technique()
    if not 0.0 <= canary_share(choice) <= _MOST_CANARIES:
        raise InvalidArgument.field(
            f"{path}.prompt.canary_share", f"from 0 to {_MOST_CANARIES}, got {canary_share(choice):g}"
        )
    if choice.kind == "anthropic":
        _anthropic_key(settings)
    elif options.batches:
        raise InvalidArgument.field(f"{path}.prompt.message_batches", "only the Anthropic API has message batches")
    _base_url(choice, settings)


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

    def to(self, model: str, price: Price) -> LlmConnection:
        """Return the connection to another model behind the same endpoint, whose connections it shares."""
        asked = replace(self.model, model=model, thinking_tokens=price.thinking_tokens)
        return replace(self, model=asked, price=price)

    def caller(self, line: str) -> MeteredCaller:
        """Return who asks single questions on a budget line."""
        clock = SystemClock()
        return MeteredCaller(
            endpoint=self.endpoint,
            ledger=self.ledger,
            price=self.price,
            throttle=Throttle(clock),
            policy=RetryPolicy(),
            clock=clock,
            rng=random.Random(0),  # noqa: S311
            line=line,
        )

    def stack(
        self, lookups: Lookups, *, line: str = ANNOTATION_LINE, journal: MessageBatchJournal | None = None
    ) -> LlmStack:
        """Return the annotator on a budget line; message batches need a ``journal``."""
        prompt = self.options.prompt
        llm = LlmAnnotator(
            name=self.options.choice.name,
            endpoint=self.endpoint,
            settings=self.model,
            price=self.price,
            ledger=self.ledger,
            technique=self.options.technique(),
            conduct=Conduct(concurrency=int(prompt.get("max_concurrency") or Conduct().concurrency), line=line),
            lookups=lookups,
            clock=SystemClock(),
            rng=random.Random(0),  # noqa: S311
        )
        annotator: Annotator = llm
        if journal is not None and self.options.batches and isinstance(self.endpoint, AnthropicEndpoint):
            annotator = MessageBatchAnnotator(
                annotator=llm, endpoint=self.endpoint, ledger=self.ledger, journal=journal, price=self.price, line=line
            )
        if self.options.flag("batch_calibration"):
            annotator = BatchCalibratedAnnotator(annotator)
        if self.options.redact:
            annotator = RedactingAnnotator(annotator)
        return LlmStack(annotator, llm)


def connect(choice: AnnotatorChoice, settings: AnnotatorSettings, ledger: Ledger) -> LlmConnection:
    """Connect to the model of a choice that :func:`check_llm` has passed. Call it within a running event loop."""
    options = LlmOptions(choice)
    base_url = _base_url(choice, settings)
    endpoint: AnthropicEndpoint | OpenAiEndpoint
    if choice.kind == "anthropic":
        endpoint = AnthropicEndpoint(AnthropicEndpointSettings(_anthropic_key(settings), base_url))
    else:
        key = settings.openai_compatible.api_key
        secret = key.get_secret_value() if key else ""
        logprobs, top = options.flag("log_probabilities"), settings.openai_compatible.top_logprobs
        endpoint = OpenAiEndpoint(OpenAiConnection(base_url, secret, logprobs=logprobs, top_logprobs=top))
    price = load_prices(settings.prices).price_of(options.model)
    model = ModelSettings(
        options.model,
        answer_tokens=int(options.prompt.get("max_output_tokens") or ModelSettings("").answer_tokens),
        thinking_tokens=price.thinking_tokens,
        effort=options.prompt.get("effort") or None,
    )
    return LlmConnection(options, endpoint, model, price, ledger)


def _base_url(choice: AnnotatorChoice, settings: AnnotatorSettings) -> str:
    """Return the URL to ask; keys and texts are sent only to hosts that the operator has named."""
    configured = (settings.anthropic if choice.kind == "anthropic" else settings.openai_compatible).base_url
    wanted = str(choice.options.get("base_url") or configured or "")
    path = f"spec.annotator.{choice.kind}.base_url"
    if not wanted:
        raise FailedPrecondition(
            "the server knows no OpenAI-compatible endpoint; set annotators.openai_compatible.base_url",
            reason="NO_ENDPOINT",
        )
    allowed = {urlsplit(configured).hostname if configured else None, *settings.allowed_hosts}
    if urlsplit(wanted).hostname not in allowed:
        raise InvalidArgument.field(
            path, "this host is not allowed; the operator names hosts in the setting annotators.allowed_hosts"
        )
    return wanted


def _anthropic_key(settings: AnnotatorSettings) -> str:
    if settings.anthropic.api_key is None:
        raise FailedPrecondition(
            "the server has no key for the Anthropic API; set ANTHROPIC_API_KEY where it is started",
            reason="NO_API_KEY",
        )
    return settings.anthropic.api_key.get_secret_value()
