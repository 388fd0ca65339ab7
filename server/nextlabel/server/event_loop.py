"""Runs a coroutine on the fastest event loop there is."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine
from typing import Any


def run(main: Coroutine[Any, Any, None]) -> None:
    """Run ``main`` to its end on uvloop where it is installed, else on asyncio's own loop."""
    # A call passes between the loop and other threads several times; by default each pass may wait 5 ms for the GIL
    # while arrays are worked on.
    sys.setswitchinterval(0.001)
    try:
        import uvloop
    except ImportError:
        asyncio.run(main)
    else:
        uvloop.run(main)
