"""How the C library shares the heap of a server between its threads."""

from __future__ import annotations

import ctypes
import os

_M_ARENA_MAX = -8
_OPERATORS_OWN = "MALLOC_ARENA_MAX"


def share_arenas(arenas: int | None = None) -> None:
    """Have all threads of this process share as many arenas as it has cores, at least two, or as many as are said.

    Call it before there are many threads.

    glibc gives nearly every thread an arena of its own, in which what a pass over a pool leaves behind is kept for the
    next one that happens to run on that thread: memory grows with the number of threads instead of with the work.
    No more threads than there are cores allocate at the same time. Nothing is changed where `MALLOC_ARENA_MAX` is
    set, or under another C library.
    """
    if _OPERATORS_OWN in os.environ:
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, arenas or max(2, os.cpu_count() or 2))
