"""Enum values by the short names that people write: `holdout` for `SPLIT_HOLDOUT`."""

from typing import Any, Protocol, TypeVar

from google.protobuf.descriptor import EnumDescriptor
from google.protobuf.message import Message

Value = TypeVar("Value", bound=int, covariant=True)


class Enum(Protocol[Value]):
    """A generated enum."""

    DESCRIPTOR: EnumDescriptor

    def Value(self, name: str) -> Value:  # noqa: N802  (protobuf's name)
        """The value with this full name."""
        ...


def enum_value(enum: Enum[Value], name: str, field: str) -> Value:
    """The value of `enum` with this short name.

    Raises ValueError, naming `field` and the allowed names, when there is none.
    """
    values = _short_names(enum.DESCRIPTOR)
    key = name.lower().replace("-", "_")
    if key not in values or values[key] == 0:
        allowed = ", ".join(short for short, number in values.items() if number)
        raise ValueError(f"{field}: {name!r} is not one of {allowed}")
    return enum.Value(enum.DESCRIPTOR.values_by_number[values[key]].name)


def enum_name(message: Message, field: str) -> str:
    """The short name of an enum field of `message`; "" when it is unspecified, digits when it is newer than us."""
    descriptor = message.DESCRIPTOR.fields_by_name[field].enum_type
    assert descriptor is not None, f"{field} is not an enum"
    return short_name(descriptor, getattr(message, field))


def short_name(descriptor: Any, number: int) -> str:
    """The short name of a value of an enum; "" when it is unspecified, digits when it is newer than us."""
    if number == 0:
        return ""
    return next((name for name, value in _short_names(descriptor).items() if value == number), str(number))


def _short_names(descriptor: Any) -> dict[str, int]:
    prefix = len(descriptor.values_by_number[0].name) - len("UNSPECIFIED")
    return {value.name[prefix:].lower(): value.number for value in descriptor.values}
