"""When a run ends, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nextlabel.server.values.errors import AnnotatorStopped, BudgetExhausted, DomainError
from nextlabel.server.values.models import ModelVersion
from nextlabel.server.values.runs.runs import Plateau, Run, StopReason

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


def goal_reached(run: Run, models: Sequence[ModelVersion]) -> End | None:
    """Return the end of a run whose rounds are done, target is met or curve is flat, by its models, oldest first."""
    if run.spec.max_rounds and run.round >= run.spec.max_rounds:
        return End(StopReason.MAX_ROUNDS, f"{run.round} rounds are done")
    return _target_reached(run, models) or _plateau_reached(run.spec.plateau, models)


def _target_reached(run: Run, models: Sequence[ModelVersion]) -> End | None:
    if not models:
        return None
    last, spec = models[-1], run.spec
    for name, target, value in (
        ("accuracy", spec.target_accuracy, last.accuracy),
        ("macro-F1", spec.target_macro_f1, last.macro_f1),
    ):
        if target and value is not None and value >= target:
            return End(StopReason.TARGET, f"{name} on the holdout is {value:.3f}, the target is {target:g}")
    return None


def _plateau_reached(plateau: Plateau, models: Sequence[ModelVersion]) -> End | None:
    values = [m.accuracy for m in models if m.accuracy is not None]
    if not plateau.rounds or len(values) <= plateau.rounds:
        return None
    gain = max(values[-plateau.rounds :]) - max(values[: -plateau.rounds])
    if gain >= plateau.min_gain:
        return None
    return End(
        StopReason.PLATEAU,
        f"the last {plateau.rounds} rounds gained {gain:.4f} accuracy, less than {plateau.min_gain:g}",
    )
