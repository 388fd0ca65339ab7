"""How a model uses advice, and why: values that are kept with it and shown in reports."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class AdviceUse(StrEnum):
    """What predicts an item that has advice."""

    ADVICE = "advice"
    LEARNER = "learner"
    BOTH = "both"


@dataclass(frozen=True, slots=True)
class AdviceScore:
    """How one use of advice did on held-out labels.

    Attributes:
        accuracy: share of these labels it got right, in [0, 1].
        expected_macro_f1: mean over the classes of the F1 with probabilities as soft counts, in [0, 1].
        gain: difference to the advice alone, recalibrated, in the learner's measure; the choice goes by this.
        gain_error: standard error of `gain`.
    """

    use: AdviceUse
    accuracy: float
    expected_macro_f1: float
    gain: float
    gain_error: float


@dataclass(frozen=True, slots=True)
class AdvisorWorth:
    """What one advisor is worth.

    Attributes:
        labels: trusted labels of items that it advised on, answers of gold items among them.
        right: on how many of them the class that it holds most probable is the label.
        weight: by how much its naming a class, as surely as usual, raises the log-odds of that class against the
            others, on the mean over classes; 0 where advice is not heard.
    """

    advisor: str
    labels: int
    right: int
    weight: float


@dataclass(frozen=True, slots=True)
class AdviceChoice:
    """The use of advice that was chosen, of whose, why, and on how many held-out labels and gold answers with advice.

    ``worths`` is in the order of ``advisors``; empty in models from before it was kept.
    """

    use: AdviceUse
    advisors: tuple[str, ...]
    scores: tuple[AdviceScore, ...]
    held_out: int
    worths: tuple[AdvisorWorth, ...] = ()
