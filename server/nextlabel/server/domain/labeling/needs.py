"""Which answers are of use, what an item without one needs, and who may be asked about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nextlabel.server.assessment.consensus.votes import Consensus
from nextlabel.server.values.labeling.annotations import Annotation, AnnotatorKind
from nextlabel.server.values.labeling.answers import Outcome
from nextlabel.server.values.labeling.item_states import ItemNeed, NeedReason
from nextlabel.server.values.limits import Limits


@dataclass(frozen=True, slots=True)
class Asker:
    """Who wants to ask about items: an annotator ('' for anyone), a person or a program, within a run or not ('')."""

    annotator: str = ""
    run: str = ""
    person: bool = False


def need_of(given: Sequence[Annotation], agreed: Consensus | None, limits: Limits) -> ItemNeed | None:
    """Return what an item with these annotations needs; None when they answer it.

    Answers that contradict each other evenly answer nothing. Failures say nothing about the item, so that they never
    make it one that is given up.
    """
    useful = [a for a in given if a.outcome.reaches_learner]
    split = agreed is not None and agreed.split
    if useful and not split:
        return None
    newest = given[-1]
    if useful:
        reason, spent = NeedReason.NO_AGREEMENT, len({a.annotator for a in useful})
    else:
        reason, spent = NeedReason(newest.outcome.value), _useless(given)
    return ItemNeed(reason, len(given), newest.annotator, newest.answer.detail, spent >= limits.useless_answers)


def may_ask(asker: Asker, given: Sequence[Annotation], agreed: Consensus | None, limits: Limits) -> bool:
    """Return whether somebody may be asked about an item whose annotations are of no use.

    Nobody is asked again who has answered it or, being a person, has skipped it. A program is not asked again in the
    run in which it gave an answer without use, not after too many of them from anyone, and not to settle what people
    disagree on.
    """
    if any(a.annotator == asker.annotator and a.outcome.reaches_learner for a in given):
        return False
    if asker.person:
        skipped = [a for a in given if a.kind is AnnotatorKind.HUMAN and a.outcome is Outcome.SKIPPED]
        others = {a.annotator for a in skipped}
        # A run of people is for anyone: what one of them has skipped waits for another to lease it.
        return asker.annotator not in others and (bool(asker.annotator) or not others)
    if (agreed is not None and agreed.trusted) or _answered_in_vain(given, asker.run):
        return False
    return max(_useless(given), agreed.annotations if agreed else 0) < limits.useless_answers


def _useless(given: Sequence[Annotation]) -> int:
    return sum(not a.outcome.reaches_learner and a.outcome is not Outcome.FAILED for a in given)


def _answered_in_vain(given: Sequence[Annotation], run: str) -> bool:
    useless = (a for a in given if not a.outcome.reaches_learner and a.outcome is not Outcome.FAILED)
    return bool(run) and any(a.run == run for a in useless)
