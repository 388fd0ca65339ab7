"""How a model came to be: values that are kept with it and shown in reports."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from nextlabel.server.learners.candidates.advice_choice import AdviceChoice

GROWTH_BEFORE_NEXT_CHOICE = 1.25


class LearnerCandidate(StrEnum):
    """A way to turn labels and a pool sample into a head."""

    PLAIN = "plain"
    SELF_TRAINING = "self_training"
    AGREEMENT = "agreement"
    BALANCED_AGREEMENT = "balanced_agreement"


@dataclass(frozen=True, slots=True)
class CandidateScore:
    """How a candidate did on held-out labels, its predictions recalibrated.

    Attributes:
        described: whether the texts that describe the classes were examples of them.
        accuracy: share of the held-out labels it got right, in [0, 1].
        expected_macro_f1: mean over the classes of the F1 that the predicted probabilities have as soft counts, in
            [0, 1].
        gain: difference to the plain estimator without descriptions in the learner's measure. The choice goes by this;
            the measure is the expected macro-F1, by which every class counts alike, unless another is declared.
        gain_error: standard error of `gain`, from each item's influence on it.
    """

    candidate: LearnerCandidate
    described: bool
    accuracy: float
    expected_macro_f1: float
    gain: float
    gain_error: float


@dataclass(frozen=True, slots=True)
class CandidatePart:
    """A candidate's part in a head.

    Attributes:
        described: whether the texts that describe the classes are examples of them.
        factor: above 0, what its logits are multiplied by: its weight times its recalibration.
    """

    candidate: LearnerCandidate
    described: bool
    factor: float


@dataclass(frozen=True, slots=True)
class CandidateChoice:
    """The candidate in use, why, the number of labels it was chosen on, and how its logits are recalibrated.

    Attributes:
        candidate: the one of most weight where several are in use.
        described: whether the texts that describe the classes are examples for it.
        held_out: the labels that were predicted by models without them; 0 where nothing was compared.
        sharpness: the sum of the factors of all parts.
        noise: share of the untrusted labels that is as if drawn at random, as far as predictions tell.
        belief: in (0, 1], the part of what they would count that untrusted labels do count.
        parts: the candidates whose logits are added, by falling weight; empty where there is but the one.
    """

    candidate: LearnerCandidate
    described: bool
    scores: tuple[CandidateScore, ...]
    held_out: int
    sharpness: float = 1.0
    noise: float = 0.0
    parts: tuple[CandidatePart, ...] = ()
    belief: float = 1.0

    @property
    def in_use(self) -> tuple[CandidatePart, ...]:
        """The candidates in use, at least one."""
        return self.parts or (CandidatePart(self.candidate, self.described, self.sharpness),)

    @property
    def uses_descriptions(self) -> bool:
        """Whether the texts that describe the classes are examples for any candidate in use."""
        return any(part.described for part in self.in_use)

    def __str__(self) -> str:
        return ", ".join(dict.fromkeys(part.candidate.value for part in self.in_use))

    def is_stale(self, labels: int) -> bool:
        """Whether there are enough new labels to choose by (or fewer than before) to choose again."""
        return labels < self.held_out or labels >= self.held_out * GROWTH_BEFORE_NEXT_CHOICE


@dataclass(frozen=True, slots=True)
class TrainingDescription:
    """How a model came to be.

    Attributes:
        choice: which candidate the default learner used and its cross-validation scores; None for other estimators.
        labels: number of labels trained on.
        trusted: how many of them were trusted.
        warm: whether training started from an earlier model.
        seconds: wall-clock time of the training.
        advice: how advice is used; None where there was none.
    """

    choice: CandidateChoice | None
    labels: int
    trusted: int
    warm: bool
    seconds: float
    advice: AdviceChoice | None = None
