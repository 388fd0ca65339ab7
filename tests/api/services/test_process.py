"""A server in a process of its own: stopped by SIGTERM in the middle of an upload."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from queue import Queue

import grpc

from nextlabel.v1 import pool_service_pb2 as pb
from tests.api.services.conftest import Api, batch, header, items, matrix, request_id

SERVE = "import sys; from nextlabel.client.cli import main; sys.argv = ['nextlabel', 'serve', *sys.argv[1:]]; main()"


def start(data_dir: Path) -> tuple[subprocess.Popen[str], str]:
    """Start a server and return it with its address."""
    command = [sys.executable, "-c", SERVE, "--data-dir", str(data_dir), "--bind", "127.0.0.1:0"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    return server, server.stdout.readline().split()[-1]


def test_sigterm_lets_an_upload_finish_and_loses_nothing(tmp_path: Path) -> None:
    upload = request_id()
    server, address = start(tmp_path)
    with grpc.insecure_channel(address) as channel:
        api = Api(channel)
        project = api.project()
        sent: Queue[pb.AddItemsRequest | None] = Queue()
        requests: Iterator[pb.AddItemsRequest] = iter(sent.get, None)
        responses = api.pool.AddItems(requests, timeout=120)
        sent.put(header(project, upload))
        sent.put(batch(1, items(5)))
        assert [next(responses).sequence for _ in range(2)] == [0, 1]
        server.send_signal(signal.SIGTERM)
        sent.put(batch(2, items(5, first=5), matrix(5, first=5)))
        assert next(responses).sequence == 2
        sent.put(None)
        assert list(responses) == []
    assert server.wait(timeout=120) == 0
    server, address = start(tmp_path)
    with grpc.insecure_channel(address) as channel:
        api = Api(channel)
        request = pb.GetUploadRequest(project=project, upload_id=upload)
        assert api.pool.GetUpload(request).upload.last_sequence == 2
        counts = api.pool.GetPoolStatus(pb.GetPoolStatusRequest(project=project)).status.counts
        assert counts.pool == 10
    server.send_signal(signal.SIGTERM)
    assert server.wait(timeout=120) == 0
