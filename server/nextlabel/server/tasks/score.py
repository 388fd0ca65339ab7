"""Score: a number within a range."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from statistics import fmean
from typing import Any

from typing_extensions import override

from nextlabel.server.tasks.drafts import AnswerForm, CombinedDraft, Draft, InvalidAnswerError, mean_probability
from nextlabel.server.tasks.task_type import TaskType
from nextlabel.server.values.labeling.answers import Outcome, Score
from nextlabel.server.values.labeling.metric import Metric
from nextlabel.server.values.labeling.tasks import Task
from nextlabel.server.values.projects.projects import Project


class ScoreType(TaskType[Score]):
    """A number within the task's range."""

    body = Score
    metric = Metric.INTERVAL

    @override
    def rule(self, task: Task, form: AnswerForm) -> str:
        low, high = task.score_range
        return f"Give a score from {low:g} to {high:g}."

    @override
    def properties(self, task: Task, form: AnswerForm) -> Mapping[str, Any]:
        return {"score": {"type": "number"}}

    @override
    def usual(self, task: Task, form: AnswerForm) -> Mapping[str, Any]:
        return {"score": 0.5}

    @override
    def read(self, entry: Mapping[str, Any], task: Task, form: AnswerForm) -> Draft:
        value, (low, high) = entry.get("score"), task.score_range
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            raise InvalidAnswerError(f"score {str(value)[:80]} is not a number from {low:g} to {high:g}")
        return Draft(Outcome.LABEL, body=Score(float(value)))

    @override
    def shown(self, body: Score) -> str:
        return f"{body.value:g}"

    @override
    def compared(self, body: Score) -> Hashable:
        return body.value

    @override
    def problem(self, body: Score, project: Project) -> str:
        return "" if 0.0 <= body.value <= 1.0 else f"a score lies from 0 to 1, got {body.value:g}"

    @override
    def merge(self, drafts: Sequence[Draft]) -> CombinedDraft:
        """The mean; agreement is the share of samples that equal the first."""
        values = [draft.body.value for draft in drafts if isinstance(draft.body, Score)]
        mean = replace(drafts[0], body=Score(fmean(values)), probability=mean_probability(drafts))
        return CombinedDraft(mean, values.count(values[0]) / len(values))
