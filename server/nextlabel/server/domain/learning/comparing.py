"""How a model differs from an earlier one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nextlabel.server.assessment.stopping.change import Change, change_between
from nextlabel.server.domain.learning.learning import Learning
from nextlabel.server.learners.model import Model
from nextlabel.server.values.errors import FailedPrecondition, NotFound
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
        samples, executor = self.learning.samples, self.learning.executor
        sample_MD = (await samples.of_pool(project))[:STOP_SET]
        known = await samples.evaluation_set(project, Split.HOLDOUT, after.classes)
        holdout_nD = sample_MD[:0] if known is None else known.embeddings_nD
        true_n = np.zeros(0, np.int64) if known is None else known.labels_n

        def compare() -> Change:
            return change_between(
                _predicted(before, sample_MD),
                _predicted(after, sample_MD),
                earlier_n=_predicted(before, holdout_nD),
                later_n=_predicted(after, holdout_nD),
                true_n=true_n,
                classes=after.n_classes,
            )

        return await executor.run(compare)


def _predicted(model: Model, embeddings_nD: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
    return np.asarray(model.predict_proba(embeddings_nD).argmax(axis=1), np.int64)
