"""What a delivery is made from: labels, predictions and gold, read once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nextlabel.server.assessment.consensus.by_type import consensus_of
from nextlabel.server.assessment.consensus.joining import Joining
from nextlabel.server.assessment.consensus.votes import Consensus
from nextlabel.server.assessment.routing.sources import SourceScores, calibrator_of
from nextlabel.server.domain.learning.suggestions import LEARNER
from nextlabel.server.domain.quality.acceptance import newest_scored, score_of
from nextlabel.server.ports.pool_store import Rows
from nextlabel.server.tasks.answer_form import is_right
from nextlabel.server.values.labeling.annotations import Annotation
from nextlabel.server.values.labeling.answers import Body
from nextlabel.server.values.projects.projects import Project

UNKNOWN_SCORE = 0.5
"""Score of a label that came without any signal."""

MOST_SOURCES = 20
"""Annotators that are tested at most, those with most answers first."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class DeliveryEvidence:
    """Labels and predictions of a project as they are at one moment.

    ``rows_n`` are the items that are labeled, ascending: all but deleted, holdout and gold ones; ``asked_n`` those of
    them that can be asked about. ``predicted_N`` has the learner's probability of its label for every row there is, NaN
    without one, and ``learned_gold`` its labels of gold items; ``gold`` the true ones. ``joining`` is by what answers
    were joined, None for votes.
    """

    project: Project
    rows_n: Rows
    asked_n: Rows
    by_row: Mapping[int, Sequence[Annotation]]
    consensus: Mapping[int, Consensus]
    deleted: Set[int]
    gold: Mapping[int, str]
    predicted_N: Floats
    learned_gold: Mapping[int, Body]
    joining: Joining | None = None

    def by_people(self) -> npt.NDArray[np.bool_]:
        """Return for n rows whether people have labeled them."""
        return np.isin(self.rows_n, self._trusted())

    def _trusted(self) -> Rows:
        trusted = [row for row, agreed in self.consensus.items() if agreed.trusted]
        return np.array(trusted, np.int64)

    def learner(self) -> SourceScores:
        """Return the learner's scores, of those items too that people have labeled."""
        rows = sorted(self.learned_gold)
        scores_n = self.predicted_N[self.rows_n]
        return SourceScores(
            LEARNER,
            self.predicted_N[rows],
            np.array([is_right(self.learned_gold[row], self.gold[row], self.project) for row in rows], np.bool_),
            scores_n[~np.isnan(scores_n)],
        )

    def confidences(self) -> Floats:
        """Return how sure the learner is of its label of every row there is, NaN without one.

        Calibrated on gold where there is enough of it.
        """
        learner = self.learner()
        calibrator = calibrator_of(learner.gold_G, learner.right_G)
        if calibrator is None:
            return self.predicted_N
        sure_N = np.full(len(self.predicted_N), np.nan)
        known_N = ~np.isnan(self.predicted_N)
        sure_N[known_N] = calibrator.probabilities(self.predicted_N[known_N])
        return sure_N

    def answers(self, annotator: str) -> Mapping[int, Annotation]:
        """Return an annotator's newest answers with a label and signals, by row."""
        return {a.row: a for a in newest_scored(self.by_row, annotator, self.deleted)}

    def annotator(self, name: str, answers: Mapping[int, Annotation]) -> SourceScores | str:
        """Return an annotator's scores, or why gold says nothing of its labels."""
        checked = [row for row in answers if row in self.gold]
        if not checked:
            return "it has answered no gold item with a confidence"
        open_n = self.asked_n[~np.isin(self.asked_n, self._trusted())]
        asked = [row for row, given in self.by_row.items() if any(a.annotator == name for a in given)]
        seen = int(np.isin(open_n, np.array(asked, np.int64)).sum())
        if seen < len(open_n):
            return (
                f"it has answered {seen:,} of the {len(open_n):,} items that people have not labeled, "
                "and gold says nothing of a part that was picked"
            )
        return SourceScores(
            name,
            np.array([score_of(answers[row]) for row in checked], np.float64),
            np.array([is_right(answers[row].answer.body, self.gold[row], self.project) for row in checked], np.bool_),
            np.array([score_of(a) for row, a in answers.items() if row not in self.gold], np.float64),
        )

    def annotators(self) -> Sequence[str]:
        """Return the names of annotators that are not trusted, those with most answers first."""
        counts: dict[str, int] = {}
        for given in self.by_row.values():
            for one in given:
                if not one.trusted:
                    counts[one.annotator] = counts.get(one.annotator, 0) + 1
        return sorted(counts, key=lambda name: (-counts[name], name))[:MOST_SOURCES]

    def voted_gold(self) -> tuple[Floats, npt.NDArray[np.bool_]]:
        """Return the scores of what annotators that are not trusted say of gold, and whether it is right."""
        scores, right = [], []
        for row, label in self.gold.items():
            given = [a for a in self.by_row.get(row, ()) if not a.trusted]
            agreed = consensus_of(self.project, given, joining=self.joining)
            if agreed is not None:
                scores.append(vote_score(agreed, given))
                right.append(is_right(agreed.body, label, self.project))
        return np.array(scores, np.float64), np.array(right, np.bool_)


def vote_score(agreed: Consensus, given: Sequence[Annotation]) -> float:
    """Return the mean score of the answers behind a consensus, in [0, 1]."""
    scores = [score_of(a) for a in given if a.answer.body == agreed.body and a.answer.signals]
    return sum(scores) / len(scores) if scores else UNKNOWN_SCORE
