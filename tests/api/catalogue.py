"""Every RPC of the server as its descriptors give it, and calls to them with raw bytes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import grpc
from google.protobuf import message_factory
from google.protobuf.descriptor import MethodDescriptor
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from nextlabel.v1 import (
    access_service_pb2,
    budget_service_pb2,
    labeling_service_pb2,
    learner_service_pb2,
    pool_service_pb2,
    project_service_pb2,
    quality_service_pb2,
    report_service_pb2,
    run_service_pb2,
    synthesis_service_pb2,
    text_service_pb2,
)

T = TypeVar("T")

API_FILES = (
    access_service_pb2,
    budget_service_pb2,
    labeling_service_pb2,
    learner_service_pb2,
    pool_service_pb2,
    project_service_pb2,
    quality_service_pb2,
    report_service_pb2,
    run_service_pb2,
    synthesis_service_pb2,
    text_service_pb2,
)


@dataclass(frozen=True)
class Rpc:
    """One RPC: its full name and its shape."""

    descriptor: MethodDescriptor

    @property
    def path(self) -> str:
        return f"/{self.descriptor.containing_service.full_name}/{self.descriptor.name}"

    @property
    def name(self) -> str:
        return self.descriptor.name

    async def call(self, channel: grpc.aio.Channel, requests: Sequence[bytes], token: str | None = None) -> list[bytes]:
        """Send raw requests and return the raw responses, or raise AioRpcError."""
        metadata = [("authorization", f"Bearer {token}")] if token else None
        streams = self.descriptor.client_streaming, self.descriptor.server_streaming
        make: Any = {
            (False, False): channel.unary_unary,
            (True, False): channel.stream_unary,
            (False, True): channel.unary_stream,
            (True, True): channel.stream_stream,
        }[streams]

        async def answers() -> list[bytes]:
            sent = _stream(requests) if streams[0] else requests[0]
            call = make(self.path)(sent, metadata=metadata, timeout=60)
            return [response async for response in call] if streams[1] else [await call]

        return await answered(answers)


async def answered(call: Callable[[], Awaitable[T]]) -> T:
    """Make a call that the server may end while it is being sent to, until its status arrives.

    grpc.aio puts INTERNAL in the place of a status that comes before a write that fails (grpc/grpc#36066).
    """
    while True:
        try:
            return await call()
        except grpc.aio.AioRpcError as error:
            if error.details() != "Internal error from Core":
                raise


async def _stream(requests: Sequence[bytes]) -> AsyncIterator[bytes]:
    for request in requests:
        yield request


def _rpcs(files: Iterable[object]) -> list[Rpc]:
    return [
        Rpc(method)
        for file in files
        for service in file.DESCRIPTOR.services_by_name.values()  # type: ignore[attr-defined]
        for method in service.methods
    ]


API_RPCS = _rpcs(API_FILES)
ALL_RPCS = API_RPCS + _rpcs([health_pb2, reflection_pb2])


def request_for(rpc: Rpc, project: str) -> bytes:
    """Return a request that names a project wherever the RPC takes one, and is empty otherwise."""
    message: Any = message_factory.GetMessageClass(rpc.descriptor.input_type)()
    fields = rpc.descriptor.input_type.fields_by_name
    if "header" in fields:
        message.header.project = project
    elif "project" in fields and fields["project"].message_type is not None:
        message.project.name = project
    elif "project" in fields:
        message.project = project
    return bytes(message.SerializeToString())
