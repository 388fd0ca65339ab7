"""Runs: what they are to do, how they stand and what happened in them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from nextlabel.server.values.ids import ProjectId
from nextlabel.server.values.money.costs import Cost
from nextlabel.server.values.projects.projects import Component
from nextlabel.server.values.runs.annotator_options import AnnotatorChoice


class RunState(StrEnum):
    """A run is running until it ends for one of the :class:`StopReason` values; paused, it waits to be resumed."""

    RUNNING = "running"
    PAUSED = "paused"
    STOPPING = "stopping"
    FINISHED = "finished"
    FAILED = "failed"

    @property
    def ended(self) -> bool:
        """True when the run will not do anything more."""
        return self in (RunState.FINISHED, RunState.FAILED)


UNDER_WAY = (RunState.RUNNING, RunState.STOPPING)
"""What a server drives."""

NOT_ENDED = (*UNDER_WAY, RunState.PAUSED)
"""What keeps its query batch."""


class StopReason(StrEnum):
    """Why a run ended."""

    NONE = ""
    BUDGET = "budget"
    TARGET = "target"
    PLATEAU = "plateau"
    STABLE = "stable"
    NOT_WORTH = "not_worth"
    POOL_EMPTY = "pool_empty"
    ITEMS_LEFT = "items_left"
    MAX_ROUNDS = "max_rounds"
    STOPPED = "stopped"
    PROVIDER_SPEND_LIMIT = "provider_spend_limit"
    ANNOTATOR_UNRELIABLE = "annotator_unreliable"
    CARRIED_OUT = "carried_out"
    PROMISE_BROKEN = "promise_broken"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Plateau:
    """Stop when ``rounds`` rounds are shown to have gained less than ``min_gain`` accuracy; 0 rounds: never."""

    rounds: int = 0
    min_gain: float = 0.0


@dataclass(frozen=True, slots=True)
class Worth:
    """What a point of accuracy is worth, and what a label costs beyond what the books say of it; 0 for no goal.

    Both in micro-dollars.
    """

    point_micro_usd: int = 0
    label_micro_usd: int = 0


@dataclass(frozen=True, slots=True)
class ItemScope:
    """Which items a run may ask about; all of the pool, unless something is said.

    ``listed`` of them were named when it was started, 0 for no list. The learner's confidence was below ``below``, in
    (0, 1], when it began; 0 for whatever it was. With ``criticised``, texts that people criticised are written anew.
    Where several are set, all hold.
    """

    listed: int = 0
    below: float = 0.0
    criticised: bool = False

    def __bool__(self) -> bool:
        """Whether the run is confined to a part of the pool."""
        return bool(self.listed or self.below or self.criticised)


@dataclass(frozen=True, slots=True)
class GoldReplay:
    """Gold items are asked again after every ``every`` answers and every ``hours``, ``items`` of them, 0 for never.

    Where the answers have become worse the run ends, or goes on with an alarm if ``alert_only``. With ``only`` the run
    asks about up to ``items`` gold items that its annotator has not answered, 0 for 100, and about nothing else.
    """

    every: int = 0
    items: int = 0
    alert_only: bool = False
    hours: float = 0.0
    only: bool = False

    @property
    def scheduled(self) -> bool:
        """Whether gold is asked again without a change of model, prompt or guidelines."""
        return bool(self.every or self.hours)


@dataclass(frozen=True, slots=True)
class RunSpec:
    """What a run does and when it ends. A limit or target of 0 means none.

    ``stable_kappa`` is the agreement of successive models' predictions from which on they count as stable. With
    ``train_while_asking`` a batch is picked and asked while the model of the one before it is being trained.
    Where ``advice`` is set, answers are kept as advice beside the items, and buy no labels. ``items`` says which ones
    may be asked about, ``gold_replay`` how often gold items are asked again, ``worth`` what labels have to bring.
    """

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
    stable_kappa: float = 0.0
    advice: bool = False
    train_while_asking: bool = False
    items: ItemScope = ItemScope()
    gold_replay: GoldReplay = GoldReplay()
    worth: Worth = Worth()


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
