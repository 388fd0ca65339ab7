"""Classes whose names are paths: ``a/b/c`` is a kind of ``a/b``, and what it applies to, ``a/b`` and ``a`` apply to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from nextlabel.server.values.projects.projects import LabelClass

SEPARATOR = "/"


def ancestors(name: str) -> tuple[str, ...]:
    """Return what a path is a kind of, the most general first.

    >>> ancestors("animal/cat/tabby"), ancestors("animal")
    (('animal', 'animal/cat'), ())
    """
    parts = name.split(SEPARATOR)
    return tuple(SEPARATOR.join(parts[:end]) for end in range(1, len(parts)))


def as_paths(classes: Sequence[LabelClass]) -> tuple[LabelClass, ...]:
    """Return classes whose names are paths, each below its parent; missing ones come before the first class below them.

    >>> [c.name for c in as_paths([LabelClass("animal/cat"), LabelClass("plant")])]
    ['animal', 'animal/cat', 'plant']
    """
    known = {c.name for c in classes}
    placed = []
    for c in classes:
        missing = [name for name in ancestors(c.name) if name not in known]
        known.update(missing)
        placed += [_below(one) for one in (*map(LabelClass, missing), c)]
    return tuple(placed)


def with_ancestors(names: Iterable[str], classes: Sequence[LabelClass]) -> tuple[str, ...]:
    """Return names of classes with all that these are kinds of; as they are where classes are no paths.

    >>> with_ancestors(["animal/cat"], as_paths([LabelClass("animal/cat"), LabelClass("plant")]))
    ('animal', 'animal/cat')
    """
    parents = {c.name: c.parent for c in classes if c.parent}
    found = set(names)
    for name in list(found):
        while name := parents.get(name, ""):
            found.add(name)
    return tuple(sorted(found))


def without(names: Iterable[str], removed: str, classes: Sequence[LabelClass]) -> tuple[str, ...]:
    """Return names without one of them and all kinds of it.

    >>> without(["animal", "animal/cat", "plant"], "animal", as_paths([LabelClass("animal/cat"), LabelClass("plant")]))
    ('plant',)
    """
    return tuple(sorted(n for n in set(names) if removed not in with_ancestors([n], classes)))


def parents_of(classes: Sequence[LabelClass]) -> tuple[int, ...]:
    """Return the place of each class's parent, -1 for those without one; empty where classes are no paths."""
    if not any(c.parent for c in classes):
        return ()
    place = {c.name: number for number, c in enumerate(classes)}
    return tuple(place[c.parent] if c.parent else -1 for c in classes)


def path_problem(name: str) -> str:
    """Return what is wrong with a path; '' when nothing is.

    >>> path_problem("animal/ cat"), path_problem("animal/cat")
    ("a part of a path must not be empty or begin or end with a space: 'animal/ cat'", '')
    """
    parts = name.split(SEPARATOR)
    if all(part and part == part.strip() for part in parts):
        return ""
    return f"a part of a path must not be empty or begin or end with a space: {name!r}"


def _below(c: LabelClass) -> LabelClass:
    return replace(c, parent=c.name.rpartition(SEPARATOR)[0])
