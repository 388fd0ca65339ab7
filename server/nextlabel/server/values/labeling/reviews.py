"""Labels that are worth another look."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from nextlabel.server.values.labeling.annotations import Annotation


class ReviewReason(StrEnum):
    """Why a label is worth another look.

    DISAGREEMENT: annotators of equal standing differ; LOW_CONFIDENCE: its calibrated confidence is below .8;
    AGAINST_LEARNER: an LLM's label where the learner, which has not seen it, says otherwise; SUSPECT: by learner and
    neighbours it is wrong rather than right; FILTERED: enabled filters leave it out; AUDIT_FAILURE: people's label of
    an item that was drawn for the audit, where an LLM, or learner and neighbours, say otherwise; UNLABELED: it has no
    label, and what the learner says is all there is.
    """

    DISAGREEMENT = "disagreement"
    LOW_CONFIDENCE = "low_confidence"
    AGAINST_LEARNER = "against_learner"
    SUSPECT = "suspect"
    FILTERED = "filtered"
    AUDIT_FAILURE = "audit_failure"
    UNLABELED = "unlabeled"


@dataclass(frozen=True, slots=True)
class ReviewEntry:
    """An item whose ``label`` is worth another look, and why.

    ``wrong_probability`` in [0, 1] is what another look is expected to find; an estimate that no gold has calibrated.
    ``other_label`` is what learner and neighbours say instead, '' where they say the same or nothing. ``filtered_by``
    names the filters that leave it out. ``gain`` is by how many right labels a look by a person changes what is
    expected, in [0, 1]. Of an item without a label, ``label`` is what the learner says.
    """

    row: int
    item_id: str
    label: str
    other_label: str
    wrong_probability: float
    reasons: tuple[ReviewReason, ...]
    filtered_by: tuple[str, ...] = ()
    gain: float = 0.0


@dataclass(frozen=True, slots=True)
class DoubtedLabel:
    """The ``label`` of an item that is looked at again, and what is known of it.

    ``other_label`` and ``filtered_by`` are as in ReviewEntry. ``confidence`` in [0, 1] is the calibrated probability
    that the label is right, None where nothing says so. ``answers`` are those that it rests on, oldest first.
    """

    label: str
    other_label: str
    confidence: float | None
    answers: tuple[Annotation, ...]
    filtered_by: tuple[str, ...]
