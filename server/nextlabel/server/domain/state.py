"""What the StateStore remembers: frozen values, one per kind of row.

Everything here is plain data. Times are aware UTC datetimes, money is in micro-dollars, rows are positions in a
project's pool (``int``, assigned at ingest, never reused), item ids are the users' own strings.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, NewType

from nextlabel.server.domain.annotation import AnnotationType as AnnotationType
from nextlabel.server.domain.annotation import Answer, Cost, Outcome

ProjectId = NewType("ProjectId", str)
ReservationId = NewType("ReservationId", str)

JsonObject = Mapping[str, Any]


class Split(StrEnum):
    """Which purpose an item serves; holdout and gold items never train (invariant 7).

    A shadowed item came for the pool and says the same as a holdout or gold item, so it neither trains nor is asked.
    """

    POOL = "pool"
    HOLDOUT = "holdout"
    GOLD = "gold"
    SHADOWED = "shadowed"


@dataclass(frozen=True, slots=True)
class LabelClass:
    """One class of a label space."""

    name: str
    description: str = ""


@dataclass(frozen=True, slots=True)
class Choice:
    """A named component with its parameters: an estimator or a strategy."""

    name: str = "default"
    params: JsonObject = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Project:
    """A label space, its settings and the pool and learner behind them."""

    id: ProjectId
    name: str
    annotation_type: AnnotationType
    classes: tuple[LabelClass, ...]
    guidelines_version: int
    embedding_model: str
    embedding_dimension: int
    learner: Choice
    strategy: Choice
    overlap: int
    lease_ttl_s: float
    audit_share: float
    show_suggestions: bool
    created_at: datetime
    updated_at: datetime

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes, in the label space's order."""
        return tuple(c.name for c in self.classes)


class GuidelinesStatus(StrEnum):
    """Only an accepted version is shown to annotators."""

    ACCEPTED = "accepted"
    PROPOSED = "proposed"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class GuidelinesEffect:
    """What a version does on gold items against its base: accuracies in [0, 1] and the interval of their difference."""

    items: int
    accuracy_before: float
    accuracy_after: float
    difference_low: float
    difference_high: float
    cost: Cost


@dataclass(frozen=True, slots=True)
class Guidelines:
    """One immutable version of a project's codebook.

    ``comment`` is the critique of a version that an LLM wrote. ``base_version`` is the one it was made from, 0 for one
    written anew.
    """

    project: ProjectId
    version: int
    text: str
    status: GuidelinesStatus
    author: str
    comment: str
    created_at: datetime
    base_version: int = 0
    effect: GuidelinesEffect | None = None


@dataclass(frozen=True, slots=True)
class Segment:
    """A run of rows committed together; ``embedded`` once their embeddings are durable too."""

    project: ProjectId
    first_row: int
    row_count: int
    embedded: bool
    created_at: datetime


@dataclass(frozen=True, slots=True)
class ReferenceItem:
    """A holdout or gold item with its trusted label."""

    row: int
    item_id: str
    split: Split
    label: str
    text_hash: int


@dataclass(frozen=True, slots=True)
class Batch:
    """A query batch: what was selected, from what, under which settings and seed (invariant 6)."""

    id: str
    project: ProjectId
    run: str
    round: int
    strategy: Choice
    model_version: int
    pool_rows: int
    seed: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Pick:
    """One item of a query batch. ``slots_taken`` counts its active leases and the annotations it received.

    ``score`` is NaN where the strategy scores nothing.
    """

    batch: str
    position: int
    row: int
    item_id: str
    score: float
    inclusion_probability: float | None
    reason: str
    audit: bool
    slots_taken: int = 0


class LeaseState(StrEnum):
    """An expired lease's late answers are still taken if useful (invariant 5)."""

    ACTIVE = "active"
    DONE = "done"
    RELEASED = "released"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Lease:
    """Items handed to one annotator until ``expires_at``; ``reservation`` holds the labels it may still spend."""

    id: str
    project: ProjectId
    annotator: str
    state: LeaseState
    reservation: str
    expires_at: datetime
    created_at: datetime


