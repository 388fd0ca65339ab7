"""Whose turn it is on a model that does one thing at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition


class Turns:
    """A lock that somebody who waits for an answer gets before work that nobody waits for. For threads."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._taken = False
        self._urgent = self._patient = 0

    @property
    def waiting(self) -> int:
        """How many wait for their turn."""
        return self._urgent + self._patient

    @contextmanager
    def turn(self, *, urgent: bool) -> Iterator[None]:
        """Hold the lock inside the block. What is not urgent waits while anything urgent does."""
        with self._changed:
            self._urgent += urgent
            self._patient += not urgent
            try:
                self._changed.wait_for(lambda: not self._taken and (urgent or not self._urgent))
            finally:
                self._urgent -= urgent
                self._patient -= not urgent
            self._taken = True
        try:
            yield
        finally:
            with self._changed:
                self._taken = False
                self._changed.notify_all()
