"""Who labels, chosen in a few words: a run's annotator, and what a server needs to ask it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from nextlabel.client.literals import AnnotationTypeName
from nextlabel.server.annotators.endpoints.local_llm import MODEL_VARIABLE
from nextlabel.server.values.errors import InvalidArgument

if TYPE_CHECKING:
    from nextlabel.v1.run_service_pb2 import AnnotatorSpec


_TOKENS_OF_A_CLASS = 32
_TOKENS_BESIDE_CLASSES = 64

_TOO_SMALL = (
    "the packaged local model is very small, and its answers about several classes or scores are of no use; "
    f"label yourself, have a larger LLM label, or name one as a GGUF file in {MODEL_VARIABLE}"
)


class Choice(StrEnum):
    """Who labels."""

    HUMAN = "human"
    ANTHROPIC = "anthropic"
    OPENAI_COMPATIBLE = "openai-compatible"
    LOCAL = "local"


@dataclass(frozen=True, slots=True)
class ChosenAnnotator:
    """An annotator, and the settings of the OpenAI-compatible endpoint that it is asked at, none for another."""

    spec: AnnotatorSpec
    endpoint: Mapping[str, str | int] = field(default_factory=dict)


def option(name: str) -> str:
    """Return an argument as the command line writes it.

    >>> option("budget_usd")
    '--budget-usd'
    """
    return f"--{name.replace('_', '-')}"


def chosen(
    stack: ExitStack,
    choice: Choice,
    *,
    model: str,
    base_url: str,
    budget_usd: float | None,
    named: Callable[[str], str] = option,
    annotation_type: AnnotationTypeName = "single_label",
    classes: int = 0,
) -> ChosenAnnotator:
    """Return the annotator; a model on this machine runs until ``stack`` is closed.

    Args:
        named: how errors write the name of an argument.
        annotation_type: what the items are asked for.
        classes: how many there are.

    Raises:
        InvalidArgument: a model or a budget is needed and not there, or the packaged model is asked for what it cannot.
        FailedPrecondition: there is no model on this machine.
    """
    from nextlabel.client.specs import anthropic, human, openai_compatible

    if choice is Choice.HUMAN:
        return ChosenAnnotator(human())
    if choice is Choice.LOCAL:
        if annotation_type != "single_label" and not os.environ.get(MODEL_VARIABLE):
            raise InvalidArgument.field(named("annotator"), _TOO_SMALL)
        return _local(stack, annotation_type, classes)
    if not model:
        raise InvalidArgument.field(named("model"), "name the model that is to label")
    if choice is Choice.ANTHROPIC:
        if budget_usd is None:
            raise InvalidArgument.field(named("budget_usd"), "say how many dollars may be spent, such as 2")
        return ChosenAnnotator(anthropic(model))
    return ChosenAnnotator(openai_compatible(model), {"base_url": base_url} if base_url else {})


def _local(stack: ExitStack, annotation_type: AnnotationTypeName, classes: int) -> ChosenAnnotator:
    from nextlabel.client.specs import local
    from nextlabel.server.annotators.endpoints.local_llm import LocalLlm, LocalLlmSettings
    from nextlabel.v1.run_service_pb2 import PromptOptions

    llm = LocalLlm(LocalLlmSettings(context_tokens=2_048))
    stack.callback(llm.close)
    if annotation_type == "single_label":
        return ChosenAnnotator(local(llm.model), llm.endpoint)
    spec = local(
        llm.model, prompt=PromptOptions(max_output_tokens=_TOKENS_BESIDE_CLASSES + _TOKENS_OF_A_CLASS * classes)
    )
    # The probabilities of tokens say something of one class only, and are megabytes for a longer answer.
    spec.openai_compatible.log_probabilities = False
    return ChosenAnnotator(spec, llm.endpoint)
