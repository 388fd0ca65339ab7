"""Work that processes of the cluster do in the tests; they import it from here."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nextlabel.strategies import Block, Need, SelectionContext
from nextlabel.strategies.scorers.uncertainty import Margin


@dataclass(frozen=True)
class DeadlyMargin:
    """The margin; the first process in the cluster to meet the row is killed."""

    server: int
    row: int
    grave: Path
    deaths: int = 1

    @property
    def needs(self) -> frozenset[Need]:
        return frozenset({Need.PROBABILITIES})

    def score(self, block: Block, context: SelectionContext) -> np.ndarray:
        if os.getpid() != self.server and self.row in block.rows_n and len(list(self.grave.iterdir())) < self.deaths:
            (self.grave / str(os.getpid())).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return np.asarray(Margin().score(block, context))


@dataclass(frozen=True)
class Unpicklable:
    """The margin, with something in it that cannot travel."""

    held: Callable[[], None]

    @property
    def needs(self) -> frozenset[Need]:
        return frozenset({Need.PROBABILITIES})

    def score(self, block: Block, context: SelectionContext) -> np.ndarray:
        return np.asarray(Margin().score(block, context))


def process(_: object) -> int:
    return os.getpid()


def fails_elsewhere(server: int) -> str:
    if os.getpid() != server:
        raise MemoryError("no room here")
    return "computed here"


@dataclass(frozen=True)
class DiesOnce:
    """The number of the process that does it; the first one of the cluster is killed at it."""

    server: int
    grave: Path

    def __call__(self) -> int:
        if os.getpid() != self.server and not self.grave.exists():
            self.grave.write_text(str(os.getpid()))
            os.kill(os.getpid(), signal.SIGKILL)
        return os.getpid()


@dataclass(frozen=True)
class Endless:
    """Says which process is at it, and does not come to an end by itself."""

    began: Path

    def __call__(self) -> None:
        self.began.write_text(str(os.getpid()))
        threading.Event().wait(600)
