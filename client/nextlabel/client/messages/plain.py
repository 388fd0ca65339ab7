"""Messages as plain values for JSON: numbers stay numbers, enums get their short names."""

from typing import Any

from google.protobuf.duration_pb2 import Duration
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from google.protobuf.struct_pb2 import Struct, Value
from google.protobuf.timestamp_pb2 import Timestamp

from nextlabel.client.messages.answers import plain_answer
from nextlabel.client.messages.enums import enum_name, short_name
from nextlabel.v1.annotation_pb2 import Answer


def plain(message: Message) -> Any:
    """The message as JSON values: absent fields are None, times ISO 8601 texts, durations seconds."""
    match message:
        case Timestamp():
            return message.ToJsonString()
        case Duration():
            return message.ToTimedelta().total_seconds()
        case Struct() | Value():
            return MessageToDict(message)
        case Answer():
            return plain_answer(message)
    return {field.name: _field(message, field) for field in message.DESCRIPTOR.fields}


def _field(message: Message, field: Any) -> Any:
    value = getattr(message, field.name)
    if field.is_repeated and field.enum_type is not None:
        return [short_name(field.enum_type, number) for number in value]
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        return {key: plain(element) if isinstance(element, Message) else element for key, element in value.items()}
    if field.is_repeated:
        return [plain(element) if isinstance(element, Message) else element for element in value]
    if field.has_presence and not message.HasField(field.name):
        return None
    if field.enum_type is not None:
        return enum_name(message, field.name)
    return plain(value) if isinstance(value, Message) else value
