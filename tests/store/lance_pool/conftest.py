from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count

import pytest

from tests.store.lance_pool.s3_servers import BUCKET, aws_environment, s3_server

_prefixes = count()


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Configure an endpoint as AWS's tools take it."""

    def configured(endpoint: str) -> None:
        for name, value in aws_environment(endpoint).items():
            monkeypatch.setenv(name, value)

    return configured


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """An S3 server that keeps its word."""
    with s3_server() as endpoint:
        yield endpoint


@pytest.fixture
def s3_url(s3_endpoint: str, aws: Callable[[str], None]) -> str:
    """The URL of an empty pool in a bucket."""
    aws(s3_endpoint)
    return f"s3://{BUCKET}/test-{next(_prefixes)}"
