"""What annotators answer: the values, free of any transport, storage or model.

An `Answer` is one annotator's word about one item and is never changed. Only the outcomes `label` and
`candidates` carry something a learner may see; every other outcome says why there is nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from nextlabel.server.values.money.costs import Cost, Usage


class Outcome(StrEnum):
    """How asking an annotator about an item ended. A person may skip an item: somebody else is to answer it."""

    LABEL = "label"
    CANDIDATES = "candidates"
    REFUSED = "refused"
    TRUNCATED = "truncated"
    INVALID = "invalid"
    FAILED = "failed"
    SKIPPED = "skipped"

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


class PreferredAlternative(StrEnum):
    """Which of two alternatives is better."""

    A = "a"
    B = "b"
    TIE = "tie"


PREFERENCES = (PreferredAlternative.A, PreferredAlternative.TIE, PreferredAlternative.B)
"""The alternatives in the order in which probabilities of them are kept, from the first to the second."""


@dataclass(frozen=True, slots=True)
class Label:
    """One class of the label space."""

    name: str


@dataclass(frozen=True, slots=True)
class MultiLabel:
    """Any number of classes, none included: each once and sorted, so that the same set is the same answer."""

    names: tuple[str, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", tuple(sorted(set(self.names))))


@dataclass(frozen=True, slots=True)
class Score:
    """A number within the task's score range."""

    value: float


@dataclass(frozen=True, slots=True)
class Preference:
    """Which alternative of the item is better."""

    choice: PreferredAlternative


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


MOST_CRITIQUES = 10
"""Critiques that an answer of a person comes with at most."""


@dataclass(frozen=True, slots=True)
class TextReview:
    """What a critic, model or person, said of an earlier text; of the answer itself where it was satisfied."""

    text: str
    critique: str
    critic: str
    satisfied: bool = False


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where an answer comes from and what it took.

    `answered_model` is what the endpoint says answered, which may differ from `requested_model` when that is an
    alias. Hashes are SHA-256, hexadecimal. `usage` and `cost` are the item's share of all calls made for it, in
    tokens and money; what an annotation costs in labels is booked where it is recorded.
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
    usage: Usage = field(default_factory=Usage)
    cost: Cost = field(default_factory=Cost)
    latency_ms: float = 0.0
    answer_key: str = ""
    sample: int = 1


@dataclass(frozen=True, slots=True)
class Answer:
    """One annotator's answer about one item.

    `body` is set for the outcome `label` and `candidates` (then the most probable candidate). `confidence` is in
    [0, 1] and None when the annotator gave none: it is never invented. `signals` are the measured parts it was
    made of. `detail` says why there is no label. `reviews` are what it was refined by, a round each, the oldest first.
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
    reviews: tuple[TextReview, ...] = ()

    def __post_init__(self) -> None:
        if self.outcome.reaches_learner != (self.body is not None):
            raise ValueError(f"outcome {self.outcome.value} and body {self.body!r} contradict each other")
        if (self.confidence is None) != (self.confidence_kind is ConfidenceKind.NONE):
            raise ValueError("confidence and confidence_kind must be given together")
