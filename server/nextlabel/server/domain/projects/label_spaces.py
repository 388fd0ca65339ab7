"""What a label space may hold, and how it may change."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from nextlabel.server.tasks.registry import task_type
from nextlabel.server.values.annotation_type import AnnotationType
from nextlabel.server.values.errors import InvalidArgument
from nextlabel.server.values.limits import Limits
from nextlabel.server.values.projects.class_names import holds_invisible
from nextlabel.server.values.projects.label_paths import SEPARATOR, as_paths, path_problem
from nextlabel.server.values.projects.projects import LabelClass, Project


def new_paths(annotation_type: AnnotationType, classes: Sequence[LabelClass]) -> tuple[LabelClass, ...]:
    """Return the classes of a new project whose names are paths, with those that they are kinds of.

    Raises:
        InvalidArgument: its answers name one class, or a name is no path.
    """
    if annotation_type is not AnnotationType.MULTI_LABEL:
        raise InvalidArgument.field(
            "label_space.paths",
            "only classes of multi_label annotations can be paths, as an answer names all above it too",
        )
    if not any(SEPARATOR in c.name for c in classes):
        raise InvalidArgument.field("label_space.paths", "no class is a path such as 'animal/cat'; leave paths out")
    return paths_of(classes)


def paths_of(classes: Sequence[LabelClass]) -> tuple[LabelClass, ...]:
    """Return classes with those that they are kinds of; raise InvalidArgument for a name that is no path."""
    wrong = [(f"label_space.classes[{i}].name", text) for i, c in enumerate(classes) if (text := path_problem(c.name))]
    if wrong:
        raise InvalidArgument(wrong)
    return as_paths(classes)


def class_violations(project: Project, limits: Limits) -> list[tuple[str, str]]:
    """Return what is wrong with a label space, field by field."""
    classes = project.classes
    path = "label_space.classes"
    if problem := _count_problem(project, limits):
        return [(path, problem)]
    size = sum(len(text.encode()) for c in classes for text in (c.name, c.description, *c.examples))
    if size > limits.label_space_bytes:
        most = limits.label_space_bytes
        return [(path, f"at most {most} bytes of UTF-8 in all names, descriptions and examples together, got {size}")]
    found = []
    first_seen: dict[str, int] = {}
    for i, c in enumerate(classes):
        if not c.name.strip() or c.name != c.name.strip():
            found.append((f"{path}[{i}].name", "must not be empty or begin or end with a space"))
        elif holds_invisible(c.name):
            found.append(
                (f"{path}[{i}].name", "must not hold control characters, line separators or marks of direction")
            )
        elif len(c.name.encode()) > limits.class_name_bytes:
            found.append((f"{path}[{i}].name", f"at most {limits.class_name_bytes} bytes of UTF-8"))
        elif c.name in first_seen:
            found.append((f"{path}[{i}].name", f"{c.name!r} is already class {first_seen[c.name]}"))
        if len(c.description.encode()) > limits.class_description_bytes:
            found.append((f"{path}[{i}].description", f"at most {limits.class_description_bytes} bytes"))
        found += [(f"{path}[{i}].examples[{j}]", problem) for j, problem in _example_problems(c.examples, limits)]
        first_seen.setdefault(c.name, i)
    return found


def _example_problems(examples: Sequence[str], limits: Limits) -> Iterator[tuple[int, str]]:
    """Yield what is wrong with examples of a class, each with its place."""
    if len(examples) > limits.class_examples:
        yield limits.class_examples, f"at most {limits.class_examples} examples of a class, got {len(examples)}"
    for place, text in enumerate(examples):
        if not text.strip():
            yield place, "must not be empty"
        elif len(text.encode()) > limits.class_example_bytes:
            yield place, f"at most {limits.class_example_bytes} bytes of UTF-8"
        elif text in examples[:place]:
            yield place, f"is the same text as examples[{examples.index(text)}]"


def _count_problem(project: Project, limits: Limits) -> str:
    """Return what is wrong with the number of classes; '' when nothing is."""
    count = len(project.classes)
    needed = task_type(project.annotation_type).needs_classes
    if needed and count < 2:
        return f"a label space needs at least 2 classes, got {count}"
    if count and not needed:
        return f"{project.annotation_type.shown} annotations have no classes; leave them out"
    return f"at most {limits.classes} classes, got {count}" if count > limits.classes else ""


def merged_classes(present: Sequence[LabelClass], wanted: Sequence[LabelClass]) -> tuple[LabelClass, ...]:
    """Return the new label space, which must keep every present class in its place."""
    names = [c.name for c in wanted[: len(present)]]
    if names != [c.name for c in present]:
        raise InvalidArgument.field(
            "label_space.classes",
            "classes may be added at the end and described anew, not removed, renamed or reordered; expected to "
            f"begin with {', '.join(repr(c.name) for c in present[:10])}",
        )
    return tuple(wanted)
