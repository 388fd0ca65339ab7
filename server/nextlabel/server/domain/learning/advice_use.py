"""What is told of the advice in a model: how the version uses it, and which predictions rest on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace

from nextlabel.server.domain.learning.types.task_learner import PredictedAnswer
from nextlabel.server.learners.advice.features import AdviceFeatures
from nextlabel.server.learners.candidates.advice_choice import AdviceChoice
from nextlabel.server.learners.persistence import TrainedModel
from nextlabel.server.values.annotation_type import AnnotationType
from nextlabel.server.values.ids import JsonObject
from nextlabel.server.values.projects.projects import Project


def unheard(project: Project) -> str:
    """Return why the learner of a project does not hear advice, '' where it does."""
    if project.annotation_type is AnnotationType.SINGLE_LABEL and project.learner.name == "default":
        return ""
    of = f"{project.learner.name} of {project.annotation_type.shown} annotations"
    return f"the learner hears no advice ({of}; the default learner of single labels does): only estimates rest on it"


def kept_use(choice: AdviceChoice | None) -> JsonObject:
    """Return what is kept of how advice is used: nothing where there was none."""
    if choice is None:
        return {}
    return {
        "use": choice.use.value,
        "advisors": list(choice.advisors),
        "held_out": choice.held_out,
        "scores": {score.use.value: score.expected_macro_f1 for score in choice.scores},
        "accuracies": {score.use.value: score.accuracy for score in choice.scores},
        "worths": [asdict(worth) for worth in choice.worths],
    }


def with_sources(
    answers: Sequence[PredictedAnswer], model: TrainedModel, advice: AdviceFeatures | None
) -> Sequence[PredictedAnswer]:
    """Return the answers with what each rests on: without advice that counts, the learner alone."""
    choice = model.description.advice
    if advice is None or choice is None or not model.hears(advice):
        return answers
    given_n = advice.given_N.tolist()
    return [
        replace(answer, source=choice.use) if given else answer for answer, given in zip(answers, given_n, strict=True)
    ]
