import asyncio
from dataclasses import replace
from functools import partial

import pytest

from nextlabel.server.ports.state_store import StateStore, Transaction
from nextlabel.server.values.errors import Aborted, AlreadyExists
from nextlabel.server.values.ids import ProjectId
from nextlabel.server.values.models import ModelVersion
from nextlabel.server.values.money.costs import Cost
from nextlabel.server.values.projects import Component
from nextlabel.server.values.runs import AnnotatorChoice, Plateau, Run, RunEvent, RunSpec, RunState, StopReason
from tests.store import values as v


def model(version: int) -> ModelVersion:
    evaluation = {"confusion": [[1, 0], [0, 2]], "name": "\u00e9"}
    return ModelVersion(
        v.P,
        version,
        "r",
        1,
        Component("x", {"C": 1.0}),
        {},
        20,
        Cost(20, 5, 7),
        0.25,
        1.5,
        0.5,
        None,
        evaluation,
        v.NOW,
    )


def run(name: str, of: ProjectId = v.P) -> Run:
    spec = RunSpec(
        annotator=AnnotatorChoice("replay", {"noise": 0.1}),
        strategy=Component("margin"),
        batch_size=20,
        audit_share=0.1,
        limit=Cost(200, 0, 0),
        target_accuracy=0.9,
        target_macro_f1=0.0,
        plateau=Plateau(3, 0.01),
        max_rounds=10,
        seed=2**63 + 1,
    )
    return Run(name, of, spec, RunState.RUNNING, StopReason.NONE, "", 0, v.NOW, None)


async def test_model_versions_make_the_learning_curve(store: StateStore) -> None:
    await store.write(v.inserted(v.project()))
    assert await store.read(lambda tx: tx.models.latest(v.P)) is None
    for version in (1, 2, 3):
        await store.write(lambda tx, n=version: tx.models.add(model(n)))  # type: ignore[misc]
    with pytest.raises(AlreadyExists):
        await store.write(lambda tx: tx.models.add(model(2)))
    assert await store.read(lambda tx: tx.models.latest(v.P)) == model(3)
    assert await store.read(lambda tx: tx.models.get(v.P, 2)) == model(2)
    assert await store.read(lambda tx: tx.models.get(v.P, 9)) is None
    assert list(await store.read(lambda tx: tx.models.list(v.P))) == [model(1), model(2), model(3)]
    assert list(await store.read(lambda tx: tx.models.list(v.P, 1, 1))) == [model(2)]


async def test_runs_change_state_and_are_listed_by_it(store: StateStore) -> None:
    await store.write(v.inserted(v.project(), v.project("p2")))
    for each in (run("b"), run("a"), run("c", ProjectId("p2"))):
        await store.write(lambda tx, r=each: tx.runs.add(r))  # type: ignore[misc]
    failed = replace(
        run("b"), state=RunState.FAILED, stop_reason=StopReason.ERROR, message="m", round=2, ended_at=v.at(9)
    )
    await store.write(lambda tx: tx.runs.update(failed))
    assert await store.read(lambda tx: tx.runs.get("b")) == failed
    assert await store.read(lambda tx: tx.runs.get("none")) is None
    assert list(await store.read(lambda tx: tx.runs.list(v.P))) == [failed, run("a")]
    running = await store.read(lambda tx: tx.runs.list(states=[RunState.RUNNING, RunState.STOPPING]))
    assert [r.id for r in running] == ["a", "c"]
    assert list(await store.read(lambda tx: tx.runs.list(v.P, [RunState.FAILED]))) == [failed]
    with pytest.raises(Aborted):
        await store.write(lambda tx: tx.runs.update(run("none")))


async def test_events_of_a_run_are_numbered_without_gaps(store: StateStore) -> None:
    await store.write(v.inserted(v.project()))
    await store.write(lambda tx: tx.runs.add(run("a")))
    event = RunEvent("a", 0, "round", {"round": 1}, v.NOW)
    added = await asyncio.gather(*(store.write(lambda tx: tx.runs.add_event(event)) for _ in range(12)))
    assert sorted(e.number for e in added) == list(range(1, 13))
    stored = await store.read(lambda tx: tx.runs.events("a", 3, 5))
    assert [e.number for e in stored] == [4, 5, 6, 7, 8]
    assert stored[0] == replace(event, number=4)
    with pytest.raises(Aborted):
        await store.write(lambda tx: tx.runs.add_event(replace(event, run="none")))


def add_event(event: RunEvent, tx: Transaction) -> None:
    tx.runs.add_event(event)


async def test_the_last_event_of_a_kind_is_found_among_others(store: StateStore) -> None:
    await store.write(v.inserted(v.project()))
    await store.write(lambda tx: tx.runs.add(run("a")))
    for kind, number in (("round", 1), ("canaries", 2), ("canaries", 3), ("round", 4)):
        event = RunEvent("a", 0, kind, {"of": number}, v.NOW)
        await store.write(partial(add_event, event))
    found = await store.read(lambda tx: tx.runs.last_event("a", "canaries"))
    assert found == RunEvent("a", 3, "canaries", {"of": 3}, v.NOW)
    assert await store.read(lambda tx: tx.runs.last_event("a", "ended")) is None
    assert await store.read(lambda tx: tx.runs.last_event("none", "round")) is None
