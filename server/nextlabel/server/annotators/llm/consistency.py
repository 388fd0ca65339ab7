"""Several samples of one item become one answer, with the agreement they showed.

Variants of the prompt (label order permuted, paraphrased) tell more than repeats, which tend to be identical
(Li et al. 2023, CoAnnotating).
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from nextlabel.server.annotators.llm.asking import Sample
from nextlabel.server.annotators.llm.decoding import Draft
from nextlabel.server.values.answers import (
    Body,
    Candidate,
    Label,
    MultiLabel,
    Outcome,
    Preference,
    PreferredAlternative,
    Score,
    Text,
)


@dataclass(frozen=True, slots=True)
class CombinedDraft:
    """The draft that several samples add up to. `agreement` in (0, 1], None for fewer than two usable samples."""

    draft: Draft
    agreement: float | None


def settled(samples: Sequence[Sample], agree: int, most: int) -> bool:
    """True when no further sample is worth its price: enough are equal, or there are as many as allowed."""
    votes = _votes(samples)
    return len(samples) >= most or (bool(votes) and votes.most_common(1)[0][1] >= min(agree, most))


def combine(samples: Sequence[Sample]) -> CombinedDraft:
    """The plurality answer. A tie between labels becomes candidates with their vote shares, never a coin flip."""
    usable = [sample.draft for sample in samples if sample.draft.outcome.reaches_learner]
    if not usable:
        return CombinedDraft(samples[-1].draft, None)
    if len(usable) == 1:
        return CombinedDraft(usable[0], None)
    if all(isinstance(draft.body, Score) for draft in usable):
        return _mean_score(usable)
    votes = _votes(samples)
    best, count = votes.most_common(1)[0]
    agreement = count / len(usable)
    tied = [body for body, number in votes.items() if number == count]
    if len(tied) > 1 and isinstance(best, Label):
        return CombinedDraft(_split_vote(usable, votes), agreement)
    supporting = [draft for draft in usable if draft.body == best]
    return CombinedDraft(replace(supporting[0], probability=_mean_probability(supporting)), agreement)


def combine_orders(shown: Sample, swapped: Sample) -> CombinedDraft:
    """A preference asked in both orders (Zheng et al. 2023): equal answers stand, unequal ones are a tie."""
    for sample in (shown, swapped):
        if not sample.draft.outcome.reaches_learner:
            return CombinedDraft(sample.draft, None)
    second = replace(swapped.draft, body=_mirrored(swapped.draft.body))
    agree = shown.draft.body == second.body
    if not agree:
        tie = Preference(PreferredAlternative.TIE)
        detail = "the two orders disagree"
        return CombinedDraft(replace(shown.draft, body=tie, probability=None, detail=detail), 0.5)
    return CombinedDraft(replace(shown.draft, probability=_mean_probability([shown.draft, second])), 1.0)


def _votes(samples: Sequence[Sample]) -> Counter[Body]:
    drafts = [sample.draft for sample in samples]
    return Counter(draft.body for draft in drafts if draft.outcome.reaches_learner and draft.body is not None)


def _split_vote(drafts: Sequence[Draft], votes: Counter[Body]) -> Draft:
    candidates = tuple(
        Candidate(body.name, number / len(drafts)) for body, number in votes.most_common() if isinstance(body, Label)
    )
    return replace(
        drafts[0],
        outcome=Outcome.CANDIDATES,
        body=Label(candidates[0].label),
        candidates=candidates,
        probability=None,
        detail="the samples disagree",
    )


def _mean_score(drafts: Sequence[Draft]) -> CombinedDraft:
    values = [draft.body.value for draft in drafts if isinstance(draft.body, Score)]
    mean = replace(drafts[0], body=Score(fmean(values)), probability=_mean_probability(drafts))
    return CombinedDraft(mean, values.count(values[0]) / len(values))


def _mean_probability(drafts: Sequence[Draft]) -> float | None:
    stated = [draft.probability for draft in drafts if draft.probability is not None]
    return fmean(stated) if stated else None


def _mirrored(body: Body | None) -> Body | None:
    match body:
        case Preference(PreferredAlternative.A):
            return Preference(PreferredAlternative.B)
        case Preference(PreferredAlternative.B):
            return Preference(PreferredAlternative.A)
        case Label() | MultiLabel() | Score() | Preference() | Text() | None:
            return body
