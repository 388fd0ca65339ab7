"""What choosing items saved against drawing them at random: the audit stream is the control arm."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nextlabel.server.assessment.estimates.arms import Places, Savings, arm_of, savings
from nextlabel.server.domain.learning.training_labels.labeled import Labeled
from nextlabel.server.domain.reports.estimates.audit_stream import AuditStream, audit_stream
from nextlabel.server.domain.reports.estimates.label_trials import LabelTrials
from nextlabel.server.domain.reports.reports import Reports
from nextlabel.server.ports.state_store import StateStore
from nextlabel.server.values.errors import FailedPrecondition
from nextlabel.server.values.projects.projects import Project

FEWEST_LABELS = 20
"""Labels an arm needs."""

_MOST_LABELS = 2_000
_SHARES = (1 / 8, 1 / 4, 3 / 8, 1 / 2, 3 / 4, 1.0, 1.5, 2.0, 3.0, 4.0)
"""Learners of the chosen arm, by their labels in shares of the random arm's."""


@dataclass(frozen=True, slots=True)
class ControlledSavings:
    """``labels`` chosen ones beside as many drawn at random, and what a label of the project has cost."""

    labels: int
    savings: Savings
    label_micro_usd: int


@dataclass(frozen=True, slots=True)
class RandomControl:
    """Trains learners on chosen labels and on audit draws alone, and compares them on the holdout."""

    store: StateStore
    trials: LabelTrials
    reports: Reports

    async def compare(self, project: Project) -> ControlledSavings:
        """Compare the arms; one project is worked on at a time, as this trains some twenty learners.

        Advice has no part in it: it would be the same for both.

        Raises:
            FailedPrecondition: the annotation type has no learner, an arm has too few labels, or there is no holdout.
        """
        async with self.trials.turn:
            stream = await self.store.read(lambda tx: audit_stream(tx, project.id))
            labeled = await self.trials.learning.every_label(project)
            chosen, at_random = _arms(stream, labeled)
            count = min(len(chosen), len(at_random), _MOST_LABELS)
            if count < FEWEST_LABELS:
                raise FailedPrecondition(
                    f"{project.name} has {len(at_random)} labels of audit draws and {len(chosen)} of items that a "
                    f"strategy chose; at least {FEWEST_LABELS} of each are compared: label more, in runs with an "
                    "audit share above 0",
                    reason="TOO_FEW_AUDIT_LABELS",
                )
            trial = await self.trials.of(project, labeled, await self.trials.holdout(project))
            found = await self.trials.learning.executor.run(
                lambda: savings(
                    arm_of(trial.right, chosen, count, _SHARES), arm_of(trial.right, at_random, count, (1.0,))
                )
            )
        curve = await self.reports.learning_curve(project)
        return ControlledSavings(count, found, round(curve[-1].label_micro_usd) if curve else 0)


def _arms(stream: AuditStream, labeled: Labeled) -> tuple[Places, Places]:
    """Return where the labels of chosen items and of audit draws stand, each in the order of their picks."""
    place = {row: i for i, row in enumerate(labeled.rows_N.tolist())}
    drawn = dict.fromkeys(draw.row for draw in stream.draws)
    at_random = [place[row] for row in drawn if row in place]
    chosen = [place[row] for row in stream.picked_rows if row not in drawn and row in place]
    return np.array(chosen, np.int64), np.array(at_random, np.int64)
