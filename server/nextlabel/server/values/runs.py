"""Runs: what they are to do, how they stand and what happened in them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from nextlabel.server.values.answers import AnnotationType as AnnotationType
from nextlabel.server.values.ids import JsonObject, ProjectId
from nextlabel.server.values.money.costs import Cost
from nextlabel.server.values.projects import Component


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
    ITEMS_LEFT = "items_left"
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
    def is_person(self) -> bool:
        """True when people answer, who lease the items."""
        return self.kind == "human"

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
    strategy: Component
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
