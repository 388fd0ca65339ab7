"""What a learner makes of the texts of items that annotators have answered, for the way of joining that hears it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nextlabel.server.assessment.suspects import joined, shares_among
from nextlabel.server.domain.pool.pools import Pools
from nextlabel.server.learners.candidates.logistic import LogisticSettings, fit_logistic
from nextlabel.server.learners.threads import TRAINING_THREADS
from nextlabel.server.ports.pool_store import Rows
from nextlabel.server.ports.state_store import Transaction
from nextlabel.server.values.errors import NotFound
from nextlabel.server.values.ids import ProjectId
from nextlabel.server.values.labeling.annotations import Annotation
from nextlabel.server.values.projects.projects import Project

MOST_LEARNED = 10_000
"""Items that the learner is fitted on and heard about: gold first, then those that were answered last."""


@dataclass(frozen=True, slots=True, eq=False)
class TextLearner:
    """Logistic regressions on the embeddings of n items, (n, D), at ascending ``rows``, and the classes of neighbours.

    Where many of the classes that it is fitted on are wrong, neighbours are misled less than a regression alone.
    """

    rows: Rows
    embeddings_nD: npt.NDArray[np.float16]
    classes: int

    def judged(self, fitted_n: Rows, class_n: npt.NDArray[np.int64], judged_m: Rows) -> npt.NDArray[np.float64]:
        """Return class probabilities, (m, C), of m rows, after a fit on n other rows with their class positions."""
        fitted_nD, judged_mD = self._embeddings(fitted_n), self._embeddings(judged_m)
        with TRAINING_THREADS.bounded():
            head = fit_logistic(fitted_nD, class_n, np.ones(len(class_n), np.float32), LogisticSettings(self.classes))
        said_mC = head.predict_proba(judged_mD)
        return joined(said_mC, shares_among(judged_mD, fitted_nD, class_n, self.classes))

    def _embeddings(self, rows_n: Rows) -> npt.NDArray[np.float32]:
        return self.embeddings_nD[np.searchsorted(self.rows, rows_n)].astype(np.float32)


@dataclass(frozen=True, slots=True)
class TextLearners:
    """Reads what a learner is fitted on."""

    pools: Pools

    async def of(
        self, project: Project, classes: int, answered: Sequence[Annotation], gold: Sequence[int]
    ) -> TextLearner | None:
        """Return a learner for the answered items, which are embedded; None where they are deleted meanwhile."""
        deleted = (await self.pools.open(project.id)).deleted
        newest = dict.fromkeys(a.row for a in reversed(answered) if a.row not in deleted)
        first = [row for row in gold if row in newest]
        rows = sorted([*dict.fromkeys([*first, *newest])][:MOST_LEARNED])
        if not rows:
            return None
        try:
            embeddings_nD = await self.pools.embeddings(project, rows)
        except NotFound:
            return None
        return TextLearner(np.array(rows, np.int64), embeddings_nD, classes)


def embedded_below(tx: Transaction, project: ProjectId) -> int:
    """Return the row below which all of a project's items have embeddings."""
    waiting = tx.pool.segments(project, embedded=False)
    return min((segment.first_row for segment in waiting), default=tx.pool.committed_rows(project))
