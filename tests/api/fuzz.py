"""Hostile requests to every RPC, made from the descriptors; also a command that runs for as long as one likes.

    python -m tests.api.fuzz --server 127.0.0.1:50051 --messages 100000 --seed 1

prints how many answers had which status code, and fails at the first UNKNOWN or INTERNAL with the request that caused
it. It fills the server with rubbish: use one with a data directory of its own.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import grpc
from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from nextlabel.server.api.boundary.permissions import RULES
from nextlabel.v1.project_service_pb2 import EMBEDDING_SOURCE_GIVEN
from tests.api.catalogue import ALL_RPCS, Rpc

FAULTS = (grpc.StatusCode.UNKNOWN, grpc.StatusCode.INTERNAL)
CALL_TIMEOUT_S = 10.0
# Streams without end: as long as a request takes that is refused.
WATCH_TIMEOUT_S = 0.05

STRINGS = (
    "",
    " ",
    "news",
    "item-1",
    "../../etc/passwd",
    "/",
    "a\x00b",
    "\x1b[2J",
    "\u202ereversed",
    "\ufeff",
    "<script>alert(1)</script>",
    "{{ 7 * 7 }}${7*7}%n%s",
    "' OR 1=1 --",
    "漢字😀" * 50,
    "x" * 70_000,
    "1e999",
    "-1",
    "LTE=",
    "6ba7b810-9dad-41d1-80b4-00c04fd430c8",
)
INTEGERS = (0, 1, -1, 2, 7, 1_000, 2**31 - 1, -(2**31))
LONG_INTEGERS = (*INTEGERS, 2**63 - 1, -(2**63))
FLOATS = (0.0, 1.0, -1.0, 0.5, 1e308, -1e308, float("nan"), float("inf"), float("-inf"), 5e-324)
BYTES = (b"", b"\x00", bytes(8), b"\xff" * 8, bytes(6_000))

_INTEGER_TYPES = (FieldDescriptor.TYPE_INT32, FieldDescriptor.TYPE_UINT32)


class Requests:
    """Makes requests that are well-formed as often as not; `projects` are names that exist."""

    def __init__(self, seed: int, projects: tuple[str, ...]) -> None:
        self._random = random.Random(seed)
        self._projects = projects

    def make(self, rpc: Rpc) -> bytes:
        """Return one request as bytes, sometimes with a few of them changed."""
        message = self._message(rpc.descriptor.input_type, depth=0)
        self._name_project(rpc, message)
        if rpc.name == "CreateProject":
            # Otherwise the server loads an embedding model, which has nothing to do with requests.
            message.project.embedding.source = EMBEDDING_SOURCE_GIVEN
        raw = bytes(message.SerializeToString())
        return self._mutated(raw) if self._random.random() < 0.3 else raw

    def _name_project(self, rpc: Rpc, message: Any) -> None:
        """Aim at a project that exists, mostly: deeper code is reached only then. What deletes it aims elsewhere."""
        if rpc.name == "DeleteProject" or self._random.random() < 0.1:
            return
        fields = rpc.descriptor.input_type.fields_by_name
        name = self._random.choice(self._projects)
        if "header" in fields:
            message.header.project = name
        elif "project" in fields and fields["project"].message_type is not None:
            message.project.name = name
        elif "project" in fields:
            message.project = name

    def _message(self, descriptor: Descriptor, depth: int) -> Any:
        message: Any = message_factory.GetMessageClass(descriptor)()
        for field in descriptor.fields:
            if self._random.random() < (0.6 if depth < 3 else 0.2) and depth < 8:
                self._set(message, field, depth)
        return message

    def _set(self, message: Any, field: FieldDescriptor, depth: int) -> None:
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            value = field.message_type.fields_by_name["value"]
            entry = getattr(message, field.name)[self._random.choice(STRINGS)[:40]]
            if value.message_type is not None:
                entry.CopyFrom(self._message(value.message_type, depth + 1))
        elif field.is_repeated:
            values = [self._value(field, depth) for _ in range(self._random.choice((0, 1, 2, 5)))]
            getattr(message, field.name).extend(values)
        elif field.message_type is not None:
            getattr(message, field.name).CopyFrom(self._value(field, depth))
        else:
            setattr(message, field.name, self._value(field, depth))

    def _value(self, field: FieldDescriptor, depth: int) -> Any:
        if field.message_type is not None:
            return self._message(field.message_type, depth + 1)
        makers: dict[int, Callable[[], Any]] = {
            FieldDescriptor.TYPE_STRING: lambda: self._random.choice(STRINGS),
            FieldDescriptor.TYPE_BYTES: lambda: self._random.choice(BYTES),
            FieldDescriptor.TYPE_BOOL: lambda: self._random.random() < 0.5,
            FieldDescriptor.TYPE_DOUBLE: lambda: self._random.choice(FLOATS),
            FieldDescriptor.TYPE_FLOAT: lambda: self._random.choice(FLOATS),
            FieldDescriptor.TYPE_ENUM: lambda: self._random.choice((0, 1, 2, 3, 4, 99, -1)),
        }
        numbers = INTEGERS if field.type in _INTEGER_TYPES else LONG_INTEGERS
        return makers.get(field.type, lambda: self._random.choice(numbers))()

    def _mutated(self, raw: bytes) -> bytes:
        changed = bytearray(raw)
        for _ in range(self._random.randint(1, 4)):
            place = self._random.randrange(len(changed) + 1)
            cut = self._random.choice((0, 1, 1, 2, 8))
            changed[place : place + cut] = self._random.randbytes(self._random.choice((0, 1, 1, 2, 4)))
        return bytes(changed)


def call(channel: grpc.Channel, rpc: Rpc, requests: list[bytes]) -> grpc.StatusCode:
    """Make one call and return its status code."""
    streams = rpc.descriptor.client_streaming, rpc.descriptor.server_streaming
    make: Any = {
        (False, False): channel.unary_unary,
        (True, False): channel.stream_unary,
        (False, True): channel.unary_stream,
        (True, True): channel.stream_stream,
    }[streams]
    sent = iter(requests) if streams[0] else requests[0]
    try:
        timeout = WATCH_TIMEOUT_S if RULES[rpc.path].endless else CALL_TIMEOUT_S
        response = make(rpc.path)(sent, timeout=timeout)
        if streams[1]:
            for _ in response:
                continue
    except grpc.RpcError as error:
        code: grpc.StatusCode = error.code()
        return code
    return grpc.StatusCode.OK


def fuzz(
    channel: grpc.Channel, messages: int, seed: int, projects: tuple[str, ...]
) -> Iterator[tuple[Rpc, list[bytes], grpc.StatusCode]]:
    """Make calls until `messages` requests were sent, and yield each with its status code."""
    requests = Requests(seed, projects)
    sent = 0
    while sent < messages:
        for rpc in ALL_RPCS:
            stream = [requests.make(rpc) for _ in range(3 if rpc.descriptor.client_streaming else 1)]
            yield rpc, stream, call(channel, rpc, stream)
            sent += len(stream)


def main() -> int:
    """Fuzz a running server."""
    parser = argparse.ArgumentParser(description="Send hostile requests to a nextlabel server.")
    parser.add_argument("--server", required=True, help="HOST:PORT")
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--project", action="append", default=[], help="name of a project that exists")
    given = parser.parse_args()
    codes: Counter[str] = Counter()
    with grpc.insecure_channel(given.server) as channel:
        for rpc, stream, code in fuzz(channel, given.messages, given.seed, tuple(given.project) or ("news",)):
            codes[code.name] += 1
            if code in FAULTS:
                print(json.dumps({"rpc": rpc.path, "code": code.name, "requests": [r.hex() for r in stream]}))
                return 1
    print(json.dumps(dict(codes)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