@dataclass(frozen=True, slots=True)
class LeaseItem:
    """One pick on a lease."""

    lease: str
    batch: str
    row: int
    item_id: str
    answered: bool = False


class AnnotatorKind(StrEnum):
    """Where an annotation came from."""

    HUMAN = "human"
    LLM = "llm"
    REPLAY = "replay"
    LEARNER = "learner"


@dataclass(frozen=True, slots=True)
class Annotation:
    """One annotator's answer about one item; never changed. ``trusted`` ones may clamp the learner."""

    id: int
    project: ProjectId
    row: int
    item_id: str
    annotator: str
    kind: AnnotatorKind
    trusted: bool
    outcome: Outcome
    label: str | None
    answer: Answer
    run: str
    round: int
    batch: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """An immutable trained model and what it cost to get there: a point of the learning curve."""

    project: ProjectId
    version: int
    run: str
    round: int
    learner: Choice
    description: JsonObject
    labels: int
    spent: Cost
    train_seconds: float
    seconds: float
    accuracy: float | None
    macro_f1: float | None
    evaluation: JsonObject
    created_at: datetime


class RunState(StrEnum):
    """A run is running until it ends for one of the :class:`StopReason` values."""

    RUNNING = "running"
    STOPPING = "stopping"
    FINISHED = "finished"
    FAILED = "failed"

    @property
    def ended(self) -> bool:
        """True when the run will not do anything more."""
        return self in (RunState.FINISHED, RunState.FAILED)


class StopReason(StrEnum):
    """Why a run ended."""

    NONE = ""
    BUDGET = "budget"
    TARGET = "target"
    PLATEAU = "plateau"
    POOL_EMPTY = "pool_empty"
    MAX_ROUNDS = "max_rounds"
    STOPPED = "stopped"
    PROVIDER_SPEND_LIMIT = "provider_spend_limit"
    ANNOTATOR_UNRELIABLE = "annotator_unreliable"
    ERROR = "error"


LLM_KINDS = ("anthropic", "openai_compatible")


@dataclass(frozen=True, slots=True)
class AnnotatorChoice:
    """Which annotator a run uses: its kind and the options that kind takes."""

    kind: str
    options: JsonObject = field(default_factory=dict)

    @property
    def is_llm(self) -> bool:
        """True for the kinds that ask a language model."""
        return self.kind in LLM_KINDS

    @property
    def name(self) -> str:
        """The name of an LLM annotator in annotations: the one it was given, or one made of kind and model."""
        return str(self.options.get("name") or f"{self.kind}:{self.options.get('model', '')}")


@dataclass(frozen=True, slots=True)
class Plateau:
    """Stop when the last ``rounds`` model versions gained less than ``min_gain`` accuracy; 0 rounds: never."""

    rounds: int = 0
    min_gain: float = 0.0


@dataclass(frozen=True, slots=True)
class RunSpec:
    """What a run does and when it ends. A limit or target of 0 means none."""

    annotator: AnnotatorChoice
    strategy: Choice
    batch_size: int
    audit_share: float
    limit: Cost
    target_accuracy: float
    target_macro_f1: float
    plateau: Plateau
    max_rounds: int
    seed: int


@dataclass(frozen=True, slots=True)
class Run:
    """A server-side loop of rounds."""

    id: str
    project: ProjectId
    spec: RunSpec
    state: RunState
    stop_reason: StopReason
    message: str
    round: int
    created_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class RunEvent:
    """Something a watcher of a run wants to know; numbered from 1 within the run."""

    run: str
    number: int
    kind: str
    payload: JsonObject
    at: datetime


@dataclass(frozen=True, slots=True)
class StoredReply:
    """The first answer to a mutating call, replayed when its ``request_id`` comes again."""

    request_id: str
    principal: str
    method: str
    fingerprint: str
    reply: bytes
    created_at: datetime


class Role(StrEnum):
    """What a token's holder may do."""

    READER = "reader"
    ANNOTATOR = "annotator"
    PRODUCER = "producer"
    OPERATOR = "operator"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A bearer token; only its hash is kept. An empty ``project`` is every project."""

    id: str
    token_hash: str
    name: str
    role: Role
    project: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
