"""Operators and drivers turn runs in any order; the record obeys the last of them who may."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from nextlabel.server.domain.runs.runs import Runs
from nextlabel.server.values.errors import FailedPrecondition
from nextlabel.server.values.limits import Limits
from nextlabel.server.values.money.costs import Cost
from nextlabel.server.values.projects.projects import Component
from nextlabel.server.values.runs.annotator_options import ReplayOptions
from nextlabel.server.values.runs.events import RunEnded, RunPaused, RunResumed
from nextlabel.server.values.runs.runs import NOT_ENDED, Plateau, RunSpec, RunState, StopReason
from tests.domain.conftest import Desk

LABELS = 10


class PausingMachine(RuleBasedStateMachine):
    """One run, its operators and its drivers."""

    @initialize()
    def start(self) -> None:
        self.desk = desk = Desk()
        self.project = desk.create()
        desk.tx.pool.put_replay_labels(self.project.id, "truth", [("i", "a")])
        self.runs = Runs(
            clock=desk.clock,
            new_id=lambda: "run",
            limits=Limits(),
            budgets=desk.budgets,
            check_annotator=lambda _: None,
            check_strategy=lambda _: None,
            check_advisor=lambda _: None,
        )
        spec = RunSpec(
            ReplayOptions("truth"), Component("random"), 5, 0.0, Cost(labels=LABELS), 0.0, 0.0, Plateau(), 0, 1
        )
        self.runs.start(desk.tx, self.project, spec)
        self.state = RunState.RUNNING
        self.told: list[type] = []

    @rule(pause=st.booleans())
    def turn(self, pause: bool) -> None:
        verb, to, told = (
            (self.runs.pause, RunState.PAUSED, RunPaused) if pause else (self.runs.resume, RunState.RUNNING, RunResumed)
        )
        if self.state in (RunState.RUNNING, RunState.PAUSED):
            assert verb(self.desk.tx, self.project, "run").state is to
            self.told += [told] if self.state is not to else []
            self.state = to
            return
        why = "is being stopped" if self.state is RunState.STOPPING else "has ended"
        with pytest.raises(FailedPrecondition, match=why):
            verb(self.desk.tx, self.project, "run")

    @rule()
    def stop(self) -> None:
        found = self.runs.stop(self.desk.tx, self.project, "run")
        if not self.state.ended:
            self.state = RunState.STOPPING
        assert found.state is self.state

    @rule(reason=st.sampled_from([StopReason.STOPPED, StopReason.BUDGET, StopReason.ERROR]))
    def driver_lets_go(self, reason: StopReason) -> None:
        """A driver was asked to halt some time ago, or has met an end by itself."""
        self.desk.budgets.reserve(self.desk.tx, self.project.id, "run", Cost(labels=1), "labels", "labels/batch")
        ends = self.state is RunState.STOPPING or (self.state is RunState.RUNNING and reason is not StopReason.STOPPED)
        ended = self.runs.end(self.desk.tx, "run", reason, "why")
        if ends:
            self.state = RunState.FAILED if reason is StopReason.ERROR else RunState.FINISHED
            self.told.append(RunEnded)
            assert (ended.stop_reason, ended.message) == (reason, "why")

    @invariant()
    def record_is_as_the_last_one_left_it(self) -> None:
        run = self.desk.tx.runs.get("run")
        assert run is not None
        assert run.state is self.state
        assert (run.ended_at is not None) == (run.stop_reason is not StopReason.NONE) == run.state.ended
        assert (run in self.desk.tx.runs.list(self.project.id, NOT_ENDED)) == (not run.state.ended)
        assert [type(event.happening) for event in self.desk.tx.runs.events("run", 0, 99)] == self.told


PausingMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=12, deadline=None)
TestPausing = PausingMachine.TestCase
