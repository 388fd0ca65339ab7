"""A word about what takes long, so that nobody takes it for stuck."""

import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from threading import Timer

AFTER_S = 2.0
"""Seconds that anything may take without a word."""

COMPUTING = "the server computes; where it trains learners for that, it can take minutes …"


@contextmanager
def patience(message: str, after_s: float = AFTER_S) -> Iterator[None]:
    """Say on stderr what is going on when the block takes longer than `after_s` seconds."""

    def say() -> None:
        print(message, file=sys.stderr, flush=True)  # noqa: T201

    timer = Timer(after_s, say)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def being_picked() -> AbstractContextManager[None]:
    """Patience with a lease, which waits for embeddings where nothing can be picked without."""
    return patience("items are being picked; what was just added is embedded first …")
