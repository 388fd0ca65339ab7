"""What a caller learns of an error that came from under the server: what to see to, and nothing of its inside."""

import errno
import os

import pytest
from google.rpc import code_pb2

from nextlabel.server.api.boundary.status import error_status


@pytest.mark.parametrize(
    ("number", "code", "words"),
    [
        (errno.EMFILE, code_pb2.UNAVAILABLE, "ulimit -n"),
        (errno.ENFILE, code_pb2.UNAVAILABLE, "ulimit -n"),
        (errno.ENOSPC, code_pb2.RESOURCE_EXHAUSTED, "free space"),
        (errno.EDQUOT, code_pb2.RESOURCE_EXHAUSTED, "free space"),
        (errno.EFBIG, code_pb2.RESOURCE_EXHAUSTED, "free space"),
        (errno.EACCES, code_pb2.INTERNAL, "under reference r-1"),
    ],
)
def test_what_the_machine_refuses_is_said_without_paths(number: int, code: int, words: str) -> None:
    status = error_status(OSError(number, os.strerror(number), "/secret/place"), "/x/Y", "r-1")
    assert status.code == code
    assert words in status.message
    assert "/secret" not in status.message
    assert os.strerror(number) not in status.message
