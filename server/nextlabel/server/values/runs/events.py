"""What happens in a run, for those who watch it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from nextlabel.server.values.canaries import CanaryTally
from nextlabel.server.values.labeling.answers import Outcome
from nextlabel.server.values.money.costs import Cost
from nextlabel.server.values.runs.runs import RunState, StopReason


@dataclass(frozen=True, slots=True)
class TargetStated:
    """What the holdout can show of a target of the run: ``measure`` is accuracy or macro_f1.

    ``fewest_right`` of its items would have to be right, None where not even all would do; ``items_needed`` show it for
    a model half-way between the target and perfection. ``detail`` says it for people.
    """

    measure: str
    target: float
    holdout_items: int
    fewest_right: int | None
    items_needed: int
    detail: str


@dataclass(frozen=True, slots=True)
class RoundStarted:
    """A round began; ``unlabeled`` items of the pool wait to be picked."""

    unlabeled: int


@dataclass(frozen=True, slots=True)
class BatchSelected:
    """The query batch ``batch`` was picked, which took ``seconds``, with ``rounds_behind`` rounds not learned yet."""

    batch: str
    picks: int
    seconds: float
    rounds_behind: int = 0


@dataclass(frozen=True, slots=True)
class AnnotationProgress:
    """Answers of a round came in: ``done`` of ``total``; ``spent`` is what the run has spent.

    ``other_models`` counts those that came from another model than the one asked, by its name.
    """

    done: int
    total: int
    outcomes: Mapping[Outcome, int]
    spent: Cost
    other_models: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ModelTrained:
    """A model version was published."""

    model_version: int


@dataclass(frozen=True, slots=True)
class CurvePointAdded:
    """The learning curve has a point more, that of a model version."""

    model_version: int


@dataclass(frozen=True, slots=True)
class CanariesChecked:
    """Canaries were answered; ``counts`` are those of the run so far."""

    counts: CanaryTally = field(default_factory=CanaryTally)


@dataclass(frozen=True, slots=True)
class GoldReplayed:
    """An annotator answered ``items`` gold items that it had answered before.

    ``right_before`` and ``right_now`` are shares of its answers. ``fallen`` is true where it has become worse, beyond
    what happens while nothing changes. ``detail`` says it for people.
    """

    annotator: str
    items: int
    right_before: float
    right_now: float
    fallen: bool
    detail: str


@dataclass(frozen=True, slots=True)
class RunPaused:
    """Somebody paused the run; answers that were under way may still come."""


@dataclass(frozen=True, slots=True)
class RunResumed:
    """Somebody resumed the run."""


@dataclass(frozen=True, slots=True)
class RoutePlanned:
    """Who is asked about what was planned: ``items`` take each of ``ways``, whose last member may be people.

    Answers are compared with labels of ``model_version``. ``settings`` names the state of the project that it holds
    for. ``prices`` are micro-dollars an answer. ``accuracy``, with its interval from ``low`` to ``high``, and
    ``micro_usd`` are expected.
    """

    ways: tuple[tuple[str, ...], ...]
    items: tuple[int, ...]
    model_version: int
    settings: str
    accuracy: float
    low: float
    high: float
    micro_usd: int
    prices: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class RouteStepStarted:
    """Somebody is asked about ``items``; ``detail`` says for people how the answers before turned out."""

    asked: str
    items: int
    detail: str


@dataclass(frozen=True, slots=True)
class RunEnded:
    """The run ended: the last event."""

    state: RunState
    stop_reason: StopReason
    detail: str


Happening = (
    TargetStated
    | RoundStarted
    | BatchSelected
    | AnnotationProgress
    | ModelTrained
    | CurvePointAdded
    | CanariesChecked
    | GoldReplayed
    | RoutePlanned
    | RouteStepStarted
    | RunPaused
    | RunResumed
    | RunEnded
)


@dataclass(frozen=True, slots=True)
class RunEvent:
    """Something that happened in a round of a run; numbered from 1 within the run."""

    run: str
    number: int
    round: int
    happening: Happening
    at: datetime
