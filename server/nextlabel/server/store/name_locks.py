"""Locks by name: among the tasks of one process, or among all processes that share a file."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import struct
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol

# `struct flock`, of the kernel's own size and alignment: type, whence, first byte, how many bytes, process.
_FLOCK = "hhqqi0q"
_LARGEST_OFFSET = 2**63 - 1


class NameLocks(Protocol):
    """Names that one holder at a time may have."""

    def trying(self, name: str) -> AbstractContextManager[bool]:
        """Try to hold a name within the block; the value says whether it was got."""
        ...

    def waiting(self, name: str) -> AbstractContextManager[None]:
        """Hold a name within the block, waiting for other processes that do. Blocks the thread."""
        ...


class OwnNames(NameLocks):
    """Names within this process, which no other one competes for. Used on one event loop only."""

    def __init__(self) -> None:
        self._held: set[str] = set()

    @contextmanager
    def trying(self, name: str) -> Iterator[bool]:
        """See :class:`NameLocks`."""
        got = name not in self._held
        self._held.add(name)
        try:
            yield got
        finally:
            if got:
                self._held.discard(name)

    def waiting(self, name: str) -> AbstractContextManager[None]:
        """See :class:`NameLocks`: there is no other process to wait for."""
        return contextlib.nullcontext()


class SharedNames(NameLocks):
    """Names among all processes with the same file, on Linux.

    A name is the byte of the file at its hash. The lock belongs to the open file and not to the process: two holders
    in one process exclude each other too, and the kernel drops it when its holder dies. Nothing is ever written.
    """

    def __init__(self, file: Path) -> None:
        self._file = file

    @contextmanager
    def trying(self, name: str) -> Iterator[bool]:
        """See :class:`NameLocks`."""
        with self._open() as file:
            try:
                _lock(file, name, wait=False)
            except BlockingIOError:
                yield False
            else:
                yield True

    @contextmanager
    def waiting(self, name: str) -> Iterator[None]:
        """See :class:`NameLocks`."""
        with self._open() as file:
            _lock(file, name, wait=True)
            yield

    @contextmanager
    def _open(self) -> Iterator[int]:
        file = os.open(self._file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            yield file
        finally:
            os.close(file)


def _lock(file: int, name: str, *, wait: bool) -> None:
    """Lock the byte of a name until the file is closed; two names of one byte only wait for each other needlessly.

    Raises:
        BlockingIOError: another open file has it, and this one should not wait.
    """
    if sys.platform != "linux":
        raise NotImplementedError("locks of open files are Linux's")
    offset = int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "big") % _LARGEST_OFFSET
    command = fcntl.F_OFD_SETLKW if wait else fcntl.F_OFD_SETLK
    fcntl.fcntl(file, command, struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, offset, 1, 0))
