"""How the annotations of an item add up, by what they are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from nextlabel.server.assessment.consensus.class_votes import class_consensus
from nextlabel.server.assessment.consensus.preferences import preference_consensus
from nextlabel.server.assessment.consensus.scores import score_consensus
from nextlabel.server.assessment.consensus.votes import Consensus, consensus
from nextlabel.server.values.annotation_type import AnnotationType
from nextlabel.server.values.labeling.annotations import Annotation
from nextlabel.server.values.projects.projects import Project

_CONSENSUS: Mapping[AnnotationType, Callable[[Sequence[Annotation], Project], Consensus | None]] = {
    AnnotationType.SINGLE_LABEL: lambda given, project: consensus(given, project.class_names),
    AnnotationType.MULTI_LABEL: lambda given, project: class_consensus(given, project.class_names),
    AnnotationType.SCORE: lambda given, project: score_consensus(given, project.score_range),
    AnnotationType.PREFERENCE: lambda given, project: preference_consensus(given),
}


def consensus_of(project: Project, annotations: Sequence[Annotation]) -> Consensus | None:
    """Return the consensus of one item's annotations; None without a usable one, and for types that have none."""
    combine = _CONSENSUS.get(project.annotation_type)
    return None if combine is None else combine(annotations, project)
