"""S3 servers in this process: moto as it is, and moto behind something that loses conditions or answers."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import boto3

BUCKET = "pools"
_KEY = "the-key"
_SECRET = "the-secret"
_REGION = "us-east-1"


def aws_environment(endpoint: str) -> dict[str, str]:
    """What AWS's tools go by to find an endpoint."""
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_REGION": _REGION,
        "AWS_ACCESS_KEY_ID": _KEY,
        "AWS_SECRET_ACCESS_KEY": _SECRET,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


@contextmanager
def s3_server(
    changed: Callable[[Any], None] = lambda _: None, lost: Callable[[Any], bool] = lambda _: False
) -> Iterator[str]:
    """Serve the buckets of this process; the value is the endpoint.

    ``changed`` may alter each WSGI request. What a request that is ``lost`` asks for is done, and answered with 503.
    """
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import make_server

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    moto = DomainDispatcherApplication(create_backend_app)

    def app(environ: Any, start_response: Any) -> Any:
        changed(environ)
        if not lost(environ):
            return moto(environ, start_response)
        done: Iterable[bytes] = moto(environ, lambda *_: None)
        b"".join(done)
        start_response("503 Slow Down", [("content-length", "0")])
        return [b""]

    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    endpoint = f"http://127.0.0.1:{server.server_port}"
    try:
        s3_client(endpoint).create_bucket(Bucket=BUCKET)
        yield endpoint
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def without_conditions(environ: Any) -> None:
    """Do as old stores and some proxies do."""
    environ.pop("HTTP_IF_NONE_MATCH", None)


def s3_client(endpoint: str) -> Any:
    """A client that needs no environment."""
    return boto3.client(
        "s3", endpoint_url=endpoint, region_name=_REGION, aws_access_key_id=_KEY, aws_secret_access_key=_SECRET
    )
