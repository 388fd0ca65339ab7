"""Classes as people write them down: a line each, or rows pasted from a spreadsheet."""

from collections import Counter

from nextlabel.v1.project_service_pb2 import LabelClass


def classes_of(text: str) -> list[LabelClass]:
    r"""The classes that a text names, one a line: after a tab what it means, after more tabs texts typical of it.

    >>> [one] = classes_of("spam\tunasked for\tYou won!\n\n")
    >>> one.name, one.description, [*one.examples]
    ('spam', 'unasked for', ['You won!'])

    Raises ValueError for a name that is there more than once.
    """
    classes = []
    for line in filter(str.strip, text.split("\n")):
        name, description, *examples = [part.strip() for part in (*line.split("\t"), "")]
        classes.append(LabelClass(name=name, description=description, examples=filter(None, examples)))
    times = Counter(one.name for one in classes)
    if repeated := sorted(name for name, count in times.items() if count > 1):
        raise ValueError(f"{', '.join(map(repr, repeated))} is there more than once")
    return classes
