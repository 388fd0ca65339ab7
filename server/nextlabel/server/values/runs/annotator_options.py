"""Who answers in a run, and the options that each kind of annotator takes.

Options are checked where what they need is known: see `wiring/annotators/`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import ClassVar


class DemonstrationSelection(StrEnum):
    """How demonstrations for a prompt are found."""

    NONE = "none"
    FIXED = "fixed"
    NEAREST = "nearest"
    LABEL_DIVERSE = "label_diverse"


class Marking(StrEnum):
    """How data is marked: fenced by a random code, fenced and every space replaced by a mark, or as a JSON string.

    A JSON string cannot be closed from inside, since its quotes are escaped. It takes the fewest tokens, and very small
    models, whom codes confuse, read it best.
    """

    DELIMITERS = "delimiters"
    DATAMARKING = "datamarking"
    QUOTED = "quoted"


@dataclass(frozen=True, slots=True)
class PromptOptions:
    """How an LLM is asked. Counts of 0 and empty strings take the server's default.

    Attributes:
        demonstration_count: demonstrations in a prompt, where they are selected at all.
        rationale: ask for a short justification after the label; with `rationale_first` before it.
        variants: prompt variants asked at most for self-consistency.
        candidates: ask for several labels with probabilities.
        preselected_labels: classes shown of a large label space; 0 for all.
        redact: replace personal data by placeholders before anything is sent.
        max_output_tokens: most output tokens of the answer about one item.
        effort: what the model is asked for, where it knows such a setting.
        canary_share: canaries per item asked, in [0, 0.5].
        texts: candidate texts written of an item.
        refine_rounds: most rounds in which a text is criticised and written anew.
        critic: the model that criticises, '' for the one that writes.
    """

    demonstration_selection: DemonstrationSelection = DemonstrationSelection.NONE
    demonstration_count: int = 0
    rationale: bool = False
    variants: int = 0
    items_per_request: int = 0
    candidates: bool = False
    preselected_labels: int = 0
    message_batches: bool = False
    redact: bool = False
    max_output_tokens: int = 0
    effort: str = ""
    template: str = ""
    max_concurrency: int = 0
    canary_share: float = 0.0
    data_marking: Marking = Marking.DELIMITERS
    texts: int = 0
    refine_rounds: int = 0
    critic: str = ""
    rationale_first: bool = False


@dataclass(frozen=True, slots=True)
class ReplayOptions:
    """Known labels, a share ``noise`` of them replaced by wrong ones; ``trusted`` by default when there is no noise."""

    kind: ClassVar[str] = "replay"

    label_set: str = ""
    noise: float = 0.0
    trusted: bool | None = None
    name: str = ""


@dataclass(frozen=True, slots=True)
class HumanOptions:
    """People, who lease the items; only ``annotator`` where one is named."""

    kind: ClassVar[str] = "human"

    annotator: str = ""
    name: str = ""

    def is_for(self, annotator: str) -> bool:
        """Whether an annotator is asked; anyone is where none is named.

        >>> HumanOptions("ann").is_for("bob"), HumanOptions().is_for("bob")
        (False, True)
        """
        return self.annotator in ("", annotator)


@dataclass(frozen=True, slots=True)
class LearnerOptions:
    """The learner itself; below ``min_probability`` it gives no answer."""

    kind: ClassVar[str] = "learner"

    min_probability: float = 0.0
    name: str = ""


@dataclass(frozen=True, slots=True)
class LlmOptions:
    """An LLM: an empty ``base_url`` is the one of the server's settings."""

    kind: ClassVar[str]

    model: str = ""
    base_url: str = ""
    prompt: PromptOptions = field(default_factory=PromptOptions)
    name: str = ""

    @property
    def annotator_name(self) -> str:
        """The name of the annotator in annotations: the one it was given, or one made of kind and model."""
        return self.name or f"{self.kind}:{self.model}"


@dataclass(frozen=True, slots=True)
class AnthropicOptions(LlmOptions):
    """An LLM behind the Anthropic Messages API."""

    kind: ClassVar[str] = "anthropic"


