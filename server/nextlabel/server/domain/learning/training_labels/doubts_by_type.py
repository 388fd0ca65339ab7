"""What learner and neighbours say of labels, by the type of the answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from nextlabel.server.assessment.suspects import (
    joined,
    neighbour_rates,
    neighbour_shares,
    outlier_probabilities,
    wrong_probabilities,
)
from nextlabel.server.learners.multi_label.training import MultiLabelTraining
from nextlabel.server.learners.out_of_fold import out_of_fold, out_of_fold_scores
from nextlabel.server.learners.scores.training import ScoreTraining
from nextlabel.server.learners.training import TrainingSet
from nextlabel.server.values.annotation_type import AnnotationType
from nextlabel.server.values.labeling.answers import Body, Label, MultiLabel, Score

FEW_NEIGHBOURS = 2_000
"""Labels that may be neighbours of those that no learner is fitted on."""
MOST_LEARNED: Final = 50
"""Classes of sets that a learner of their own is fitted for; of further ones only the neighbours tell."""

Floats = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class JudgedLabels:
    """How probably each of n labels is wrong, and what learner and neighbours say instead, or as well."""

    wrong_n: Floats
    own: tuple[Body, ...]


Judge = Callable[[npt.NDArray[np.float32], object, npt.NDArray[np.bool_], Int64], JudgedLabels | None]
"""Takes embeddings of n items, what learners are trained on, which of them one is fitted on, and their ranks."""


def judge_labels(
    embeddings_nD: npt.NDArray[np.float32], training: object, known_n: npt.NDArray[np.bool_], rank_n: Int64
) -> JudgedLabels | None:
    """Judge labels of one class each; None where all known ones are of one class."""
    assert isinstance(training, TrainingSet)
    labels_n, classes = training.labels_N, len(training.classes)
    if len(np.unique(labels_n[known_n])) < 2:
        return None
    probabilities_nC = joined(
        out_of_fold(embeddings_nD, labels_n, classes, known_N=known_n),
        _near(
            embeddings_nD,
            rank_n,
            known_n,
            lambda rows_nD, rows, may_be: neighbour_shares(rows_nD, labels_n[rows], classes, known_N=may_be),
            classes,
        ),
    )
    wrong_n = wrong_probabilities(probabilities_nC, labels_n, training.trusted_N.astype(np.int64))
    own = tuple(Label(training.classes[c]) for c in probabilities_nC.argmax(axis=1).tolist())
    return JudgedLabels(wrong_n, own)


def judge_sets(
    embeddings_nD: npt.NDArray[np.float32], training: object, known_n: npt.NDArray[np.bool_], rank_n: Int64
) -> JudgedLabels | None:
    """Judge sets of classes, each class by itself: a set is as probably wrong as the class in it, or missing, that is
    most probably so. Classes that all known labels have, or none, are not judged."""
    assert isinstance(training, MultiLabelTraining)
    given_nC = training.targets_NC > 0.5
    sources_n = training.trusted_N.astype(np.int64)
    near_nC = _near(
        embeddings_nD,
        rank_n,
        known_n,
        lambda rows_nD, rows, may_be: neighbour_rates(rows_nD, given_nC[rows], known_N=may_be),
        len(training.classes),
    )
    wrong_nC = np.zeros(given_nC.shape)
    for place in np.flatnonzero(given_nC[known_n].any(axis=0) & ~given_nC[known_n].all(axis=0))[:MOST_LEARNED]:
        labels_n = given_nC[:, place].astype(np.int64)
        near_n2 = np.stack([1 - near_nC[:, place], near_nC[:, place]], axis=1)
        said_n2 = joined(out_of_fold(embeddings_nD, labels_n, 2, known_N=known_n), near_n2)
        wrong_nC[:, place] = wrong_probabilities(said_n2, labels_n, sources_n)
    own_nC = given_nC ^ (wrong_nC > 0.5)
    names = np.array(training.classes, object)
    own = tuple(MultiLabel(tuple(names[own_C].tolist())) for own_C in own_nC)
    return JudgedLabels(wrong_nC.max(axis=1, initial=0.0), own)


def judge_scores(
    embeddings_nD: npt.NDArray[np.float32], training: object, known_n: npt.NDArray[np.bool_], rank_n: Int64
) -> JudgedLabels | None:
    """Judge scores: by how far they are from what is expected of items like theirs."""
    assert isinstance(training, ScoreTraining)
    scores_n, allowed = training.scores_N, training.allowed
    expected_n = np.clip(out_of_fold_scores(embeddings_nD, scores_n, known_N=known_n), allowed.minimum, allowed.maximum)
    wrong_n = outlier_probabilities(scores_n - expected_n, allowed.width, training.trusted_N.astype(np.int64))
    return JudgedLabels(wrong_n, tuple(Score(score) for score in expected_n.tolist()))


JUDGES: Mapping[AnnotationType, Judge] = {
    AnnotationType.SINGLE_LABEL: judge_labels,
    AnnotationType.MULTI_LABEL: judge_sets,
    AnnotationType.SCORE: judge_scores,
}
"""The types whose labels can be judged."""


def _near(
    embeddings_nD: npt.NDArray[np.float32],
    rank_n: Int64,
    known_n: npt.NDArray[np.bool_],
    near: Callable[[npt.NDArray[np.float32], Int64, npt.NDArray[np.bool_] | None], Floats],
    classes: int,
) -> Floats:
    """Return what neighbours say of n items, (n, C): the known are each other's, a few of them those of the rest."""
    known, others = np.flatnonzero(known_n), np.flatnonzero(~known_n)
    found_nC = np.empty((len(rank_n), classes))
    found_nC[known] = near(embeddings_nD[known], known, None)
    if len(others):
        few = np.flatnonzero(rank_n < FEW_NEIGHBOURS)
        both = np.concatenate([few, others])
        found_nC[others] = near(embeddings_nD[both], both, np.arange(len(both)) < len(few))[len(few) :]
    return found_nC
