"""How accurate models are, from draws that people labeled joined with how right all other items are predicted to be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt

from nextlabel.server.assessment.estimates.cross_fit import Features
from nextlabel.server.assessment.estimates.figures import Figure, FigureKind
from nextlabel.server.assessment.estimates.pool_mean import Draws
from nextlabel.server.assessment.estimates.pool_survey import FEWEST_FOR_PREDICTIONS, PoolSurvey
from nextlabel.server.domain.learning.learning import Learning
from nextlabel.server.domain.learning.types.task_learner import PredictedAnswer
from nextlabel.server.domain.pool.pools import Pools
from nextlabel.server.domain.reports.estimates.audit_stream import AuditedItem, AuditStream
from nextlabel.server.domain.reports.estimates.pool_features import PoolFeatures
from nextlabel.server.learners.advice.features import half_log_odds
from nextlabel.server.tasks.registry import task_type
from nextlabel.server.values.annotation_type import AnnotationType
from nextlabel.server.values.errors import FailedPrecondition, NotFound
from nextlabel.server.values.labeling.answers import Answer
from nextlabel.server.values.projects.projects import Project

MAX_SAMPLE = 5_000
"""Items that stand for all that could have been drawn, those of all models together."""

SAME_POOL = 0.99
"""Share of the items that could be drawn then, of those that could be now: of fewer, the pool is another one."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Judgement:
    """Which of a model's audit draws it predicts right, one each."""

    version: int
    draws: Sequence[AuditedItem]
    right: Sequence[bool]


@dataclass(frozen=True, slots=True)
class SurveyedModels:
    """Whether models are right on their audit draws, joined with predictions of it: which rows it is known of.

    ``drawn`` are the rows looked at, in the order of the survey, and ``sampled`` those that stand for all others.
    """

    survey: PoolSurvey
    drawn: Sequence[int]
    sampled: Sequence[int]


