"""The port of the metrics, which asks nobody who they are."""

import socket
import urllib.request
from contextlib import ExitStack

import pytest
from prometheus_client import CollectorRegistry, Counter

from nextlabel.server.operations.metrics_port import serve_metrics
from nextlabel.server.system.addresses import BindError


def test_connections_that_say_nothing_neither_stay_nor_pile_up() -> None:
    registry = CollectorRegistry()
    Counter("asked", "Times asked.", registry=registry).inc(3)
    port = serve_metrics("127.0.0.1:0", registry, patience_s=0.2)
    with ExitStack() as stack:
        strangers = [stack.enter_context(socket.create_connection(("127.0.0.1", port))) for _ in range(40)]
        for stranger in strangers:
            stranger.settimeout(20)
            assert stranger.recv(1) == b""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=20) as answer:
        assert b"asked_total 3.0" in answer.read()


def test_a_port_in_use_is_named_with_the_option_that_chooses_another() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        bind = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(BindError, match=f"cannot listen on {bind}.*--metrics"):
            serve_metrics(bind, CollectorRegistry())
