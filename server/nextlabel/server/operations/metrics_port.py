"""The port where Prometheus reads: few connections at a time, as each takes a thread, and none that says nothing."""

from __future__ import annotations

import socket
import threading
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

from prometheus_client import CollectorRegistry, make_wsgi_app
from prometheus_client.exposition import ThreadingWSGIServer

from nextlabel.server.system.addresses import cannot_listen, host_of, port_of

_MOST = 16


def serve_metrics(bind: str, registry: CollectorRegistry, patience_s: float = 10.0) -> int:
    """Serve the metrics of a registry at ``HOST:PORT`` on threads of their own until the process ends.

    A connection that is silent for `patience_s` is closed, and so is one beyond 16. Returns the port.

    Raises:
        BindError: the address cannot be bound.
    """
    places = threading.BoundedSemaphore(_MOST)

    class Handler(WSGIRequestHandler):
        timeout = patience_s

        def log_message(self, *_: Any) -> None:
            """Metrics are read every few seconds."""

    class Server(ThreadingWSGIServer):
        request_queue_size = 128
        address_family = socket.AF_INET6 if ":" in host_of(bind) else socket.AF_INET

        def process_request(self, request: Any, client_address: Any) -> None:
            if places.acquire(blocking=False):
                super().process_request(request, client_address)
            else:
                self.shutdown_request(request)

        def process_request_thread(self, request: Any, client_address: Any) -> None:
            try:
                super().process_request_thread(request, client_address)
            finally:
                places.release()

        def handle_error(self, request: Any, client_address: Any) -> None:
            """Who goes away in the middle of an answer is no error of ours."""

    try:
        server = make_server(host_of(bind), port_of(bind), make_wsgi_app(registry), Server, Handler)
    except OSError as error:
        raise cannot_listen(bind, "--metrics") from error
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()
    return server.server_port
