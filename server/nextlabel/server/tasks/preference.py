"""Preference: which of two alternatives is better, asked in both orders."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from enum import StrEnum
from typing import Any

from typing_extensions import override

from nextlabel.server.tasks.drafts import AnswerForm, CombinedDraft, Draft, InvalidAnswerError, mean_probability, usable
from nextlabel.server.tasks.task_type import TaskType
from nextlabel.server.values.labeling.answers import (
    PREFERENCES,
    Answer,
    Body,
    Outcome,
    Preference,
    PreferredAlternative,
)
from nextlabel.server.values.labeling.tasks import Task
from nextlabel.server.values.projects.projects import Project

_WORDS = {
    "first": PreferredAlternative.A,
    "second": PreferredAlternative.B,
    "tie": PreferredAlternative.TIE,
}
_SHOWN = {choice: word for word, choice in _WORDS.items()}
_MIRRORED = {
    PreferredAlternative.A: PreferredAlternative.B,
    PreferredAlternative.B: PreferredAlternative.A,
    PreferredAlternative.TIE: PreferredAlternative.TIE,
}
_ORDERS = 2
_DISAGREE = "the two orders disagree"


class PreferredPlace(StrEnum):
    """What contradictory answers to the two orders of a pair have in common: the place of what was preferred.

    `NONE` where they contradict each other in no such way, or not at all.
    """

    NONE = ""
    FIRST = "each time it preferred what came first"
    SECOND = "each time it preferred what came second"


def place_preferred(answer: Answer) -> PreferredPlace | None:
    """Which place an annotator preferred that was asked in both orders; None for one that was not."""
    if not isinstance(answer.body, Preference) or "agreement" not in answer.signals:
        return None
    for place in (PreferredPlace.FIRST, PreferredPlace.SECOND):
        if answer.detail == _disagreement(place):
            return place
    return PreferredPlace.NONE


def is_consistent(answer: Answer) -> bool:
    """Whether an annotator that was asked in both orders gave the same answer to them."""
    return not answer.detail.startswith(_DISAGREE)


class PreferenceType(TaskType[Preference]):
    """Which alternative is better. Models prefer a place, so each item is asked in both orders (Zheng et al. 2023)."""

    body = Preference
    pairs = True
    both_orders = True

    @override
    def rule(self, task: Task, form: AnswerForm) -> str:
        return "Say which answer is better: first, second, or tie."

    @override
    def properties(self, task: Task, form: AnswerForm) -> Mapping[str, Any]:
        return {"better": {"type": "string", "enum": list(_WORDS)}}

    @override
    def usual(self, task: Task, form: AnswerForm) -> Mapping[str, Any]:
        return {"better": "second"}

    @override
    def read(self, entry: Mapping[str, Any], task: Task, form: AnswerForm) -> Draft:
        better = entry.get("better")
        if not isinstance(better, str) or better not in _WORDS:
            raise InvalidAnswerError(f"{str(better)[:80]!r} is none of first, second, tie")
        return Draft(Outcome.LABEL, body=Preference(_WORDS[better]))

    @override
    def shown(self, body: Preference) -> str:
        return _SHOWN[body.choice]

    @override
    def compared(self, body: Preference) -> Hashable:
        return body.choice

    @override
    def plain(self, body: Preference) -> str:
        return body.choice.value

    @override
    def choices(self, project: Project) -> tuple[str, ...]:
        return tuple(choice.value for choice in PREFERENCES)

    @override
    def written(self, body: Preference) -> str:
        return body.choice.value

    @override
    def parsed(self, text: str) -> Preference | None:
        return Preference(PreferredAlternative(text)) if text in set(PreferredAlternative) else None

    @override
    def wrong(self, body: Preference, draw: int, task: Task) -> Preference:
        others = [choice for choice in PREFERENCES if choice is not body.choice]
        return Preference(others[draw % len(others)])

    @override
    def samples(self, agree: int, most: int) -> tuple[int, int]:
        return _ORDERS, _ORDERS

    @override
    def enough(self, drafts: Sequence[Draft], agree: int, most: int) -> bool:
        return len(drafts) >= _ORDERS or not usable(drafts)

    @override
    def combine(self, drafts: Sequence[Draft]) -> CombinedDraft:
        """The answer that both orders give; unequal ones are a tie."""
        if len(drafts) < _ORDERS:
            return super().combine(drafts)
        shown, swapped = drafts[0], drafts[1]
        for draft in (shown, swapped):
            if not draft.outcome.reaches_learner:
                return CombinedDraft(draft, None)
        second = replace(swapped, body=_mirrored(swapped.body))
        if shown.body == second.body:
            return CombinedDraft(replace(shown, probability=mean_probability([shown, second])), 1.0)
        tie = Preference(PreferredAlternative.TIE)
        detail = _disagreement(_place(shown.body, swapped.body))
        return CombinedDraft(replace(shown, body=tie, probability=None, detail=detail), 0.5)


def _place(shown: Body | None, swapped: Body | None) -> PreferredPlace:
    if shown != swapped or not isinstance(shown, Preference):
        return PreferredPlace.NONE
    return PreferredPlace.FIRST if shown.choice is PreferredAlternative.A else PreferredPlace.SECOND


def _disagreement(place: PreferredPlace) -> str:
    return f"{_DISAGREE}: {place.value}" if place else _DISAGREE


def _mirrored(body: Body | None) -> Body | None:
    return Preference(_MIRRORED[body.choice]) if isinstance(body, Preference) else body
