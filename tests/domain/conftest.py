from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import pytest

from nextlabel.server.domain.budgets.budgets import Budgets
from nextlabel.server.domain.labeling.leases import Leases
from nextlabel.server.domain.labeling.submissions import Submissions
from nextlabel.server.domain.projects.projects import NewProject, Projects
from nextlabel.server.values.labeling.batches import Batch, Pick
from nextlabel.server.values.limits import Limits
from nextlabel.server.values.money.costs import Cost
from nextlabel.server.values.projects.projects import Component, LabelClass, Project
from nextlabel.server.values.runs.annotator_options import AnthropicOptions
from nextlabel.server.values.runs.runs import Plateau, Run, RunSpec, RunState, StopReason
from tests.domain.service import Service
from tests.memory_store.contents import Contents
from tests.memory_store.state_store import MemoryTransaction


class FakeClock:
    def __init__(self) -> None:
        self.time = datetime(2026, 1, 1, 12, tzinfo=UTC)

    def now(self) -> datetime:
        return self.time

    def advance(self, **amount: float) -> None:
        self.time += timedelta(**amount)


class Desk:
    """The domain's units of work over one in-memory transaction, with a project in it."""

    def __init__(self) -> None:
        numbers = count(1)

        def new_id() -> str:
            return f"id{next(numbers)}"

        self.clock = FakeClock()
        self.tx = MemoryTransaction(Contents())
        self.budgets = Budgets(self.clock, new_id)
        self.labeling = Leases(self.clock, new_id, self.budgets, Limits())
        self.submissions = Submissions(self.labeling)
        self.projects = Projects(
            clock=self.clock,
            new_id=new_id,
            limits=Limits(),
            budgets=self.budgets,
            check_learner=lambda project: None,
            check_strategy=lambda _: None,
        )

    def create(self, name: str = "news", **changes: object) -> Project:
        new = NewProject(
            name=name,
            classes=[LabelClass("a"), LabelClass("b"), LabelClass("c")],
            embedding_model="mini",
            embedding_dimension=4,
        )
        for key, value in changes.items():
            object.__setattr__(new, key, value)
        return self.projects.create(self.tx, new)

    def add_batch(self, project: Project, rows: range, run: str = "", batch: str = "") -> Batch:
        batch_id = batch or f"batch-{rows.start}"
        stored = Batch(batch_id, project.id, Component("random"), self.clock.now(), run, 1, pool_rows=100)
        picks = [Pick(batch_id, i, row, f"item{row}", 0.0) for i, row in enumerate(rows)]
        self.tx.labeling.add_batch(stored, picks)
        return stored

    def add_run(self, project: Project, run: str = "run", state: RunState = RunState.RUNNING) -> None:
        spec = RunSpec(AnthropicOptions(), Component("random"), 5, 0.0, Cost(), 0.0, 0.0, Plateau(), 0, 0)
        self.tx.runs.add(Run(run, project.id, spec, state, StopReason.NONE, "", 1, self.clock.now(), None))


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
async def service(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Service]:
    """A server of its own, in tests marked as `started` with its background work."""
    opened = Service(tmp_path)
    if request.node.get_closest_marker("started"):
        opened.parts.start()
    yield opened
    await opened.close()
