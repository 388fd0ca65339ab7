"""How the C library shares the heap of a server between its threads."""

from __future__ import annotations

import ctypes
import os

ARENAS = 2
_M_ARENA_MAX = -8
_OPERATORS_OWN = "MALLOC_ARENA_MAX"


def share_arenas() -> None:
    """Have all threads of this process share two arenas; call it before there are many threads.

    glibc gives nearly every thread an arena of its own, in which what a pass over a pool leaves behind is kept for the
    next one that happens to run on that thread: memory grows with the number of threads instead of with the work.
    Python's threads wait for each other anyway, and what is computed without its lock allocates rarely. Nothing is
    changed where `MALLOC_ARENA_MAX` is set, or under another C library.
    """
    if _OPERATORS_OWN in os.environ:
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, ARENAS)
