"""Labels that are worth another look."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class ReviewReason(StrEnum):
    """Why a label is worth another look.

    DISAGREEMENT: annotators of equal standing differ; LOW_CONFIDENCE: its calibrated confidence is below .8;
    AGAINST_LEARNER: an LLM's label where the learner, which has not seen it, says otherwise; SUSPECT: by learner and
    neighbours it is wrong rather than right; FILTERED: enabled filters leave it out.
    """

    DISAGREEMENT = "disagreement"
    LOW_CONFIDENCE = "low_confidence"
    AGAINST_LEARNER = "against_learner"
    SUSPECT = "suspect"
    FILTERED = "filtered"


@dataclass(frozen=True, slots=True)
class ReviewEntry:
    """An item whose ``label`` is worth another look, and why.

    ``wrong_probability`` in [0, 1] is what another look is expected to find; an estimate that no gold has calibrated.
    ``other_label`` is what learner and neighbours say instead, '' where they say the same or nothing. ``filtered_by``
    names the filters that leave it out.
    """

    row: int
    item_id: str
    label: str
    other_label: str
    wrong_probability: float
    reasons: tuple[ReviewReason, ...]
    filtered_by: tuple[str, ...] = ()