@dataclass(frozen=True, slots=True)
class OpenaiCompatibleOptions(LlmOptions):
    """An LLM behind a server compatible with the OpenAI chat completions API, or its typed decisions."""

    kind: ClassVar[str] = "openai_compatible"

    log_probabilities: bool = False
    batch_calibration: bool = False
    decisions: bool = False


AskedInTurn = ReplayOptions | AnthropicOptions | OpenaiCompatibleOptions


@dataclass(frozen=True, slots=True)
class RouteMember:
    """One of several annotators that are asked in turn; 0 micro-dollars for what its answers cost."""

    annotator: AskedInTurn
    micro_usd: int = 0


@dataclass(frozen=True, slots=True)
class RouteOptions:
    """Annotators in turn, as a plan of routes says, and people where a label of theirs has a price."""

    kind: ClassVar[str] = "route"

    members: tuple[RouteMember, ...] = ()
    person_micro_usd: int = 0
    name: str = ""


AnnotatorChoice = (
    ReplayOptions | HumanOptions | LearnerOptions | AnthropicOptions | OpenaiCompatibleOptions | RouteOptions
)
"""Which annotator a run uses."""


def members_of(options: AnnotatorChoice) -> tuple[AnnotatorChoice, ...]:
    """Return whom a run asks by itself: the annotator, or those that it asks in turn."""
    return tuple(m.annotator for m in options.members) if isinstance(options, RouteOptions) else (options,)


def people_asked(options: AnnotatorChoice) -> HumanOptions | None:
    """Return which people a run has lease items, those of a route after all others; None for none."""
    if isinstance(options, RouteOptions):
        return HumanOptions() if options.person_micro_usd else None
    return options if isinstance(options, HumanOptions) else None


def annotator_name(options: AnnotatorChoice) -> str:
    """Return the name that an annotator has in annotations, '' for people, who have their own."""
    match options:
        case LlmOptions():
            return options.annotator_name
        case ReplayOptions():
            return options.name or f"{options.kind}:{options.label_set}"
        case _:
            return ""


def asked_alike(one: AnnotatorChoice, other: AnnotatorChoice) -> bool:
    """Return whether two annotators get the same questions: what is asked, and of whom, not how many at a time.

    >>> haiku = AnthropicOptions("haiku", name="mine")
    >>> asked_alike(haiku, AnthropicOptions("haiku", prompt=PromptOptions(max_concurrency=4)))
    True
    >>> asked_alike(haiku, AnthropicOptions("sonnet", name="mine"))
    False
    """
    if not isinstance(one, LlmOptions) or not isinstance(other, LlmOptions):
        return one == other
    return _question_of(one) == _question_of(other)


def _question_of(options: LlmOptions) -> LlmOptions:
    prompt = replace(options.prompt, max_concurrency=0, canary_share=0.0, message_batches=False, texts=0)
    return replace(options, name="", prompt=prompt)


def candidate_name(annotator: str, number: int) -> str:
    """Return the name under which an annotator's candidate text of a number, from 1, is kept.

    Each candidate has an annotator of its own, so that one annotator still gives one answer about an item.

    >>> candidate_name("claude", 1), candidate_name("claude", 2)
    ('claude', 'claude#2')
    """
    return annotator if number == 1 else f"{annotator}#{number}"


def texts_an_item(options: AnnotatorChoice | LlmOptions) -> int:
    """Return how many candidate texts an annotator writes of an item: how many annotations, and labels, it buys."""
    return max(1, options.prompt.texts) if isinstance(options, LlmOptions) else 1


def canary_share(options: AnnotatorChoice) -> float:
    """Return the canaries per item that an annotator is to be given, 0 for those that are no LLM."""
    return options.prompt.canary_share if isinstance(options, LlmOptions) else 0.0


def shows_labels(options: AnnotatorChoice) -> bool:
    """Return whether an annotator is shown labeled items of the pool."""
    return isinstance(options, LlmOptions) and options.prompt.demonstration_selection is not DemonstrationSelection.NONE
