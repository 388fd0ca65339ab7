"""Which annotation types learn, and how: the only place that chooses a learner by the type."""

from __future__ import annotations

from collections.abc import Mapping

from nextlabel.server.domain.learning.types.multi_label import MultiLabelLearner
from nextlabel.server.domain.learning.types.preferences import PreferenceLearner
from nextlabel.server.domain.learning.types.scores import ScoreLearner
from nextlabel.server.domain.learning.types.single_label import SingleLabelLearner
from nextlabel.server.domain.learning.types.task_learner import AnyTaskLearner
from nextlabel.server.learners.specification import MEASURES_OF_A_CLASS, LearnerSpec, parse_learner_spec
from nextlabel.server.values.annotation_type import AnnotationType
from nextlabel.server.values.errors import FailedPrecondition, InvalidArgument
from nextlabel.server.values.projects.projects import Project

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
            f"project {project.name} asks for {project.annotation_type.shown} annotations, which no learner is "
            "trained on; they can be collected and exported",
            reason="NO_LEARNER",
        )
    return learner


def learner_spec(project: Project) -> LearnerSpec:
    """Return the validated specification of a project's learner.

    Raises:
        InvalidArgument: an unknown estimator, parameter or class, or what has no part in learning such annotations.
    """
    params = project.learner.params
    spec = parse_learner_spec(project.learner.name, params)
    kind = project.annotation_type.shown
    learner = _LEARNERS.get(project.annotation_type)
    if learner is not None and spec.estimator not in learner.estimators:
        raise InvalidArgument.field(
            "learner.estimator",
            f"{spec.estimator!r} does not learn {kind} annotations; allowed are "
            f"{', '.join(sorted(learner.estimators))}",
        )
    unused = [name for name in params if learner is not None and name in learner.unused_parameters]
    if unused:
        raise InvalidArgument(
            [(f"learner.params.{name}", f"has no part in learning {kind} annotations; leave it out") for name in unused]
        )
    _check_measure(spec, project.class_names)
    _check_costs(spec, project.class_names)
    return spec


def _check_measure(spec: LearnerSpec, classes: tuple[str, ...]) -> None:
    field = "learner.params.measure_class"
    if spec.measure not in MEASURES_OF_A_CLASS:
        if spec.measure_class:
            raise InvalidArgument.field(field, f"measure {spec.measure!r} is about all classes; leave it out")
    elif spec.measure_class not in classes:
        raise InvalidArgument.field(
            field, f"got {spec.measure_class!r}; measure {spec.measure!r} is about one of {', '.join(classes)}"
        )


def _check_costs(spec: LearnerSpec, classes: tuple[str, ...]) -> None:
    field, given = "learner.params.costs", dict(spec.params).get("costs")
    if spec.costs is None:
        if given:
            raise InvalidArgument.field(field, f"only measure 'cost' has costs, not {spec.measure!r}; leave them out")
    elif not given:
        raise InvalidArgument.field(field, 'measure \'cost\' needs them, such as {"fraud": {"ok": 20}}')
    else:
        named = {name for true, row in spec.costs.items() for name in (true, *row)}
        unknown = sorted(named.difference(classes))
        if unknown:
            raise InvalidArgument.field(
                field, f"{', '.join(map(repr, unknown))} is no class; the classes are {', '.join(classes)}"
            )
