"""Annotation types by name, and what to take instead of those that there are not."""

from nextlabel.client.messages.enums import enum_value
from nextlabel.v1.annotation_pb2 import AnnotationType

_OF_PARTS = ("span", "entit", "extract", "field", "structured", "token")
_INSTEAD = (
    "spans and fields of a text are not annotated; take multi_label for what a text has in it, with its sentences as "
    "items where the place matters, or text with guidelines that say in which form to write them down"
)


def annotation_type_value(name: str) -> AnnotationType.ValueType:
    """The annotation type of this name.

    Raises ValueError, naming those that there are, and what to take instead of spans and fields.
    """
    try:
        return enum_value(AnnotationType, name, "annotation_type")
    except ValueError as error:
        of_parts = name.lower() == "ner" or any(part in name.lower() for part in _OF_PARTS)
        if not of_parts:
            raise
        raise ValueError(f"{error}: {_INSTEAD}") from None
