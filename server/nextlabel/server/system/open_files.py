"""How many files and connections this process may have open at a time."""

from __future__ import annotations

import sys

_PLENTY = 65_536
_ON_WINDOWS = 1_024


def open_files_allowed() -> int:
    """Raise the limit as far as the system lets us, at most to 65,536, and return it."""
    if sys.platform == "win32":
        return _ON_WINDOWS
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = _PLENTY if hard == resource.RLIM_INFINITY else min(_PLENTY, hard)
    if soft == resource.RLIM_INFINITY or soft >= allowed:
        return _PLENTY if soft == resource.RLIM_INFINITY else soft
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    except (OSError, ValueError):
        return soft
    return allowed
