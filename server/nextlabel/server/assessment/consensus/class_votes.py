"""What multi-label annotations of one item add up to: a vote on every class.

As for single labels, trusted annotations outvote all others, and among equals every annotator has one vote, weighed by
its confidence where that is calibrated.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nextlabel.server.assessment.consensus.votes import TIE, Consensus, newest_answers, undisputed_confidence
from nextlabel.server.values.labeling.annotations import Annotation
from nextlabel.server.values.labeling.answers import ConfidenceKind, MultiLabel


def class_consensus(annotations: Sequence[Annotation], classes: Sequence[str]) -> Consensus | None:
    """Return the consensus of one item's annotations: the classes that more than half of the votes name.

    ``probabilities_C`` are the shares of the votes that name each class; they do not sum to 1. ``vote_share`` is that
    for the answer on the class most disputed. None when no annotation names classes, or says that none applies.
    """
    voters = newest_answers(annotations, MultiLabel)
    trusted = [a for a in voters if a.trusted]
    counted = trusted or voters
    if not counted:
        return None
    weights_V = np.array([_weight(a) for a in counted])
    named_VC = np.array([[name in _names(a) for name in classes] for a in counted], np.float64)
    share_C = weights_V @ named_VC / weights_V.sum()
    body = MultiLabel(tuple(name for name, share in zip(classes, share_C.tolist(), strict=True) if share > 0.5 + TIE))
    return Consensus(
        row=counted[0].row,
        item_id=counted[0].item_id,
        body=body,
        vote_share=float(np.maximum(share_C, 1 - share_C).min(initial=1.0)),
        probabilities_C=share_C.astype(np.float32),
        trusted=bool(trusted),
        annotations=len(counted),
        confidence=None if trusted else undisputed_confidence(voters, body),
        split=len(counted) > 1 and bool((np.abs(share_C - 0.5) < TIE).any()),
    )


def _names(annotation: Annotation) -> Sequence[str]:
    body = annotation.answer.body
    return body.names if isinstance(body, MultiLabel) else ()


def _weight(annotation: Annotation) -> float:
    answer = annotation.answer
    calibrated = answer.confidence_kind is ConfidenceKind.CALIBRATED and answer.confidence is not None
    return max(1e-3, answer.confidence or 0.0) if calibrated else 1.0
