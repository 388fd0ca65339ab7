"""Between messages and values that many services share: times, free-form parameters, embeddings, pages."""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from google.protobuf import duration_pb2, struct_pb2, timestamp_pb2
from google.protobuf.message import Message

from nextlabel.server.values.errors import InvalidArgument
from nextlabel.server.values.projects.projects import Component
from nextlabel.v1 import pool_pb2
from nextlabel.v1.project_service_pb2 import LearnerSettings, StrategySpec

MAX_PAGE = 1_000
DEFAULT_PAGE = 100

# Clients take replies of 4 MiB unless they are told otherwise.
PAGE_BYTES = 3 * 1024 * 1024

# Embeddings of replies are float16.
EMBEDDED_BYTES = 2

T = TypeVar("T")
M = TypeVar("M", bound=Message)
Json = None | bool | int | float | str | list[Any] | dict[str, Any]


def timestamp(at: datetime | None) -> timestamp_pb2.Timestamp | None:
    """Return the message of an aware time; None, which leaves a field unset, for None."""
    if at is None:
        return None
    message = timestamp_pb2.Timestamp()
    message.FromDatetime(at)
    return message


def time_of(message: timestamp_pb2.Timestamp, field: str) -> datetime:
    """Return the aware UTC time of a timestamp, or raise InvalidArgument for one beyond the years 1 to 9999."""
    try:
        return message.ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError) as error:
        raise InvalidArgument.field(field, "must be a time between the years 1 and 9999") from error


def duration(seconds: float) -> duration_pb2.Duration:
    """Return the message of a time span."""
    message = duration_pb2.Duration()
    message.FromNanoseconds(round(seconds * 1e9))
    return message


def seconds_of(message: duration_pb2.Duration) -> float:
    """Return a time span in seconds."""
    return message.seconds + message.nanos * 1e-9


def struct(values: Any) -> struct_pb2.Struct:
    """Return the message of a JSON object."""
    message = struct_pb2.Struct()
    message.update(dict(values))
    return message


def json_of(message: struct_pb2.Struct, field: str) -> dict[str, Json]:
    """Return the JSON object of a message; whole numbers become int.

    Raises:
        InvalidArgument: a number is NaN or infinite, or a value is empty.
    """
    return {name: _json(value, f"{field}.{name}") for name, value in message.fields.items()}


def _json(value: struct_pb2.Value, field: str) -> Json:
    kind = value.WhichOneof("kind")
    if kind == "number_value":
        number = value.number_value
        if not math.isfinite(number):
            raise InvalidArgument.field(field, "must be a finite number")
        return int(number) if number.is_integer() else number
    if kind == "struct_value":
        return json_of(value.struct_value, field)
    if kind == "list_value":
        return [_json(element, f"{field}[{i}]") for i, element in enumerate(value.list_value.values)]
    if kind == "null_value":
        return None
    if kind is None:
        raise InvalidArgument.field(field, "holds no value")
    plain: bool | str = getattr(value, kind)
    return plain


def strategy_of(message: StrategySpec, field: str) -> Component:
    """Return the named strategy; an empty name is the default one."""
    return Component(message.name or Component().name, json_of(message.params, f"{field}.params"))


def strategy_spec(choice: Component) -> StrategySpec:
    """Return the message of a named strategy."""
    return StrategySpec(name=choice.name, params=struct(choice.params))


def learner_of(message: LearnerSettings, field: str) -> Component:
    """Return the named estimator; an empty name is the default one."""
    return Component(message.estimator or Component().name, json_of(message.params, f"{field}.params"))


def learner_settings(choice: Component) -> LearnerSettings:
    """Return the message of a named estimator."""
    return LearnerSettings(estimator=choice.name, params=struct(choice.params))


_WIRE_TYPES: dict[int, np.dtype[Any]] = {
    pool_pb2.DATA_TYPE_FLOAT16: np.dtype("<f2"),
    pool_pb2.DATA_TYPE_FLOAT32: np.dtype("<f4"),
    pool_pb2.DATA_TYPE_BFLOAT16: np.dtype("<u2"),
}


