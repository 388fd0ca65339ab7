"""Single label: one class of the label space, or several candidates with their probabilities."""

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from typing_extensions import override

from nextlabel.server.tasks.drafts import (
    AnswerForm,
    CombinedDraft,
    Draft,
    InvalidAnswerError,
    plurality,
    probability_in,
    votes,
)
from nextlabel.server.tasks.json_schema import closed_object
from nextlabel.server.tasks.label_space import known_label, label_schema, unknown_label, usual_label
from nextlabel.server.tasks.task_type import TaskType
from nextlabel.server.values.labeling.answers import Candidate, Label, Outcome
from nextlabel.server.values.labeling.tasks import Task
from nextlabel.server.values.projects.projects import Project


class SingleLabelType(TaskType[Label]):
    """One class of the label space."""

    body = Label
    needs_classes = True
    one_class = True

    @override
    def rule(self, task: Task, form: AnswerForm) -> str:
        if not form.candidates:
            return "Give exactly one label, spelled as listed."
        return (
            f"Give up to {form.candidates} labels that may be right, spelled as listed, most probable first, "
            "each with its probability p between 0 and 1; one label is enough when you are sure."
        )

    @override
    def properties(self, task: Task, form: AnswerForm) -> Mapping[str, Any]:
        if not form.candidates:
            return {"label": label_schema(task)}
        candidate = closed_object({"label": label_schema(task), "p": {"type": "number"}})
        return {"candidates": {"type": "array", "items": candidate}}

    @override
    def usual(self, task: Task, form: AnswerForm) -> Mapping[str, Any]:
        label = usual_label(task)
        if not form.candidates:
            return {"label": label}
        return {"candidates": [{"label": label, "p": 0.7}, {"label": label, "p": 0.2}]}

    @override
    def read(self, entry: Mapping[str, Any], task: Task, form: AnswerForm) -> Draft:
        if form.candidates:
            return _read_candidates(entry.get("candidates"), task)
        return Draft(Outcome.LABEL, body=Label(known_label(entry.get("label"), task)))

    @override
    def shown(self, body: Label) -> str:
        return body.name

    @override
    def compared(self, body: Label) -> Hashable:
        return body.name

    @override
    def plain(self, body: Label) -> str:
        return body.name

    @override
    def classes(self, body: Label) -> tuple[str, ...]:
        return (body.name,)

    @override
    def written(self, body: Label) -> str:
        return body.name

    @override
    def parsed(self, text: str) -> Label | None:
        return Label(text) if text else None

    @override
    def wrong(self, body: Label, draw: int, task: Task) -> Label:
        others = [name for name in task.label_names if name != body.name]
        return Label(others[draw % len(others)])

    @override
    def problem(self, body: Label, project: Project) -> str:
        return "" if body.name in project.class_names else unknown_label(body.name, project)

    @override
    def states_confidence(self, form: AnswerForm) -> bool:
        # Candidates carry their probabilities themselves.
        return form.confidence and not form.candidates

    @override
    def merge(self, drafts: Sequence[Draft]) -> CombinedDraft:
        """The plurality; a tie becomes candidates with their vote shares, never a coin flip."""
        cast = votes(drafts)
        count = cast.most_common(1)[0][1]
        if list(cast.values()).count(count) == 1:
            return plurality(drafts)
        candidates = tuple(
            Candidate(body.name, number / len(drafts)) for body, number in cast.most_common() if isinstance(body, Label)
        )
        split = replace(
            drafts[0],
            outcome=Outcome.CANDIDATES,
            body=Label(candidates[0].label),
            candidates=candidates,
            probability=None,
            detail="the samples disagree",
        )
        return CombinedDraft(split, count / len(drafts))


def _read_candidates(entries: Any, task: Task) -> Draft:
    if not isinstance(entries, list) or not entries or not all(isinstance(entry, dict) for entry in entries):
        raise InvalidAnswerError("no candidates")
    candidates = []
    for entry in entries:
        probability = probability_in(entry.get("p"))
        if probability is None:
            raise InvalidAnswerError(f"p of a candidate is {str(entry.get('p'))[:40]}, not in [0, 1]")
        candidates.append(Candidate(known_label(entry.get("label"), task), probability))
    if len({candidate.label for candidate in candidates}) < len(candidates):
        raise InvalidAnswerError("a label occurs twice among the candidates")
    candidates.sort(key=lambda candidate: (-candidate.probability, task.label_names.index(candidate.label)))
    total = math.fsum(candidate.probability for candidate in candidates)
    if total > 1.0:
        candidates = [Candidate(candidate.label, candidate.probability / total) for candidate in candidates]
    best = candidates[0]
    if len(candidates) == 1:
        return Draft(Outcome.LABEL, body=Label(best.label), probability=best.probability)
    return Draft(Outcome.CANDIDATES, body=Label(best.label), candidates=tuple(candidates), probability=best.probability)
