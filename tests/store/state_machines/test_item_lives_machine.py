"""Whatever happens, every item of the pool is usefully answered, with somebody, askable, or listed with the reason."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Callable, Coroutine
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from nextlabel.server.compute.threads import Threads
from nextlabel.server.domain.budgets.budgets import Budgets
from nextlabel.server.domain.labeling.known_rows import KnownRows
from nextlabel.server.domain.labeling.labels import Labels
from nextlabel.server.domain.labeling.leases import Leased, Leases
from nextlabel.server.domain.labeling.needs import Asker
from nextlabel.server.domain.labeling.standing import Standings
from nextlabel.server.domain.labeling.submission_checks import Submission
from nextlabel.server.domain.labeling.submissions import Submissions
from nextlabel.server.domain.learning.advice import AdviceSource
from nextlabel.server.domain.learning.described import DescribedClassesSource
from nextlabel.server.domain.learning.learning import Learning
from nextlabel.server.domain.learning.samples import Samples
from nextlabel.server.domain.learning.training_labels.doubts import Doubting
from nextlabel.server.domain.learning.training_labels.label_filters import LabelFilters
from nextlabel.server.domain.learning.training_labels.labeled import LabeledItems
from nextlabel.server.domain.learning.training_labels.twins import Twins
from nextlabel.server.domain.pool.embedding import Embedding
from nextlabel.server.domain.pool.pair_making import PairMaking
from nextlabel.server.domain.pool.pools import Pools
from nextlabel.server.domain.reports.reports import Reports
from nextlabel.server.domain.selection.advised import AdvisedSelection
from nextlabel.server.domain.selection.askable import Askable
from nextlabel.server.domain.selection.known_context import KnownContexts
from nextlabel.server.domain.selection.leasing import Leasing
from nextlabel.server.domain.selection.selector import Query, Selector
from nextlabel.server.ports.difficulties import DifficultySource
from nextlabel.server.ports.pool_store import NewItems
from nextlabel.server.ports.state_store import StateStore, Transaction
from nextlabel.server.values.labeling.annotations import AnnotatorKind
from nextlabel.server.values.labeling.answers import Answer, Label, Outcome, Provenance
from nextlabel.server.values.labeling.batches import Batch, Pick
from nextlabel.server.values.labeling.item_states import ItemState
from nextlabel.server.values.limits import Limits
from nextlabel.server.values.money.costs import Cost
from nextlabel.server.values.pool import Segment
from nextlabel.server.values.projects.projects import Component, LabelClass, Project
from nextlabel.server.values.runs.annotator_options import AnthropicOptions
from nextlabel.server.values.runs.runs import Plateau, Run, RunSpec, RunState, StopReason
from tests.memory_store.pool_store import MemoryPoolStore
from tests.store import values as v
from tests.store.conftest import BACKENDS
from tests.store.machines import StoreMachine

T = TypeVar("T")
ITEMS, CLASSES, DIMENSION = 6, ("a", "b", "c"), 4
LIMITS = Limits(useless_answers=3)
USELESS = (Outcome.REFUSED, Outcome.TRUNCATED, Outcome.INVALID, Outcome.FAILED)
people = st.sampled_from(["ann", "bob", "eve"])
labels = st.sampled_from([Label(name) for name in CLASSES])
models = st.sampled_from(["small", "large"])


class Clock:
    def __init__(self) -> None:
        self.time: datetime = v.NOW

    def now(self) -> datetime:
        self.time += timedelta(milliseconds=1)
        return self.time


class Server:
    """The use cases that an item meets in its life, as a server builds them over its stores."""

    def __init__(
        self, store: StateStore, arrays: MemoryPoolStore, clock: Clock, threads: Threads, folder: Path
    ) -> None:
        numbers = StoreMachine.numbers

        def new_id() -> str:
            return f"id{next(numbers)}"

        self.store = store
        self.pools = Pools(store, arrays, threads)
        self.budgets = Budgets(clock, new_id)
        self.labels = Labels(store, LIMITS, threads)
        self.leases = Leases(clock, new_id, self.budgets, LIMITS)
        self.submissions = Submissions(self.leases)
        self.standings = Standings(store, self.labels, LIMITS)
        self.reports = Reports(store, self.labels, self.standings)
        self.askable = Askable(store, arrays, self.standings, LIMITS)
        embedding: Embedding = None  # type: ignore[assignment]  # all items come with embeddings
        samples = Samples(store, self.pools)
        labeled = LabeledItems(self.pools, self.labels, samples)
        learning = Learning(
            store=store,
            pools=self.pools,
            samples=samples,
            filters=LabelFilters(
                store=store,
                pools=self.pools,
                labeled=labeled,
                doubting=Doubting(labeled, threads),
                twins=Twins(self.pools, threads),
                executor=threads,
            ),
            executor=threads,
            trainings=threads,
            clock=clock,
            budgets=self.budgets,
            models_dir=folder,
            descriptions=DescribedClassesSource(embedding, self.pools),
            advice=AdviceSource(store),
        )
        pairs: PairMaking = None  # type: ignore[assignment]  # no items here are texts to rank
        difficulties: DifficultySource = None  # type: ignore[assignment]  # no strategy here goes by them
        advised: AdvisedSelection = None  # type: ignore[assignment]  # no strategy here asks an LLM
        self.selector = Selector(
            store=store,
            pools=self.pools,
            contexts=KnownContexts(store, self.labels, learning, threads, difficulties),
            askable=self.askable,
            pairs=pairs,
            advised=advised,
            executor=threads,
            clock=clock,
            new_id=new_id,
            limits=LIMITS,
        )
        self.leasing = Leasing(store, self.selector)


class ItemLives(RuleBasedStateMachine):
    """People and runs at work on a small pool, with all that goes wrong."""

    store: ClassVar[StateStore]
    loop: ClassVar[asyncio.Runner]
    threads: ClassVar[Threads]
    folder: ClassVar[Path]

    def __init__(self) -> None:
        super().__init__()
        self.name = f"p{next(StoreMachine.numbers)}"
        self.clock, self.arrays = Clock(), MemoryPoolStore()
        self.project = self._project(overlap=1)
        rows = np.arange(ITEMS, dtype=np.int64)
        ids = [f"item{row}" for row in rows]
        self.arrays.append_items(self.project.id, 0, NewItems(ids, ids, [""] * ITEMS, rows.astype(np.uint64)))
        self.arrays.append_embeddings(self.project.id, rows, np.eye(ITEMS, DIMENSION, dtype=np.float16) + 0.5)

        def fill(tx: Transaction) -> None:
            tx.projects.insert(self.project)
            tx.pool.add_segment(Segment(self.project.id, 0, ITEMS, True, v.NOW))

        self.wait(self.store.write(fill))
        self.restart()
        self.leased: list[Leased] = []
        self.rounds: list[tuple[Run, Batch, list[Pick]]] = []
        self.runs: list[Run] = []
        self.deleted: set[int] = set()

    def _project(self, overlap: int) -> Project:
        known = v.project(self.name)
        return replace(
            known,
            classes=tuple(map(LabelClass, CLASSES)),
            embedding_dimension=DIMENSION,
            strategy=Component("random"),
            audit_share=0.0,
            overlap=overlap,
        )

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run(work)

    @rule()
    def restart(self) -> None:
        self.server = Server(self.store, self.arrays, self.clock, self.threads, self.folder)

    @initialize(overlap=st.integers(1, 2))
    def set_overlap(self, overlap: int) -> None:
        self.project = self._project(overlap)
        self.wait(self.store.write(lambda tx: tx.projects.update(self.project)))

    @rule(count=st.integers(1, ITEMS), seed=st.integers(0, 3))
    def look(self, count: int, seed: int) -> None:
        query = Query(count, Component("random"), 0.0, seed)
        picks = [self.wait(self.server.selector.select(self.project, query))[1] for _ in range(2)]
        assert [p.row for p in picks[0]] == [p.row for p in picks[1]]

    @rule(person=people, count=st.integers(1, ITEMS))
    def lease(self, person: str, count: int) -> None:
        self.leased += filter(None, [self._lease(person, count)])

    def _lease(self, person: str, count: int) -> Leased | None:
        server = self.server
        return self.wait(
            server.leasing.lease(
                self.project, person, count, lambda tx: server.leases.lease(tx, self.project, person, count, 60.0)
            )
        )

    @precondition(lambda self: self.leased)
    @rule(data=st.data())
    def answer_leased(self, data: st.DataObject) -> None:
        lease = data.draw(st.sampled_from(self.leased))
        picks = data.draw(st.lists(st.sampled_from(lease.picks), unique_by=lambda p: p.row, min_size=1))
        self._submit("", lease.lease.id, {p.item_id: data.draw(st.none() | labels) for p in picks})

    @rule(person=people, row=st.integers(0, ITEMS - 1), body=st.none() | labels)
    def answer_directly(self, person: str, row: int, body: Label | None) -> None:
        self._submit(person, "", {f"item{row}": body})

    def _submit(self, person: str, lease: str, bodies: dict[str, Label | None]) -> None:
        known = KnownRows({item: int(item.removeprefix("item")) for item in bodies}, {})
        answers = [Submission(item, body) for item, body in bodies.items()]
        self.wait(
            self.store.write(lambda tx: self.server.submissions.submit(tx, self.project, person, lease, answers, known))
        )

    @precondition(lambda self: self.leased)
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        lease = data.draw(st.sampled_from(self.leased)).lease.id
        self.wait(self.store.write(lambda tx: self.server.leases.release(tx, self.project, lease)))

    @rule(seconds=st.sampled_from([1, 61]))
    def time_passes(self, seconds: int) -> None:
        self.clock.time += timedelta(seconds=seconds)
        self.wait(self.store.write(lambda tx: self.server.leases.expire(tx, None)))

    @rule(row=st.integers(0, ITEMS - 1))
    def delete(self, row: int) -> None:
        if len(self.deleted) < ITEMS - 2:
            self.deleted.add(row)
            at = self.clock.now()
            self.wait(self.server.pools.delete(self.project.id, [f"item{row}"], at))

    @rule(model=models)
    def start_run(self, model: str) -> None:
        choice = AnthropicOptions(model)
        spec = RunSpec(choice, Component("random"), 3, 0.0, Cost(), 0.0, 0.0, Plateau(), 0, 0)
        name = f"run{next(StoreMachine.numbers)}"
        run = Run(name, self.project.id, spec, RunState.RUNNING, StopReason.NONE, "", 1, self.clock.now(), None)
        self.wait(self.store.write(lambda tx: tx.runs.add(run)))
        self.runs.append(run)

    @precondition(lambda self: self.runs)
    @rule(data=st.data(), count=st.integers(1, 4))
    def begin_round(self, data: st.DataObject, count: int) -> None:
        run = data.draw(st.sampled_from(self.runs))
        self.rounds = [entry for entry in self.rounds if entry[0] is not run]
        if found := self._select(run, count):
            self.rounds.append((run, *found))

    def _select(self, run: Run, count: int) -> tuple[Batch, list[Pick]] | None:
        query = Query(count, Component("random"), 0.0, 0, run.id, 1, leasable=False, annotator=run.spec.annotator)
        batch, picks = self.wait(self.server.selector.select(self.project, query))
        return (batch, list(picks)) if picks else None

    @precondition(lambda self: self.rounds)
    @rule(data=st.data())
    def replies_come(self, data: st.DataObject) -> None:
        run, batch, picks = data.draw(st.sampled_from(self.rounds))
        answered = data.draw(st.lists(st.sampled_from(picks), unique_by=lambda p: p.row))
        outcomes = {p.row: data.draw(st.sampled_from(USELESS) | labels) for p in answered}
        self._record(run, batch, [(p, outcomes[p.row]) for p in answered])

    def _record(self, run: Run, batch: Batch, outcomes: list[tuple[Pick, Outcome | Label]]) -> None:
        source = Provenance(run.spec.annotator.name)
        answers = [
            (
                pick.row,
                pick.item_id,
                Answer(Outcome.LABEL, source, body=given)
                if isinstance(given, Label)
                else Answer(given, source, detail="so it is"),
            )
            for pick, given in outcomes
        ]
        self.wait(
            self.store.write(
                lambda tx: self.server.leases.record(
                    tx,
                    self.project,
                    batch,
                    answers,
                    kind=AnnotatorKind.LLM,
                    trusted=False,
                    reservation="",
                )
            )
        )

    @precondition(lambda self: self.runs)
    @rule(data=st.data())
    def end_run(self, data: st.DataObject) -> None:
        self._end(data.draw(st.sampled_from(self.runs)))

    def _end(self, run: Run) -> None:
        ended = replace(run, state=RunState.FINISHED)
        self.wait(self.store.write(lambda tx: tx.runs.update(ended)))
        self.runs.remove(run)
        self.rounds = [entry for entry in self.rounds if entry[0] is not run]

    @invariant()
    def every_item_is_counted_once_and_what_needs_another_answer_says_why(self) -> None:
        counts = self.wait(self.server.reports.pool_counts(self.project))
        assert counts.pool == ITEMS - len(self.deleted) == sum(counts.states.values())
        standing = self.wait(self.server.standings.of(self.project))
        for row in set(range(ITEMS)) - self.deleted:
            state, given = standing.state(row), standing.annotations.get(row, ())
            useful = any(a.outcome.reaches_learner for a in given)
            if state is ItemState.ANSWERED:
                assert useful
            elif given and state not in (ItemState.LEASED, ItemState.ASKED):
                assert standing.needs[row].annotator == given[-1].annotator
            assert bool(given) or row not in standing.needs

    @invariant()
    def nobody_works_on_an_item_beyond_its_overlap(self) -> None:
        def held(tx: Transaction) -> list[int]:
            rows: list[int] = []
            for leased in self.leased:
                lease = tx.labeling.lease(leased.lease.id)
                if lease is not None and lease.state.value == "active":
                    rows += [i.row for i in tx.labeling.lease_items(lease.id) if not i.answered]
            return rows

        rows = self.wait(self.store.read(held))
        assert all(rows.count(row) <= self.project.overlap for row in rows)

    def teardown(self) -> None:
        self.time_passes(61)
        for run in list(self.runs):
            self._end(run)
        self._programs_are_refused_only_what_the_list_explains()
        self._newcomers_can_answer_whatever_is_left()

    def _programs_are_refused_only_what_the_list_explains(self) -> None:
        self.start_run("newest")
        run = self.runs[-1]
        again = self.server.standings
        standing = self.wait(again.of(self.project))
        found = {row for row in standing.needs if row in again.askable(standing, Asker("newest", run.id))}
        picked: set[int] = set()
        while (selected := self._select(run, 2)) is not None:
            picked |= {p.row for p in selected[1]}
            self._record(run, selected[0], [(p, Outcome.REFUSED) for p in selected[1]])
        alive = set(range(ITEMS)) - self.deleted
        fresh = alive - standing.answered - standing.needs.keys()
        assert picked == fresh | (found & alive)
        for row in alive - picked - standing.answered:
            people_differ = row in standing.consensus and standing.consensus[row].trusted
            assert standing.needs[row].given_up or people_differ
        self._end(run)

    def _newcomers_can_answer_whatever_is_left(self) -> None:
        for newcomer in ("fay", "gus", "hal", "ida"):
            while (lease := self._lease(newcomer, ITEMS)) is not None:
                self._submit("", lease.lease.id, {p.item_id: Label("a") for p in lease.picks})
        counts = self.wait(self.server.reports.pool_counts(self.project))
        assert counts.states[ItemState.ANSWERED] == counts.pool, counts


@pytest.mark.parametrize("kind", BACKENDS)
def test_no_item_is_lost_on_its_way_to_an_answer(kind: str, open_store: Callable[[str], StateStore]) -> None:
    with asyncio.Runner() as runner:
        store, threads = open_store(kind), Threads("compute", 1)
        folder = Path(tempfile.mkdtemp())
        extent = settings(max_examples=5 if kind == "postgres" else 40, stateful_step_count=30, deadline=None)
        of = {"store": store, "loop": runner, "threads": threads, "folder": folder}
        try:
            run_state_machine_as_test(type("Machine", (ItemLives,), of), settings=extent)
        finally:
            runner.run(store.close())
            threads.close()
            shutil.rmtree(folder)
