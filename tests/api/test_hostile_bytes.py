"""Bytes that are no request: refused by every RPC, health and reflection included."""

from typing import Any

import grpc
import pytest

from tests.api.catalogue import ALL_RPCS, Rpc
from tests.api.conftest import Serve

TRUNCATED_TAG = b"\xff\xff\xff"
LENGTH_BEYOND_END = b"\x0a\xff\xff\xff\x7fx"
GROUP_WITHOUT_END = b"\x0b"
NESTED_TOO_DEEPLY = b"\x0b" * 200 + b"\x0c" * 200


@pytest.mark.parametrize("raw", [TRUNCATED_TAG, LENGTH_BEYOND_END, GROUP_WITHOUT_END, NESTED_TOO_DEEPLY])
async def test_malformed_bytes_are_an_invalid_argument_everywhere(serve: Serve, raw: bytes) -> None:
    serving = await serve()
    for rpc in ALL_RPCS:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await rpc.call(serving.channel, [raw])
        assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT, rpc.path
        assert rpc.path in (raised.value.details() or "")


async def test_invalid_utf8_in_a_string_is_an_invalid_argument(serve: Serve) -> None:
    serving = await serve()
    get_project = _rpc("GetProject")
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await get_project.call(serving.channel, [b"\x0a\x02\xc3\x28"])
    assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_malformed_message_in_the_middle_of_a_stream_ends_it(serve: Serve) -> None:
    serving = await serve()
    reflection = _rpc("ServerReflectionInfo")
    listing = b"\x3a\x01*"
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await reflection.call(serving.channel, [listing, TRUNCATED_TAG])
    assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_message_over_the_limit_is_refused(serve: Serve) -> None:
    serving = await serve(api={"max_message_bytes": 64 * 1024})
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await _rpc("GetProject").call(serving.channel, [bytes(65 * 1024)])
    assert raised.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_an_unknown_method_is_unimplemented(serve: Serve) -> None:
    serving = await serve()
    stub: Any = serving.channel.unary_unary("/nextlabel.v1.ProjectService/Nothing")
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await stub(b"", timeout=5)
    assert raised.value.code() is grpc.StatusCode.UNIMPLEMENTED


def _rpc(name: str) -> Rpc:
    return next(rpc for rpc in ALL_RPCS if rpc.name == name)
