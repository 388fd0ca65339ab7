"""Running hypothesis state machines over a StateStore of each kind."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import count
from typing import ClassVar, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine

from nextlabel.server.ports.state_store import StateStore, Transaction
from nextlabel.server.values.ids import ProjectId
from tests.store import values as v

T = TypeVar("T")
MODERATE = settings(
    max_examples=12,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


class StoreMachine(RuleBasedStateMachine):
    """Base: every example works in a new project of a store that all examples share."""

    store: ClassVar[StateStore]
    loop: ClassVar[asyncio.Runner]
    numbers: ClassVar[count[int]] = count()

    def __init__(self) -> None:
        super().__init__()
        self.project = ProjectId(f"p{next(self.numbers)}")
        self.write(v.inserted(v.project(self.project)))

    def write(self, work: Callable[[Transaction], T]) -> T:
        return self.loop.run(self.store.write(work))

    def read(self, work: Callable[[Transaction], T]) -> T:
        return self.loop.run(self.store.read(work))

    def unique(self, prefix: str) -> str:
        return f"{prefix}-{next(self.numbers)}"
