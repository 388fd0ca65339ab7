"""How a run ends."""

from __future__ import annotations

from dataclasses import dataclass

from nextlabel.server.values.errors import AnnotatorStopped, BudgetExhausted, DomainError
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


def end_by(error: DomainError) -> End:
    """Return the end that an error makes of a run."""
    match error:
        case BudgetExhausted():
            return End(StopReason.BUDGET, error.message)
        case AnnotatorStopped():
            return End(_STOP_REASONS.get(error.reason, StopReason.ERROR), error.message)
        case _:
            return End(StopReason.ERROR, error.message)
