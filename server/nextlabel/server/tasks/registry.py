"""The annotation types there are."""

from collections.abc import Mapping
from typing import Any

from nextlabel.server.tasks.multi_label import MultiLabelType
from nextlabel.server.tasks.preference import PreferenceType
from nextlabel.server.tasks.score import ScoreType
from nextlabel.server.tasks.single_label import SingleLabelType
from nextlabel.server.tasks.task_type import TaskType
from nextlabel.server.tasks.text import TextType
from nextlabel.server.values.annotation_type import AnnotationType
from nextlabel.server.values.labeling.answers import Body

_TYPES: Mapping[AnnotationType, TaskType[Any]] = {
    AnnotationType.SINGLE_LABEL: SingleLabelType(),
    AnnotationType.MULTI_LABEL: MultiLabelType(),
    AnnotationType.SCORE: ScoreType(),
    AnnotationType.PREFERENCE: PreferenceType(),
    AnnotationType.TEXT: TextType(),
}
_BY_BODY: Mapping[type[Body], TaskType[Any]] = {kind.body: kind for kind in _TYPES.values()}


def task_type(annotation_type: AnnotationType) -> TaskType[Any]:
    """What there is to know about an annotation type.

    >>> task_type(AnnotationType.MULTI_LABEL).needs_classes
    True
    """
    return _TYPES[annotation_type]


def type_of(body: Body) -> TaskType[Any]:
    """The annotation type that an answer is of."""
    return _BY_BODY[type(body)]
