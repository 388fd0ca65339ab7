"""Which annotation types learn, and how: the only place that chooses a learner by the type."""

from __future__ import annotations

from collections.abc import Mapping

from nextlabel.server.domain.learning.multi_label import MultiLabelLearner
from nextlabel.server.domain.learning.preferences import PreferenceLearner
from nextlabel.server.domain.learning.scores import ScoreLearner
from nextlabel.server.domain.learning.single_label import SingleLabelLearner
from nextlabel.server.domain.learning.task_learner import AnyTaskLearner
from nextlabel.server.learners.specification import LearnerSpec, parse_learner_spec
from nextlabel.server.values.annotation_type import AnnotationType
from nextlabel.server.values.errors import FailedPrecondition, InvalidArgument
from nextlabel.server.values.projects.projects import Component, Project

_LEARNERS: Mapping[AnnotationType, AnyTaskLearner] = {
    AnnotationType.SINGLE_LABEL: SingleLabelLearner(),
    AnnotationType.MULTI_LABEL: MultiLabelLearner(),
    AnnotationType.SCORE: ScoreLearner(),
    AnnotationType.PREFERENCE: PreferenceLearner(),
}


def learns(project: Project) -> bool:
    """Whether a learner is trained on the annotations that a project asks for."""
    return project.annotation_type in _LEARNERS


def task_learner(project: Project) -> AnyTaskLearner:
    """Return the learner of a project's annotation type.

    Raises:
        FailedPrecondition: no learner is trained on such annotations.
    """
    learner = _LEARNERS.get(project.annotation_type)
    if learner is None:
        raise FailedPrecondition(
            f"project {project.name} asks for {project.annotation_type.value} annotations, which no learner is "
            "trained on; they can be collected and exported",
            reason="NO_LEARNER",
        )
    return learner


def learner_spec(annotation_type: AnnotationType, choice: Component) -> LearnerSpec:
    """Return the validated specification of the learner of a project of this type.

    Raises:
        InvalidArgument: an unknown estimator or parameter, or an estimator that does not learn such annotations.
    """
    spec = parse_learner_spec(choice.name, choice.params)
    learner = _LEARNERS.get(annotation_type)
    if learner is not None and spec.estimator not in learner.estimators:
        raise InvalidArgument.field(
            "learner.estimator",
            f"{spec.estimator!r} does not learn {annotation_type.value} annotations; allowed are "
            f"{', '.join(sorted(learner.estimators))}",
        )
    if learner is not None and choice.params and not learner.takes_parameters:
        raise InvalidArgument.field(
            "learner.params",
            f"the learner of {annotation_type.value} annotations has none to set; leave out {', '.join(choice.params)}",
        )
    return spec
