"""How the annotations of an item add up, by what they are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from nextlabel.server.assessment.consensus.class_votes import class_consensus
from nextlabel.server.assessment.consensus.joining import Joining
from nextlabel.server.assessment.consensus.preferences import preference_consensus
from nextlabel.server.assessment.consensus.raters import RaterModel, Scores, fit_raters
from nextlabel.server.assessment.consensus.scores import score_consensus
from nextlabel.server.assessment.consensus.votes import Consensus, consensus, newest_answers
from nextlabel.server.values.annotation_type import AnnotationType
from nextlabel.server.values.labeling.annotations import Annotation
from nextlabel.server.values.labeling.answers import Score
from nextlabel.server.values.projects.projects import Project

_Combine = Callable[[Sequence[Annotation], Project, RaterModel | None, Joining | None], Consensus | None]

_CONSENSUS: Mapping[AnnotationType, _Combine] = {
    AnnotationType.SINGLE_LABEL: lambda given, project, _, joining: consensus(given, project.class_names, joining),
    AnnotationType.MULTI_LABEL: lambda given, project, *_: class_consensus(given, project.class_names),
    AnnotationType.SCORE: lambda given, project, raters, _: score_consensus(given, project.score_range, raters),
    AnnotationType.PREFERENCE: lambda given, project, *_: preference_consensus(given),
}


def consensus_of(
    project: Project,
    annotations: Sequence[Annotation],
    raters: RaterModel | None = None,
    joining: Joining | None = None,
) -> Consensus | None:
    """Return the consensus of one item's annotations; None without a usable one, and for types that have none.

    ``raters`` say how those score who gave scores, ``joining`` how often those err who gave single labels.
    """
    combine = _CONSENSUS.get(project.annotation_type)
    return None if combine is None else combine(annotations, project, raters, joining)


def raters_of(
    project: Project, by_row: Mapping[int, Sequence[Annotation]], gold: Mapping[int, float]
) -> RaterModel | None:
    """Return how the annotators of a project score; None where nothing says that they differ, and for other types."""
    if project.annotation_type is not AnnotationType.SCORE:
        return None
    annotators: dict[str, int] = {}
    answers = [
        (n, annotators.setdefault(a.annotator, len(annotators)), a.answer.body.value)
        for n, given in enumerate(by_row.values())
        for a in newest_answers(given, Score)
        if isinstance(a.answer.body, Score)
    ]
    if not answers:
        return None
    item_A, annotator_A, score_A = (np.array(column) for column in zip(*answers, strict=True))
    known_N = np.array([gold.get(row, np.nan) for row in by_row])
    table = Scores(item_A, annotator_A, score_A.astype(np.float64), known_N, list(annotators))
    return fit_raters(table, project.score_range.width)