@dataclass(frozen=True, slots=True)
class PredictedAccuracy:
    """Joins draws with predictions (PPI++).

    Whether an item is predicted right is predicted from how sure the model is, what it says (so that its classes are
    strata), whether advisors say the same, and the embedding.
    """

    pools: Pools
    learning: Learning
    known: PoolFeatures

    async def figures(
        self,
        project: Project,
        stream: AuditStream,
        judged: Sequence[Judgement],
        counted: Sequence[Figure],
        *,
        error: float,
        without_pick: Mapping[int, datetime],
    ) -> Sequence[Figure]:
        """Return the accuracy of the models taken together, for one look and watched, where that says more than counts.

        ``counted`` are the figures by draws alone, ``error`` is how often the watched one may miss.
        """
        surveyed = await self.surveyed(project, stream, judged, without_pick)
        if surveyed is None:
            return []
        found = surveyed.survey.figures(0, share=True, watched=True, error=error)
        width = {one.anytime: _width(one) for one in counted}
        joined = [one for one in found if one.kind is FigureKind.PREDICTION_POWERED]
        return [one for one in joined if _width(one) < width[one.anytime]]

    async def surveyed(
        self,
        project: Project,
        stream: AuditStream,
        judged: Sequence[Judgement],
        without_pick: Mapping[int, datetime],
    ) -> SurveyedModels | None:
        """Return the models taken together; None with fewer than 20 draws, or where the pool has become another one.

        ``without_pick`` says when rows that nothing picked were answered: from then on they could not be drawn.
        """
        count = sum(len(one.right) for one in judged)
        if count < FEWEST_FOR_PREDICTIONS:
            return None
        drawn, sampled, rows_sampled = [], [], list[int]()
        for one in judged:
            size = round(MAX_SAMPLE * len(one.right) / count)
            rows = await self._could_be_drawn(project, stream, one.draws[0], size, without_pick=without_pick)
            both = await self._features(project, one.version, [draw.row for draw in one.draws], rows) if rows else None
            if both is None:
                return None
            rows_sampled += rows
            drawn.append(both[0])
            sampled.append(both[1])
        # Each draw was one of about as many items; they are few beside those.
        others = round(float(np.mean([one.draws[0].remaining for one in judged])))
        draws = Draws.uniform(np.arange(count), others + count - np.arange(count))
        values_S1 = np.concatenate([np.array(one.right, np.float64) for one in judged])[:, None]
        survey = await self.learning.executor.run(
            lambda: PoolSurvey.predicted(draws, values_S1, _stacked(drawn), _stacked(sampled), others)
        )
        return SurveyedModels(survey, [draw.row for one in judged for draw in one.draws], rows_sampled)

    async def _could_be_drawn(
        self,
        project: Project,
        stream: AuditStream,
        first: AuditedItem,
        size: int,
        *,
        without_pick: Mapping[int, datetime],
    ) -> Sequence[int]:
        """Return a uniform sample of the rows that the draws of a batch were made from; nothing where more came since.

        A model has seen the labels of none of them.
        """
        pool = await self.pools.open(project.id)
        answered = [row for row, when in without_pick.items() if when <= first.time]
        before = np.array([*stream.picked_rows[: first.picks_before], *answered], np.int64)
        rows = np.setdiff1d(np.arange(pool.index.next_row), np.union1d(pool.unusable_rows(), before))
        rows = rows[await self.learning.samples.embedded(project.id, rows)]
        if len(rows) * SAME_POOL > first.remaining:
            return []
        return list(map(int, np.sort(np.random.default_rng(len(rows)).permutation(rows)[:size])))

    async def _features(
        self, project: Project, version: int, drawn: Sequence[int], sample: Sequence[int]
    ) -> Sequence[Features] | None:
        """Return what it is predicted from whether a model is right; None where its file is damaged."""
        said = await self.known.advice_on(project, drawn, sample)
        found = []
        for rows, advised in zip((drawn, sample), said, strict=True):
            embeddings_nD = (await self.pools.embeddings(project, list(rows))).astype(np.float32)
            try:
                _, probabilities_nC, answers = await self.learning.answers(project, embeddings_nD, version, list(rows))
            except (NotFound, FailedPrecondition):
                return None
            columns = [_certainty(answers), _classes(project, probabilities_nC), _agreement(project, answers, advised)]
            found.append(Features(np.hstack(columns), embeddings_nD.astype(np.float64)))
        return found


def _width(found: Figure) -> float:
    return found.estimate.high - found.estimate.low


def _stacked(parts: Sequence[Features]) -> Features:
    return Features(np.concatenate([one.strong_nS for one in parts]), np.concatenate([one.weak_nD for one in parts]))


def _certainty(answers: Sequence[PredictedAnswer]) -> Floats:
    sure = [half_log_odds(0.5 if one.probability is None else one.probability) for one in answers]
    return np.array(sure, np.float64).reshape(-1, 1)


def _classes(project: Project, probabilities_nC: npt.NDArray[np.float32]) -> Floats:
    """Return a column for each class that says whether it is predicted, no column where several classes may apply."""
    if project.annotation_type is not AnnotationType.SINGLE_LABEL:
        return np.empty((len(probabilities_nC), 0))
    count = probabilities_nC.shape[1]
    return np.asarray(probabilities_nC.argmax(axis=1)[:, None] == np.arange(count), np.float64)


def _agreement(project: Project, answers: Sequence[PredictedAnswer], said: Sequence[Sequence[Answer | None]]) -> Floats:
    """Return for each advisor whether it says the same, and how sure it is of that or of something else."""
    kind = task_type(project.annotation_type)
    rows = []
    for one, advised in zip(answers, said, strict=True):
        row: list[float] = []
        for answer in advised:
            same = answer is not None and kind.same(answer.body, one.body, project)
            sure = 0.0 if answer is None or answer.confidence is None else half_log_odds(answer.confidence)
            row += [float(same), sure if same else -sure]
        rows.append(row)
    return np.array(rows, np.float64).reshape(len(answers), -1)
