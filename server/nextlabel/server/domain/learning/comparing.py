"""How a model differs from an earlier one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nextlabel.server.assessment.stopping.change import Change, change_between
from nextlabel.server.domain.learning.learning import Learning
from nextlabel.server.domain.learning.types.task_learners import task_learner
from nextlabel.server.learners.persistence import TrainedModel
from nextlabel.server.tasks.registry import task_type
from nextlabel.server.values.errors import FailedPrecondition, NotFound
from nextlabel.server.values.labeling.answers import Body
from nextlabel.server.values.pool import Split
from nextlabel.server.values.projects.projects import Project

STOP_SET = 2_000
"""Items of the pool whose predictions are compared; as many as Bloodgood and Vijay-Shanker (2009) found to do."""


@dataclass(frozen=True, slots=True)
class ModelChanges:
    """Compares versions of a project's model on its holdout and on a fixed sample of its pool."""

    learning: Learning

    async def between(self, project: Project, earlier: int, later: int) -> Change | None:
        """Return what changed from one version to another; None when one of them cannot be read any more."""
        try:
            _, before = await self.learning.model(project, earlier)
            _, after = await self.learning.model(project, later)
        except (NotFound, FailedPrecondition):
            return None
        learner, samples, executor = task_learner(project), self.learning.samples, self.learning.executor
        sample_MD = (await samples.of_pool(project)).embeddings_MD[:STOP_SET]
        known = await samples.evaluation_set(project, Split.HOLDOUT, after.classes)
        holdout_nD = sample_MD[:0] if known is None else known.embeddings_nD
        kind = task_type(project.annotation_type)
        numbers: defaultdict[Hashable, int] = defaultdict(lambda: len(numbers))

        def predicted(model: TrainedModel, embeddings_nD: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
            return numbered(answer.body for answer in learner.predict(model, embeddings_nD, None).answers)

        def numbered(bodies: Iterable[Body]) -> npt.NDArray[np.int64]:
            return np.array([numbers[kind.counted_as(body, project)] for body in bodies], np.int64)

        def compare() -> Change:
            earlier_M, later_M = predicted(before, sample_MD), predicted(after, sample_MD)
            earlier_n, later_n = predicted(before, holdout_nD), predicted(after, holdout_nD)
            true_n = numbered(() if known is None else known.bodies)
            return change_between(
                earlier_M, later_M, earlier_n=earlier_n, later_n=later_n, true_n=true_n, classes=len(numbers)
            )

        return await executor.run(compare)
