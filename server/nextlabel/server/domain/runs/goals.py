"""Whether a run has reached what it was started for, by bounds that hold although every round is looked at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from nextlabel.server.assessment.estimates.anytime import error_of_look
from nextlabel.server.assessment.stopping.change import f_change_bound
from nextlabel.server.assessment.stopping.target import Provable, lower_bound, provable
from nextlabel.server.assessment.stopping.worth import ROUNDS, next_labels
from nextlabel.server.domain.learning.comparing import ModelChanges
from nextlabel.server.domain.runs.endings import End
from nextlabel.server.learners.evaluation import ClassEvaluation, Evaluation
from nextlabel.server.values.errors import FailedPrecondition
from nextlabel.server.values.models import ModelVersion
from nextlabel.server.values.pool import Split
from nextlabel.server.values.projects.projects import Project
from nextlabel.server.values.runs.events import TargetStated
from nextlabel.server.values.runs.runs import Run, RunSpec, StopReason

STABLE_ROUNDS = 3
"""Rounds whose agreement is averaged (Bloodgood and Vijay-Shanker 2009)."""
LEAST_GAIN = 0.01
"""Gain in accuracy that counts as progress where a plateau names none."""

_NAMES = {"accuracy": "accuracy", "macro_f1": "macro-F1"}


@dataclass(frozen=True, slots=True)
class Goals:
    """Judges runs by their models: rounds done, a target shown, a plateau shown, predictions that are stable."""

    changes: ModelChanges

    async def reached(self, project: Project, run: Run, models: Sequence[ModelVersion]) -> End | None:
        """Return the end of a run that needs no more rounds; ``models`` are its own, oldest first."""
        spec = run.spec
        if spec.max_rounds and run.round >= spec.max_rounds:
            return End(StopReason.MAX_ROUNDS, f"{run.round} rounds are done")
        if not models:
            return None
        return (
            await self._target(project, spec, models)
            or await self._plateau(project, spec, models)
            or await self._stable(project, spec, models)
            or await self._not_worth(spec, models)
        )

    async def statements(self, project: Project, run: Run) -> Sequence[TargetStated]:
        """Say of every target of a run what the holdout, as it is now, can show of it."""
        known = await self.changes.learning.samples.evaluation_set(project, Split.HOLDOUT, project.class_names)
        items = 0 if known is None else len(known.bodies)
        return [_statement(measure, target, provable(target, items)) for measure, target in _targets(run.spec).items()]

    async def _target(self, project: Project, spec: RunSpec, models: Sequence[ModelVersion]) -> End | None:
        targets, look = _targets(spec), sum(m.accuracy is not None for m in models)
        if not targets or models[-1].accuracy is None:
            return None
        try:
            _, found = await self.changes.learning.evaluate(project, models[-1].version, Split.HOLDOUT)
        except FailedPrecondition:
            # The holdout is gone, or the model's file is damaged: nothing can be shown by it.
            return None
        for measure, target in targets.items():
            shown = _shown(found, measure, look)
            if shown >= target:
                return End(
                    StopReason.TARGET,
                    f"{_NAMES[measure]} is at least {shown:.3f}, the target is {target:g} "
                    f"({getattr(found, measure):.3f} on {found.n:,} holdout items, at look {look})",
                )
        return None

    async def _plateau(self, project: Project, spec: RunSpec, models: Sequence[ModelVersion]) -> End | None:
        rounds, least = spec.plateau.rounds, spec.plateau.min_gain or LEAST_GAIN
        if not rounds or len(models) <= rounds:
            return None
        change = await self.changes.between(project, models[-1 - rounds].version, models[-1].version)
        if change is None:
            return None
        most = change.most_gained(len(models) - rounds)
        if most >= least:
            return None
        message = f"the last {rounds} rounds gained less than {most:.4f} accuracy, and {least:g} would be progress"
        return End(StopReason.PLATEAU, f"{message} ({change.gain:+.4f} on {change.holdout:,} holdout items)")

    async def _stable(self, project: Project, spec: RunSpec, models: Sequence[ModelVersion]) -> End | None:
        if not spec.stable_kappa or len(models) <= STABLE_ROUNDS:
            return None
        last = [m.version for m in models[-1 - STABLE_ROUNDS :]]
        found = [await self.changes.between(project, *pair) for pair in pairwise(last)]
        changes = [change for change in found if change is not None and change.sampled]
        kappa = float(np.mean([change.kappa for change in changes])) if len(changes) == STABLE_ROUNDS else 0.0
        if kappa < spec.stable_kappa:
            return None
        differing = max(change.differing / change.sampled for change in changes)
        return End(
            StopReason.STABLE,
            f"successive models agree on {changes[-1].sampled:,} items of the pool with a kappa of {kappa:.4f}, and "
            f"{spec.stable_kappa:g} counts as stable: no round changed more than {differing:.1%} of the predictions, "
            f"nor an F-measure by more than {f_change_bound(kappa):.3f}",
        )

    async def _not_worth(self, spec: RunSpec, models: Sequence[ModelVersion]) -> End | None:
        if not spec.worth.point_micro_usd:
            return None
        judged = [m for m in models if m.accuracy is not None and m.evaluation.get("items")]
        price = models[-1].label_micro_usd + spec.worth.label_micro_usd
        found = await self.changes.learning.executor.run(
            lambda: next_labels(
                [m.known_labels for m in judged],
                [m.accuracy or 0.0 for m in judged],
                int(judged[-1].evaluation["items"]) if judged else 0,
                price,
                spec.worth.point_micro_usd,
            )
        )
        if found is None or found.worth_it:
            return None
        return End(
            StopReason.NOT_WORTH,
            f"{found.labels} more labels cost about ${found.micro_usd / 1e6:.2f}, and at most "
            f"{100 * found.gain.high:.1f} points, which are what they can be expected to gain, are worth "
            f"${found.most_micro_usd / 1e6:.2f} at ${spec.worth.point_micro_usd / 1e6:g} a point, "
            f"{ROUNDS} rounds in a row",
        )


def _targets(spec: RunSpec) -> dict[str, float]:
    targets = {"accuracy": spec.target_accuracy, "macro_f1": spec.target_macro_f1}
    return {measure: target for measure, target in targets.items() if target}


def _shown(found: Evaluation, measure: str, look: int) -> float:
    """Return the lower bound of a figure at a look; all looks together are above the truth in 5 % at most."""
    if measure == "accuracy":
        return lower_bound(found.right, found.n, look)
    # A run with a target of macro-F1 is refused where there are no classes.
    return found.macro_f1_missing(2 * error_of_look(look)).low if isinstance(found, ClassEvaluation) else 0.0


def _statement(measure: str, target: float, found: Provable) -> TargetStated:
    return TargetStated(
        measure, target, found.items, found.fewest_right, found.items_needed, _in_words(_NAMES[measure], target, found)
    )


def _in_words(name: str, target: float, found: Provable) -> str:
    """Say what a holdout can show, what it would take, and what the run does otherwise."""
    otherwise = "until then the run goes on to its budget and its other goals"
    if target >= 1:
        return f"no holdout shows {name} of {target:g}; {otherwise}"
    enough = f"about {found.items_needed:,} show it for a model of {(1 + target) / 2:.1%}"
    if not found.items:
        return f"{name} of {target:g} cannot be shown without holdout items: {enough}; {otherwise}"
    if found.fewest_right is None:
        cannot = f"{found.items:,} holdout items cannot show {name} of {target:g}, not even with all right"
        return f"{cannot}: {enough}; {otherwise}"
    says = f"to show {name} of {target:g} at the tenth round, {found.fewest_right:,} of {found.items:,} holdout items"
    says += " have to be right" if name == "accuracy" else " have to be right where classes are of one size"
    return f"{says}; {otherwise}" if found.likely else f"{says}: {enough}; {otherwise}"
