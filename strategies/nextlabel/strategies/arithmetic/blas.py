"""One BLAS thread a call while tiles run on several threads of their own."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

_lock = threading.Lock()
_users = 0
_limits: Any = None


@contextmanager
def single_threaded_blas() -> Iterator[None]:
    """Hold the process's BLAS at one thread while any caller is inside.

    The setting is process-wide. Counting the callers keeps overlapping selections from restoring
    each other's limit, which would leave BLAS at one thread for good.
    """
    global _users, _limits
    with _lock:
        _users += 1
        if _users == 1:
            _limits = _loaded_blas().limit(limits=1, user_api="blas")
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if _users == 0:
                _limits.restore_original_limits()
                _limits = None


@cache
def _loaded_blas() -> Any:
    """NumPy's BLAS and others loaded by now. Looking for them takes milliseconds; NumPy's is there from the start."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
