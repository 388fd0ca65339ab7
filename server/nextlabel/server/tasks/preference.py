"""Preference: which of two alternatives is better, asked in both orders."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from typing_extensions import override

from nextlabel.server.tasks.drafts import AnswerForm, CombinedDraft, Draft, InvalidAnswerError, mean_probability, usable
from nextlabel.server.tasks.task_type import TaskType
from nextlabel.server.values.labeling.answers import PREFERENCES, Body, Outcome, Preference, PreferredAlternative
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
        return CombinedDraft(replace(shown, body=tie, probability=None, detail="the two orders disagree"), 0.5)


def _mirrored(body: Body | None) -> Body | None:
    return Preference(_MIRRORED[body.choice]) if isinstance(body, Preference) else body
