"""An object store that refuses is out of reach, and no damage."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from nextlabel.server.store.lance_pool.pool_store import LancePoolStore
from nextlabel.server.values.errors import Unavailable
from nextlabel.server.values.ids import ProjectId


class Refusing(BaseHTTPRequestHandler):
    """Refuses everything."""

    def do_GET(self) -> None:
        self.send_response(403)
        self.send_header("content-length", "0")
        self.end_headers()

    do_HEAD = do_PUT = do_POST = do_DELETE = do_GET

    def log_message(self, *said: object) -> None:
        """Say nothing."""


@pytest.fixture
def bucket(aws: Callable[[str], None]) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        aws(f"http://127.0.0.1:{server.server_port}")
        yield "s3://bucket/pools"
        server.shutdown()
        thread.join()


def test_a_bucket_that_refuses_is_out_of_reach_and_not_damaged(bucket: str) -> None:
    arrays, project = LancePoolStore(bucket), ProjectId("p1")
    for call in (lambda: arrays.embedded_rows(project), lambda: arrays.drop(project), arrays.check_commits):
        with pytest.raises(Unavailable, match="credentials") as error:
            call()
        assert error.value.reason == "POOL_UNREACHABLE"
        assert "secret" not in error.value.message
