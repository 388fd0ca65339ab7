"""What annotators are asked and what they answer: the values, free of any transport, storage or model.

An `Answer` is one annotator's word about one item and is never changed. Only the outcomes `label` and
`candidates` carry something a learner may see; every other outcome says why there is nothing.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class AnnotationType(StrEnum):
    """What kind of judgement a project asks for."""

    SINGLE_LABEL = "single_label"
    MULTI_LABEL = "multi_label"
    SCORE = "score"
    PREFERENCE = "preference"
    TEXT = "text"


class Outcome(StrEnum):
    """How asking an annotator about an item ended."""

    LABEL = "label"
    CANDIDATES = "candidates"
    REFUSED = "refused"
    TRUNCATED = "truncated"
    INVALID = "invalid"
    FAILED = "failed"

    @property
    def reaches_learner(self) -> bool:
        """True for the two outcomes that may become training data."""
        return self in (Outcome.LABEL, Outcome.CANDIDATES)


class ConfidenceKind(StrEnum):
    """What a confidence is worth. `CALIBRATED` only after a calibrator was fitted on gold."""

    NONE = "none"
    UNCALIBRATED = "uncalibrated"
    CALIBRATED = "calibrated"
    HUMAN = "human"


class Choice(StrEnum):
    """Which of two alternatives is better."""

    A = "a"
    B = "b"
    TIE = "tie"


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens and requests of one or more model calls, failed attempts included.

    `input_tokens` are those neither read from nor written to a prompt cache; the three input counts add up.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    requests: int = 0

    @property
    def tokens(self) -> int:
        """All tokens of the calls, in and out."""
        return self.input_tokens + self.output_tokens + self.cache_read_tokens + self.cache_write_tokens

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.cache_read_tokens + other.cache_read_tokens,
            self.cache_write_tokens + other.cache_write_tokens,
            self.requests + other.requests,
        )


@dataclass(frozen=True, slots=True)
class Cost:
    """An amount of each budget dimension: labels, tokens, and money in millionths of a US dollar."""

    labels: int = 0
    tokens: int = 0
    micro_usd: int = 0

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(self.labels + other.labels, self.tokens + other.tokens, self.micro_usd + other.micro_usd)

    def __sub__(self, other: "Cost") -> "Cost":
        return Cost(self.labels - other.labels, self.tokens - other.tokens, self.micro_usd - other.micro_usd)

    def fits(self, limit: "Cost") -> bool:
        """True when no dimension exceeds that of `limit`."""
        return self.labels <= limit.labels and self.tokens <= limit.tokens and self.micro_usd <= limit.micro_usd


@dataclass(frozen=True, slots=True)
class LabelDefinition:
    """One class of the label space. The description is what annotators read."""

    name: str
    description: str = ""


@dataclass(frozen=True, slots=True)
class Guidelines:
    """One version of the codebook."""

    text: str
    version: int = 1

    @property
    def digest(self) -> str:
        """SHA-256 of the text, hexadecimal; equal texts have equal digests whatever their version."""
        return hashlib.sha256(self.text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class ItemToAnnotate:
    """What an annotator may know about an item.

    `metadata` holds only fields that the project allows to be shown. `alternatives` are the two texts of a
    preference; `text` is then what they answer to. `embedding` is used to retrieve demonstrations, never sent.
    """

    item_id: str
    row: int
    text: str
    metadata: Mapping[str, str] = field(default_factory=dict)
    alternatives: tuple[str, str] | None = None
    embedding: tuple[float, ...] | None = None


@dataclass(frozen=True, slots=True)
class Label:
    """One class of the label space."""

    name: str


@dataclass(frozen=True, slots=True)
class MultiLabel:
    """Any number of classes, none included, in the order of the label space."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Score:
    """A number within the task's score range."""

    value: float


@dataclass(frozen=True, slots=True)
class Preference:
    """Which alternative of the item is better."""

    choice: Choice


@dataclass(frozen=True, slots=True)
class Text:
    """A written answer, such as the response to an instruction."""

    text: str


Body = Label | MultiLabel | Score | Preference | Text


@dataclass(frozen=True, slots=True)
class Candidate:
    """One of several labels an annotator holds possible; `probability` in [0, 1]."""

    label: str
    probability: float


@dataclass(frozen=True, slots=True)
class Demonstration:
    """An annotated example shown to a model. Never an item of the holdout or the gold set."""

    item_id: str
    text: str
    body: Body
    rationale: str = ""


@dataclass(frozen=True, slots=True)
class Task:
    """What is asked about each item.

    `score_range` bounds `Score` answers, both ends included. `demonstrations` are the fixed ones that every
    request shows; retrieved ones come from a `DemonstrationSource`.
    """

    annotation_type: AnnotationType
    labels: tuple[LabelDefinition, ...]
    guidelines: Guidelines
    demonstrations: tuple[Demonstration, ...] = ()
    score_range: tuple[float, float] = (0.0, 1.0)

    @property
    def label_names(self) -> tuple[str, ...]:
        """Names of the label space, in its order."""
        return tuple(label.name for label in self.labels)


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where an answer comes from and what it took.

    `answered_model` is what the endpoint says answered, which may differ from `requested_model` when that is an
    alias. Hashes are SHA-256, hexadecimal. `usage` and `cost` are the item's share of all calls made for it.
    `sample` counts the samples taken for the item (1 without self-consistency).
    """

    annotator: str
    requested_model: str = ""
    answered_model: str = ""
    prompt_hash: str = ""
    schema_hash: str = ""
    guidelines_hash: str = ""
    api_version: str = ""
    request_id: str = ""
    usage: Usage = Usage()
    cost: Cost = Cost()
    latency_ms: float = 0.0
    answer_key: str = ""
    sample: int = 1


@dataclass(frozen=True, slots=True)
class Answer:
    """One annotator's answer about one item.

    `body` is set for the outcome `label` and `candidates` (then the most probable candidate). `confidence` is in
    [0, 1] and None when the annotator gave none: it is never invented. `signals` are the measured parts it was
    made of. `detail` says why there is no label.
    """

    outcome: Outcome
    provenance: Provenance
    body: Body | None = None
    candidates: tuple[Candidate, ...] = ()
    rationale: str = ""
    feedback: str = ""
    confidence: float | None = None
    confidence_kind: ConfidenceKind = ConfidenceKind.NONE
    signals: Mapping[str, float] = field(default_factory=dict)
    detail: str = ""

    def __post_init__(self) -> None:
        if self.outcome.reaches_learner != (self.body is not None):
            raise ValueError(f"outcome {self.outcome.value} and body {self.body!r} contradict each other")
        if (self.confidence is None) != (self.confidence_kind is ConfidenceKind.NONE):
            raise ValueError("confidence and confidence_kind must be given together")


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """A paid reply, kept as it came.

    `keys` maps the content-addressed key of every item in the request to the id that the reply uses for it.
    """

    keys: Mapping[str, str]
    raw: bytes
    usage: Usage
    cost: Cost
    request_id: str = ""
    latency_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class BatchIntent:
    """A message batch that is about to be, or was, created.

    `requests` maps each custom id to the item keys it asks for and the ids the reply uses (as `StoredAnswer`).
    `batch_id` is empty until the endpoint's answer to the creation was recorded. `worst` is per custom id.
    """

    intent_id: str
    created_at: float
    requests: Mapping[str, Mapping[str, str]]
    worst: Mapping[str, Cost]
    line: str
    model: str
    batch_id: str = ""
