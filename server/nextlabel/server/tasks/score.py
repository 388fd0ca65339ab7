"""Score: a number within a range."""

import math
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
        return f"Give a score {task.score_range}."

    @override
    def properties(self, task: Task, form: AnswerForm) -> Mapping[str, Any]:
        return {"score": {"type": "number"}}

    @override
    def usual(self, task: Task, form: AnswerForm) -> Mapping[str, Any]:
        return {"score": (task.score_range.minimum + task.score_range.maximum) / 2}

    @override
    def read(self, entry: Mapping[str, Any], task: Task, form: AnswerForm) -> Draft:
        value = entry.get("score")
        if isinstance(value, bool) or not isinstance(value, int | float) or not task.score_range.allows(value):
            raise InvalidAnswerError(f"score {str(value)[:80]} is not a number {task.score_range}")
        return Draft(Outcome.LABEL, body=Score(float(value)))

    @override
    def shown(self, body: Score) -> str:
        return f"{body.value:g}"

    @override
    def compared(self, body: Score) -> Hashable:
        return body.value

    @override
    def plain(self, body: Score) -> float:
        return body.value

    @override
    def written(self, body: Score) -> str:
        return repr(body.value)

    @override
    def parsed(self, text: str) -> Score | None:
        try:
            value = float(text)
        except ValueError:
            return None
        return Score(value) if math.isfinite(value) else None

    @override
    def same(self, one: Score, other: Score, project: Project) -> bool:
        """Scores of people who agree differ a little: the range says by how much."""
        return project.score_range.same(one.value, other.value)

    @override
    def counted_as(self, body: Score, project: Project) -> Hashable:
        """The place of the score among intervals as wide as scores that are the same answer may be apart."""
        return round(body.value / (2 * project.score_range.tolerance))

    @override
    def wrong(self, body: Score, draw: int, task: Task) -> Score:
        allowed = task.score_range
        # Mirrored at the middle, a score is as wrong as its distance from it; the middle itself goes to one end.
        mirrored = allowed.minimum + allowed.maximum - body.value
        ends = (allowed.minimum, allowed.maximum)
        return Score(ends[draw % 2] if allowed.same(mirrored, body.value) else mirrored)

    @override
    def problem(self, body: Score, project: Project) -> str:
        allowed = project.score_range
        return "" if allowed.allows(body.value) else f"a score lies {allowed}, got {body.value:g}"

    @override
    def merge(self, drafts: Sequence[Draft]) -> CombinedDraft:
        """The mean; agreement is the share of samples that equal the first."""
        values = [draft.body.value for draft in drafts if isinstance(draft.body, Score)]
        mean = replace(drafts[0], body=Score(fmean(values)), probability=mean_probability(drafts))
        return CombinedDraft(mean, values.count(values[0]) / len(values))
