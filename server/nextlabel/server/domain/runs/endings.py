"""How a run ends."""

from __future__ import annotations

from dataclasses import dataclass

from nextlabel.server.values.errors import AnnotatorStopped, BudgetExhausted, DomainError, Unavailable
from nextlabel.server.values.runs.runs import StopReason

_STOP_REASONS = {
    "ANNOTATOR_SPEND_LIMIT": StopReason.PROVIDER_SPEND_LIMIT,
    "ANNOTATOR_INVALID_RATE": StopReason.ANNOTATOR_UNRELIABLE,
    "ANNOTATOR_OBEYS_DATA": StopReason.ANNOTATOR_UNRELIABLE,
    "ANNOTATOR_OTHER_MODEL": StopReason.ANNOTATOR_UNRELIABLE,
    "RUN_STOPPED": StopReason.STOPPED,
}


@dataclass(frozen=True, slots=True)
class End:
    """Why a run ends, for programs and for people."""

    reason: StopReason
    message: str


HALTED = End(StopReason.STOPPED, "stopped by an operator")
"""What a driver says that is to ask nothing more. The run's record knows whether it was stopped, or paused."""


def is_halt(error: DomainError) -> bool:
    """Whether an error says that nothing more is to be asked."""
    return isinstance(error, AnnotatorStopped) and _STOP_REASONS.get(error.reason) is HALTED.reason


def passes_by(error: DomainError) -> bool:
    """Whether an error ends no run: its object store is away, and the run goes on where it was when that is back."""
    return isinstance(error, Unavailable) and error.reason == "POOL_UNREACHABLE"


def end_by(error: DomainError) -> End:
    """Return the end that an error makes of a run."""
    match error:
        case BudgetExhausted():
            return End(StopReason.BUDGET, error.message)
        case AnnotatorStopped():
            return End(_STOP_REASONS.get(error.reason, StopReason.ERROR), error.message)
        case _:
            return End(StopReason.ERROR, error.message)
