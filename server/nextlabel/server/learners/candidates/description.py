"""How a model came to be: values that are kept with it and shown in reports."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

GROWTH_BEFORE_NEXT_CHOICE = 1.25


class LearnerCandidate(StrEnum):
    """A way to turn labels and a pool sample into a head."""

    PLAIN = "plain"
    SELF_TRAINING = "self_training"
    AGREEMENT = "agreement"
    BALANCED_AGREEMENT = "balanced_agreement"


@dataclass(frozen=True, slots=True)
class CandidateScore:
    """How a candidate did on held-out trusted labels.

    Attributes:
        accuracy: share of the held-out labels it got right, in [0, 1].
        expected_accuracy: mean probability it gave to the right class, in [0, 1]. The choice goes by this: it is
            what accuracy would be if the class were drawn from the prediction, and far less noisy on few labels.
        gain: mean difference of the expected accuracy to the plain estimator's, paired by item.
        gain_error: standard error of `gain`.
    """

    candidate: LearnerCandidate
    accuracy: float
    expected_accuracy: float
    gain: float
    gain_error: float


@dataclass(frozen=True, slots=True)
class CandidateChoice:
    """The candidate in use, why, and the number of trusted labels it was chosen on."""

    candidate: LearnerCandidate
    scores: tuple[CandidateScore, ...]
    trusted: int

    def is_stale(self, trusted: int) -> bool:
        """Whether there are enough new trusted labels (or fewer than before) to choose again."""
        return trusted < self.trusted or trusted >= self.trusted * GROWTH_BEFORE_NEXT_CHOICE


@dataclass(frozen=True, slots=True)
class TrainingDescription:
    """How a model came to be.

    Attributes:
        choice: which candidate the default learner used and its cross-validation scores; None for other estimators.
        labels: number of labels trained on.
        trusted: how many of them were trusted.
        warm: whether training started from an earlier model.
        seconds: wall-clock time of the training.
    """

    choice: CandidateChoice | None
    labels: int
    trusted: int
    warm: bool
    seconds: float