def matrix_of(message: pool_pb2.EmbeddingMatrix, field: str) -> npt.NDArray[np.floating]:
    """Return the (n, D) matrix of a message: a read-only view of its bytes, or float32 for bfloat16.

    Raises:
        InvalidArgument: an unknown data type, or bytes that are not a whole number of rows.
    """
    wire = _WIRE_TYPES.get(message.data_type)
    if wire is None:
        raise InvalidArgument.field(f"{field}.data_type", "must be FLOAT16, FLOAT32 or BFLOAT16")
    if message.dimension < 1:
        raise InvalidArgument.field(f"{field}.dimension", f"must be positive, got {message.dimension}")
    row = message.dimension * wire.itemsize
    if len(message.data) % row:
        raise InvalidArgument.field(
            f"{field}.data", f"{len(message.data)} bytes are not a whole number of rows of {row} bytes"
        )
    matrix = np.frombuffer(message.data, wire).reshape(-1, message.dimension)
    if message.data_type == pool_pb2.DATA_TYPE_BFLOAT16:
        # bfloat16 is the upper half of float32.
        return (matrix.astype(np.uint32) << 16).view(np.float32)
    return matrix


def embedding_matrix(matrix_nD: npt.NDArray[np.float16]) -> pool_pb2.EmbeddingMatrix:
    """Return the message of a float16 matrix."""
    return pool_pb2.EmbeddingMatrix(
        dimension=matrix_nD.shape[1],
        data_type=pool_pb2.DATA_TYPE_FLOAT16,
        data=np.ascontiguousarray(matrix_nD, np.dtype("<f2")).tobytes(),
    )


def page_size(requested: int) -> int:
    """Return how many entries a page holds: as many as asked for, within 1 to 1,000, by default 100."""
    if requested < 0:
        raise InvalidArgument.field("page_size", f"must not be negative, got {requested}")
    return min(requested or DEFAULT_PAGE, MAX_PAGE)


def fitting(messages: Iterable[M]) -> list[M]:
    """Return the first messages, as many as fit into one reply, but at least one; later ones are not even made."""
    taken: list[M] = []
    size = 0
    for message in messages:
        size += message.ByteSize()
        if taken and size > PAGE_BYTES:
            break
        taken.append(message)
    return taken


def check_fits(count: int, largest: int, field: str, allowed: str) -> None:
    """Raise InvalidArgument when `count` answers of up to `largest` bytes may not fit into one reply.

    `allowed` says what is asked for, as in "for 20 candidates each".
    """
    if count * largest > PAGE_BYTES:
        most = max(1, PAGE_BYTES // largest)
        raise InvalidArgument.field(
            field, f"at most {most} inputs a message {allowed}, got {count}: a reply holds {PAGE_BYTES} bytes"
        )


def check_picture_fits(content: bytes, field: str) -> None:
    """Raise InvalidArgument when a picture is larger than one reply; `field` says how much there is in it."""
    if len(content) > PAGE_BYTES:
        raise InvalidArgument.field(
            field, f"ask for fewer: the picture takes {len(content)} bytes, and a reply holds {PAGE_BYTES}"
        )


def page_token(key: int | str) -> str:
    """Return the token of the page that begins after `key`."""
    return base64.urlsafe_b64encode(str(key).encode()).decode()


def key_of(token: str) -> str:
    """Return the key of a page token; empty for the first page."""
    try:
        return base64.b64decode(token, altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError) as error:
        raise _bad_token() from error


def number_of(token: str) -> int:
    """Return the numeric key of a page token; 0 for the first page."""
    key = key_of(token) or "0"
    if not (key.isascii() and key.isdigit() and len(key) < 19):
        raise _bad_token()
    return int(key)


def page(entries: Sequence[T], token: str, size: int, message: Callable[[T], M]) -> tuple[list[M], str]:
    """Return one page of a short list as messages, and the token of the next page, by position."""
    return _from(entries, number_of(token), page_size(size), message)


def full_page(entries: Sequence[T], token: str, size: int, message: Callable[[T], M]) -> tuple[list[M], str]:
    """Return a page as `page` does, of as many entries as one reply holds when no size is asked for."""
    return _from(entries, number_of(token), page_size(size) if size else len(entries), message)


def _from(entries: Sequence[T], start: int, size: int, message: Callable[[T], M]) -> tuple[list[M], str]:
    messages = fitting(map(message, entries[start : start + size]))
    end = start + len(messages)
    return messages, page_token(end) if end < len(entries) else ""


def beginning(text: str, size: int) -> str:
    """Return the first characters of a text, as many as `size` bytes of UTF-8 hold."""
    return text.encode()[:size].decode(errors="ignore")


def _bad_token() -> InvalidArgument:
    return InvalidArgument.field("page_token", "must be the next_page_token of an earlier call, or empty")
