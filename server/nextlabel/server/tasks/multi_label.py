"""Multi-label: every class of the label space that applies, none included."""

import json
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

from typing_extensions import override

from nextlabel.server.tasks.drafts import AnswerForm, Draft, InvalidAnswerError
from nextlabel.server.tasks.label_space import known_label, label_schema, unknown_label, usual_label
from nextlabel.server.tasks.task_type import TaskType
from nextlabel.server.values.labeling.answers import MultiLabel, Outcome
from nextlabel.server.values.labeling.metric import Metric
from nextlabel.server.values.labeling.tasks import Task
from nextlabel.server.values.projects.label_paths import with_ancestors, without
from nextlabel.server.values.projects.projects import LabelClass, Project

_PATHS = (
    " A label with / is a kind of the label before its last /, which applies wherever it does: give the most specific "
    "labels that apply; those above them may be left out."
)


class MultiLabelType(TaskType[MultiLabel]):
    """Any number of classes of the label space."""

    body = MultiLabel
    needs_classes = True
    metric = Metric.MASI

    @override
    def rule(self, task: Task, form: AnswerForm) -> str:
        rule = "Give every label that applies, spelled as listed; none is an answer too."
        return rule + _PATHS if any(label.parent for label in task.labels) else rule

    @override
    def properties(self, task: Task, form: AnswerForm) -> Mapping[str, Any]:
        return {"labels": {"type": "array", "items": label_schema(task)}}

    @override
    def usual(self, task: Task, form: AnswerForm) -> Mapping[str, Any]:
        return {"labels": [usual_label(task)]}

    @override
    def read(self, entry: Mapping[str, Any], task: Task, form: AnswerForm) -> Draft:
        labels = entry.get("labels")
        if not isinstance(labels, list):
            raise InvalidAnswerError("labels are no list")
        body = MultiLabel(tuple(known_label(label, task) for label in labels))
        return Draft(Outcome.LABEL, body=self.completed(body, task.labels))

    @override
    def shown(self, body: MultiLabel) -> str:
        return ", ".join(body.names) or "(none)"

    @override
    def compared(self, body: MultiLabel) -> Hashable:
        return frozenset(body.names)

    @override
    def plain(self, body: MultiLabel) -> list[str]:
        return list(body.names)

    @override
    def classes(self, body: MultiLabel) -> tuple[str, ...]:
        return body.names

    @override
    def written(self, body: MultiLabel) -> str:
        return json.dumps(body.names, ensure_ascii=False)

    @override
    def parsed(self, text: str) -> MultiLabel | None:
        try:
            names = json.loads(text)
        except ValueError:
            return None
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            return None
        return MultiLabel(tuple(names))

    @override
    def completed(self, body: MultiLabel, classes: Sequence[LabelClass]) -> MultiLabel:
        """The classes with all that they are kinds of."""
        return MultiLabel(with_ancestors(body.names, classes))

    @override
    def wrong(self, body: MultiLabel, draw: int, task: Task) -> MultiLabel:
        """One class too many or too few, with what that implies."""
        flipped = task.label_names[draw % len(task.labels)]
        if flipped in body.names:
            return MultiLabel(without(body.names, flipped, task.labels))
        return MultiLabel(with_ancestors((*body.names, flipped), task.labels))

    @override
    def problem(self, body: MultiLabel, project: Project) -> str:
        wrong = next((name for name in body.names if name not in project.class_names), None)
        return "" if wrong is None else unknown_label(wrong, project)
