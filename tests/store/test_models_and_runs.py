import asyncio
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from nextlabel.server.ports.state_store import StateStore, Transaction
from nextlabel.server.values.canaries import CanaryTally
from nextlabel.server.values.errors import Aborted, AlreadyExists
from nextlabel.server.values.ids import ProjectId, embeddings_of
from nextlabel.server.values.labeling.answers import Outcome
from nextlabel.server.values.models import ModelVersion
from nextlabel.server.values.money.costs import Cost
from nextlabel.server.values.projects.projects import Component
from nextlabel.server.values.runs.annotator_options import (
    AnnotatorChoice,
    AnthropicOptions,
    DemonstrationSelection,
    HumanOptions,
    LearnerOptions,
    Marking,
    OpenaiCompatibleOptions,
    PromptOptions,
    ReplayOptions,
    RouteMember,
    RouteOptions,
)
from nextlabel.server.values.runs.events import (
    AnnotationProgress,
    BatchSelected,
    CanariesChecked,
    CurvePointAdded,
    GoldReplayed,
    Happening,
    ModelTrained,
    RoundStarted,
    RoutePlanned,
    RouteStepStarted,
    RunEnded,
    RunEvent,
    RunPaused,
    RunResumed,
)
from nextlabel.server.values.runs.runs import Plateau, Run, RunSpec, RunState, StopReason
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


HAPPENINGS: tuple[Happening, ...] = (
    RoundStarted(7),
    BatchSelected("b1", 20, 0.25),
    AnnotationProgress(3, 20, {Outcome.LABEL: 2, Outcome.REFUSED: 1}, Cost(2, 300, 40)),
    ModelTrained(4),
    CurvePointAdded(4),
    CanariesChecked(CanaryTally(honest=1, obeyed=2, tokens=3)),
    GoldReplayed("mini", 100, 0.9, 0.8, True, "said"),
    RoutePlanned((("mini",), ()), (3, 4), 2, "abc", 0.9, 0.8, 0.95, 1_000, {"mini": 200.5}),
    RouteStepStarted("mini", 3, "said"),
    RunPaused(),
    RunResumed(),
    RunEnded(RunState.FINISHED, StopReason.BUDGET, "the labels budget is spent"),
)
PROMPT = PromptOptions(
    DemonstrationSelection.FIXED, 4, variants=3, redact=True, canary_share=0.1, data_marking=Marking.QUOTED
)
CHOICES: tuple[AnnotatorChoice, ...] = (
    ReplayOptions("truth", 0.5, trusted=False, name="noisy"),
    HumanOptions("ann"),
    LearnerOptions(0.5),
    RouteOptions((RouteMember(ReplayOptions("known"), 20), RouteMember(AnthropicOptions("claude"))), 50_000),
    AnthropicOptions("claude", "https://llm.example", PROMPT, "judge"),
    OpenaiCompatibleOptions("llama", prompt=PROMPT, log_probabilities=True),
)


def run(name: str, of: ProjectId = v.P) -> Run:
    spec = RunSpec(
        annotator=ReplayOptions(noise=0.1),
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
    assert await store.read(lambda tx: tx.models.last_version(v.P)) == 3
    of_another = replace(model(4), embedding_version=1)
    await store.write(lambda tx: tx.models.add(of_another))
    assert await store.read(lambda tx: (tx.models.latest(v.P), tx.models.last_version(v.P))) == (model(3), 4)
    assert await store.read(lambda tx: tx.models.latest(embeddings_of(v.P, 1))) == of_another
    assert await store.read(lambda tx: tx.models.get(v.P, 2)) == model(2)
    assert await store.read(lambda tx: tx.models.get(v.P, 9)) is None
    assert list(await store.read(lambda tx: tx.models.list(v.P))) == [model(1), model(2), model(3), of_another]
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
    event = RunEvent("a", 0, 1, RoundStarted(7), v.NOW)
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
    first, newer = CanariesChecked(CanaryTally(honest=1)), CanariesChecked(CanaryTally(honest=2))
    for happening in (RoundStarted(1), first, newer, RoundStarted(4)):
        await store.write(partial(add_event, RunEvent("a", 0, 1, happening, v.NOW)))
    assert await store.read(lambda tx: tx.runs.last("a", CanariesChecked)) == newer
    assert await store.read(lambda tx: tx.runs.last("a", RunEnded)) is None
    assert await store.read(lambda tx: tx.runs.last("none", RoundStarted)) is None


@pytest.mark.parametrize("happening", HAPPENINGS, ids=lambda one: type(one).__name__)
async def test_what_happens_in_a_run_is_read_as_it_was_noted(store: StateStore, happening: Happening) -> None:
    await store.write(v.inserted(v.project()))
    await store.write(lambda tx: tx.runs.add(run("a")))
    await store.write(partial(add_event, RunEvent("a", 0, 3, happening, v.NOW)))
    assert await store.read(lambda tx: tx.runs.events("a", 0, 9)) == [RunEvent("a", 1, 3, happening, v.NOW)]


@pytest.mark.parametrize("choice", CHOICES, ids=lambda one: type(one).__name__)
async def test_the_options_of_every_annotator_are_read_as_they_were_stored(
    store: StateStore, choice: AnnotatorChoice
) -> None:
    await store.write(v.inserted(v.project()))
    stored = replace(run("a"), spec=replace(run("a").spec, annotator=choice))
    await store.write(lambda tx: tx.runs.add(stored))
    assert await store.read(lambda tx: tx.runs.get("a")) == stored


async def test_a_run_keeps_sets_of_rows_by_name(store: StateStore) -> None:
    await store.write(v.inserted(v.project()))
    await store.write(lambda tx: tx.runs.add(run("a")))
    for name, rows in (("some", [0, 7, 8, 1_000_000]), ("none", []), ("some", [3])):
        kept = np.array(rows, np.int64)
        await store.write(lambda tx, n=name, r=kept: tx.runs.put_rows("a", n, r))  # type: ignore[misc]
        read = await store.read(lambda tx, n=name: tx.runs.rows("a", n))  # type: ignore[misc]
        assert read is not None
        assert read.tolist() == rows
    assert await store.read(lambda tx: tx.runs.rows("a", "other")) is None
    assert await store.read(lambda tx: tx.runs.rows("b", "some")) is None
