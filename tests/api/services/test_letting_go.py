"""What a call took is free when it ends: nothing of it waits for the garbage collector, which comes seldom."""

from __future__ import annotations

import gc
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import grpc
import pytest

from tests.api.catalogue import API_RPCS
from tests.api.services.conftest import Api
from tests.api.services.test_zero_values import FAULTS, LEFT_OUT, METHODS, answer, nothing_but_the_project

MALFORMED = b"\xff\xff\xff"
ENDLESS = ("WatchPool", "WatchRun")
WAIT_S = 60.0


@contextmanager
def nothing_collected() -> Iterator[None]:
    gc.collect()
    # What is there already, of all tests before this one, is not looked at again.
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.unfreeze()


def calls_held() -> int:
    """How many calls of servers in this process still have a context, of those since collecting was stopped."""
    return Counter(type(held).__name__ for held in gc.get_objects())["_ServicerContext"]


def still_held() -> int:
    """How many calls are held once those that have just been answered are over."""
    over = time.monotonic() + WAIT_S
    while calls_held() and time.monotonic() < over:
        pass
    return calls_held()


def test_answered_calls_are_free_without_a_collection(api: Api) -> None:
    project = api.filled(20, holdout=4)
    api.submit(project, "ann", range(10))
    with nothing_collected():
        codes = {
            method.name: answer(api, method, nothing_but_the_project(method, project))
            for method in METHODS
            if method.name not in LEFT_OUT
        }
        assert codes["ListItems"] is codes["ExportAnnotations"] is grpc.StatusCode.OK
        assert still_held() == 0


def test_refused_calls_are_free_without_a_collection(api: Api) -> None:
    with nothing_collected():
        for method in METHODS:
            if method.name not in ENDLESS:
                assert answer(api, method, nothing_but_the_project(method, "nowhere")) not in FAULTS, method.name
        for rpc in API_RPCS:
            if not rpc.descriptor.client_streaming and not rpc.descriptor.server_streaming:
                call: Any = api.channel.unary_unary(rpc.path)
                with pytest.raises(grpc.RpcError) as refused:
                    call(MALFORMED, timeout=WAIT_S)
                assert refused.value.code() is not grpc.StatusCode.DEADLINE_EXCEEDED, rpc.path
        assert still_held() == 0


def test_a_watcher_who_left_is_free_without_a_collection(api: Api) -> None:
    project = api.filled(5)
    with nothing_collected():
        for method in METHODS:
            if method.name in ENDLESS:
                watch: Any = api.channel.unary_stream(f"/{method.containing_service.full_name}/{method.name}")
                request = nothing_but_the_project(method, project).SerializeToString()
                for _ in range(10):
                    watching = watch(request)
                    watching.initial_metadata()
                    watching.cancel()
        assert still_held() == 0
