"""How far a judge of labels can be trusted: its verdicts beside what gold says of the same labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from nextlabel.server.assessment.intervals import Estimate, wilson_interval

ENOUGH: Final = 20
"""Answers about gold items that a judge has to have judged before a filter may go by it."""


@dataclass(frozen=True, slots=True)
class JudgeOnGold:
    """What a judge said of ``answers`` answers about gold items.

    ``accuracy`` is the share of verdicts that gold confirms; ``precision`` the share of those called wrong that are,
    ``recall`` the share of wrong ones that are called so, ``rejected`` the share of right ones that are called wrong;
    each None where there are none. ``right_before`` and ``right_after`` are the shares of right answers among all and
    among those that are not called wrong.
    """

    answers: int
    accuracy: Estimate
    precision: Estimate | None
    recall: Estimate | None
    rejected: Estimate | None
    right_before: Estimate
    right_after: Estimate | None


def judge_on_gold(verdicts: Sequence[tuple[bool, bool]]) -> JudgeOnGold | None:
    """Return how a judge did; each verdict is whether the answer is right, and whether it was called wrong.

    >>> found = judge_on_gold([(True, False)] * 7 + [(False, True)] * 2 + [(True, True)])
    >>> found.accuracy.value, found.right_before.value, found.right_after.value
    (0.9, 0.8, 1.0)
    """
    if not verdicts:
        return None
    counts = {(right, called): 0 for right in (True, False) for called in (True, False)}
    for verdict in verdicts:
        counts[verdict] += 1
    kept, lost = counts[True, False], counts[True, True]
    caught, missed = counts[False, True], counts[False, False]
    return JudgeOnGold(
        answers=len(verdicts),
        accuracy=wilson_interval(kept + caught, len(verdicts)),
        precision=_share(caught, caught + lost),
        recall=_share(caught, caught + missed),
        rejected=_share(lost, kept + lost),
        right_before=wilson_interval(kept + lost, len(verdicts)),
        right_after=_share(kept, kept + missed),
    )


def _share(hits: int, n: int) -> Estimate | None:
    return wilson_interval(hits, n) if n else None
