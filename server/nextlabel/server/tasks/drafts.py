"""What a reply says about one item, and what several replies about it add up to."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from nextlabel.server.values.labeling.answers import Body, Candidate, Outcome


@dataclass(frozen=True, slots=True)
class AnswerForm:
    """What an answer holds beside the judgement itself.

    `candidates` is how many labels with probabilities may be named instead of one, 0 for one; `confidence` and
    `justification` say whether the model states how sure it is, and why; `reason_first` that it says why before it
    answers.
    """

    candidates: int = 0
    confidence: bool = False
    justification: bool = False
    reason_first: bool = False


@dataclass(frozen=True, slots=True)
class Draft:
    """What one reply says about one item, before provenance and calibration.

    `probability` is the verbalised one, or None. `distribution` is over the whole label space, from token
    probabilities, or empty. `final` says that asking about the item alone once more, with more room, would not help.
    """

    outcome: Outcome
    body: Body | None = None
    candidates: tuple[Candidate, ...] = ()
    rationale: str = ""
    probability: float | None = None
    distribution: tuple[Candidate, ...] = ()
    detail: str = ""
    final: bool = False


@dataclass(frozen=True, slots=True)
class CombinedDraft:
    """The draft that several samples add up to. `agreement` in (0, 1], None for fewer than two usable samples."""

    draft: Draft
    agreement: float | None


class InvalidAnswerError(ValueError):
    """An answer that does not fit the task; the message says why."""


def usable(drafts: Sequence[Draft]) -> list[Draft]:
    """The drafts that hold an answer."""
    return [draft for draft in drafts if draft.outcome.reaches_learner]


def votes(drafts: Sequence[Draft]) -> Counter[Body]:
    """How many drafts hold each answer."""
    return Counter(draft.body for draft in drafts if draft.outcome.reaches_learner and draft.body is not None)


def settled(drafts: Sequence[Draft], agree: int, most: int) -> bool:
    """True when no further sample is worth its price: `agree` are equal, or there are `most` already."""
    cast = votes(drafts)
    return len(drafts) >= most or (bool(cast) and cast.most_common(1)[0][1] >= min(agree, most))


def plurality(drafts: Sequence[Draft]) -> CombinedDraft:
    """The most frequent answer of usable drafts, with its share of them."""
    best, count = votes(drafts).most_common(1)[0]
    supporting = [draft for draft in drafts if draft.body == best]
    return CombinedDraft(replace(supporting[0], probability=mean_probability(supporting)), count / len(drafts))


def mean_probability(drafts: Sequence[Draft]) -> float | None:
    """The mean of the stated probabilities; None when none is stated."""
    stated = [draft.probability for draft in drafts if draft.probability is not None]
    return fmean(stated) if stated else None


def probability_in(value: object) -> float | None:
    """The probability that a reply holds, or None when it is none; it is never clipped into the range."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0.0 <= value <= 1.0:
        return None
    return float(value)
