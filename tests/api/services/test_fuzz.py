"""Hostile requests to the whole server: refused, never a fault."""

from __future__ import annotations

from collections import Counter

import grpc

from tests.api.fuzz import FAULTS, fuzz
from tests.api.services.conftest import Api

MESSAGES = 600


def test_no_request_makes_the_server_fail(api: Api) -> None:
    projects = (api.filled(20, holdout=4), api.project())
    api.submit(projects[0], "ann", range(6))
    codes: Counter[grpc.StatusCode] = Counter()
    for rpc, stream, code in fuzz(api.channel, MESSAGES, seed=7, projects=projects):
        assert code not in FAULTS, (rpc.path, [request.hex() for request in stream])
        codes[code] += 1
    # The requests are hostile, and yet reach past the first check often enough to mean something.
    assert codes[grpc.StatusCode.OK] > 50
    assert codes[grpc.StatusCode.INVALID_ARGUMENT] > 50
