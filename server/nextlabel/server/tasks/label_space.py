"""Names of the label space: an answer uses them as they are spelled, or is refused."""

import json
from collections.abc import Sequence
from typing import Any

from nextlabel.server.tasks.drafts import InvalidAnswerError
from nextlabel.server.values.labeling.tasks import Task
from nextlabel.server.values.projects.projects import LabelClass, Project

_SHOWN = 20


def label_schema(task: Task) -> dict[str, Any]:
    """The schema of one label of a task."""
    return {"type": "string", "enum": list(task.label_names)}


def known_label(label: Any, task: Task) -> str:
    """`label`, if it is in the label space of the task; else raise `InvalidAnswerError`."""
    if label is None:
        raise InvalidAnswerError("no label was given")
    if not isinstance(label, str) or label not in task.label_names:
        raise InvalidAnswerError(f"{str(label)[:80]!r} is not in the label space")
    return label


def label_lines(classes: Sequence[LabelClass]) -> str:
    """Classes as a model is shown them, a line each, with what is said of them and with examples.

    >>> print(label_lines([LabelClass("spam", "unasked for", examples=("You won!",)), LabelClass("other")]))
    - spam: unasked for
      for example: "You won!"
    - other
    """
    lines = []
    for c in classes:
        lines.append(f"- {c.name}: {c.description}" if c.description else f"- {c.name}")
        # As JSON strings, since a line break in one would look like the next class.
        lines += [f"  for example: {json.dumps(text, ensure_ascii=False)}" for text in c.examples]
    return "\n".join(lines)


def usual_label(task: Task) -> str:
    """The label of middling length, '' where there are none."""
    names = sorted(task.label_names, key=len) or [""]
    return names[len(names) // 2]


def unknown_label(label: str, project: Project) -> str:
    """Say that a label is not in the label space, with the classes there are."""
    shown = ", ".join(repr(c) for c in project.class_names[:_SHOWN])
    more = f" and {len(project.classes) - _SHOWN} more" if len(project.classes) > _SHOWN else ""
    return f"{label!r} is not a class of this project; classes: {shown}{more}"
