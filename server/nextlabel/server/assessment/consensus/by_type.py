"""How the annotations of an item add up, by what they are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from nextlabel.server.assessment.consensus.class_votes import class_consensus
from nextlabel.server.assessment.consensus.votes import Consensus, consensus
from nextlabel.server.values.annotation_type import AnnotationType
from nextlabel.server.values.labeling.annotations import Annotation

_CONSENSUS: Mapping[AnnotationType, Callable[[Sequence[Annotation], Sequence[str]], Consensus | None]] = {
    AnnotationType.SINGLE_LABEL: consensus,
    AnnotationType.MULTI_LABEL: class_consensus,
}


def consensus_of(
    annotation_type: AnnotationType, annotations: Sequence[Annotation], classes: Sequence[str]
) -> Consensus | None:
    """Return the consensus of one item's annotations; None without a usable one, and for types that have none."""
    combine = _CONSENSUS.get(annotation_type)
    return None if combine is None else combine(annotations, classes)
