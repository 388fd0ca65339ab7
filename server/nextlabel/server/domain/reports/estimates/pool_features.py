"""What the labels of a pool's items are predicted from: their embeddings, and the advice of those who advise on all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from nextlabel.server.assessment.estimates.cross_fit import Features
from nextlabel.server.domain.learning.advice import AdviceSource, features_of
from nextlabel.server.domain.pool.pools import Pools
from nextlabel.server.values.annotation_type import AnnotationType
from nextlabel.server.values.labeling.answers import Answer, Score
from nextlabel.server.values.projects.projects import Project

ADVISED: Final = 0.95
"""Share of the items that an advisor must have advised on: of fewer, those that people label may have come first."""


@dataclass(frozen=True, slots=True)
class PoolFeatures:
    """Reads what rows are predicted from."""

    pools: Pools
    advice: AdviceSource

    async def of(self, project: Project, *groups: Sequence[int]) -> Sequence[Features]:
        """Return the features of each group of rows, in the rows' order."""
        said = await self.advice_on(project, *groups)
        found = []
        for rows, advised in zip(groups, said, strict=True):
            embeddings_nD = await self.pools.embeddings(project, list(rows))
            found.append(Features(_columns(project, advised), embeddings_nD.astype(np.float64)))
        return found

    async def advice_on(self, project: Project, *groups: Sequence[int]) -> Sequence[Sequence[Sequence[Answer | None]]]:
        """Return for each group of rows, and each row, what every advisor says of it.

        Only advisors count that have advised on nearly all rows of every group, so that whether there is advice says
        nothing about whether an item was drawn.
        """
        said = [await self._said(project, rows) for rows in groups]
        advisors = sorted(set.intersection(*(_complete(one) for one in said)))
        return [[[answers.get(name) for name in advisors] for answers in one] for one in said]

    async def _said(self, project: Project, rows: Sequence[int]) -> Sequence[Mapping[str, Answer]]:
        said = await self.advice.said(project.id, rows)
        return [said.get(row, {}) for row in rows]


def _complete(said: Sequence[Mapping[str, Answer]]) -> set[str]:
    names = {name for answers in said for name in answers}
    return {name for name in names if sum(name in answers for answers in said) >= ADVISED * len(said)}


def _columns(project: Project, advised: Sequence[Sequence[Answer | None]]) -> npt.NDArray[np.float64]:
    advisors = len(advised[0]) if advised else 0
    if project.annotation_type is AnnotationType.SCORE:
        middle = (project.score_range.minimum + project.score_range.maximum) / 2
        scores = [[_score(answer, middle) for answer in answers] for answers in advised]
        return np.array(scores, np.float64).reshape(len(advised), advisors)
    names = tuple(map(str, range(advisors)))
    said = [{name: one for name, one in zip(names, row, strict=True) if one is not None} for row in advised]
    return features_of(said, names, project.class_names).features_NF.astype(np.float64)


def _score(answer: Answer | None, middle: float) -> float:
    return answer.body.value if answer is not None and isinstance(answer.body, Score) else middle
