"""Labels of projects whose answers are joined by a model of annotators."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TypeVar

import numpy as np
import pytest

from nextlabel.server.domain.labeling.labels import Labels
from nextlabel.server.domain.labeling.text_learners import TextLearners
from nextlabel.server.domain.pool.pools import Pools
from nextlabel.server.ports.pool_store import NewItems
from nextlabel.server.values.labeling.annotations import Annotation, AnnotatorKind
from nextlabel.server.values.labeling.answers import Answer, Label, Outcome, Provenance
from nextlabel.server.values.limits import Limits
from nextlabel.server.values.pool import ReferenceItem, Segment, Split
from nextlabel.server.values.projects.projects import LabelClass, Project
from tests.memory_store.pool_store import MemoryPoolStore
from tests.memory_store.state_store import MemoryStateStore
from tests.store import values as v

T = TypeVar("T")
ACCURACIES = {"good": 0.95, "poor": 0.55, "bad": 0.55}
ITEMS = 200


class Here:
    """Runs at once, and counts."""

    def __init__(self) -> None:
        self.runs = 0

    async def run(self, work: Callable[[], T]) -> T:
        self.runs += 1
        return work()


PROJECT = replace(v.project(), consensus="auto", classes=(LabelClass("a"), LabelClass("b"), LabelClass("c")))


@pytest.fixture
def truth() -> Sequence[str]:
    return ["abc"[n] for n in np.random.default_rng(0).integers(0, 3, ITEMS)]


def answers(truth: Sequence[str]) -> list[Annotation]:
    rng = np.random.default_rng(1)
    found = []
    for row, label in enumerate(truth):
        for name, accuracy in ACCURACIES.items():
            others = [c for c in "abc" if c != label]
            said = label if rng.random() < accuracy else others[rng.integers(2)]
            found.append(answered(row, name, said))
    return found


def answered(row: int, annotator: str, label: str, *, person: bool = False) -> Annotation:
    kind = AnnotatorKind.HUMAN if person else AnnotatorKind.LLM
    answer = Answer(Outcome.LABEL, Provenance(annotator), body=Label(label))
    return replace(v.annotation(row, annotator), label=label, answer=answer, kind=kind, trusted=person, batch="")


@pytest.fixture
async def store(truth: Sequence[str]) -> MemoryStateStore:
    made = MemoryStateStore()
    await made.write(v.inserted(PROJECT))
    gold = [ReferenceItem(row, f"item-{row}", Split.GOLD, truth[row], row) for row in range(30)]
    await made.write(lambda tx: tx.pool.add_references(PROJECT.id, gold))
    return made


async def add(store: MemoryStateStore, given: Sequence[Annotation]) -> None:
    await store.write(lambda tx: tx.labeling.add_annotations(given))


async def joined(labels: Labels, project: Project = PROJECT) -> dict[int, tuple[str, str, bool]]:
    return {row: (c.label, c.method, c.split) for row, c in (await labels.consensus(project)).items()}


async def test_the_better_annotator_decides_and_whoever_follows_finds_the_same(
    store: MemoryStateStore, truth: Sequence[str]
) -> None:
    following, executor = Labels(store, Limits(), first := Here()), Here()
    given = answers(truth)
    for start in range(0, len(given), 60):
        await add(store, given[start : start + 60])
        await joined(following)
    late = Labels(store, Limits(), executor)
    found = await joined(late)
    assert await joined(following) == found
    assert executor.runs == 1
    assert first.runs < 15
    assert {method for _, method, _ in found.values()} != {"majority"}
    assert np.mean([found[row][0] == label for row, label in enumerate(truth)]) > 0.9
    voting = await joined(Labels(store, Limits(), executor), replace(PROJECT, consensus="majority"))
    assert np.mean([voting[row][0] == label for row, label in enumerate(truth)]) < 0.85


async def test_a_single_answer_more_fits_nothing_and_a_person_outvotes_all(
    store: MemoryStateStore, truth: Sequence[str]
) -> None:
    await add(store, answers(truth))
    labels = Labels(store, Limits(), executor := Here())
    before = await joined(labels)
    other = next(c for c in "abc" if c != before[50][0])
    await add(store, [answered(50, "ann", other, person=True)])
    after = await joined(labels)
    assert executor.runs == 1
    assert after[50][0] == other
    assert {row for row in after if after[row] != before[row]} == {50}


async def test_another_way_holds_at_once_for_whoever_knows_the_older_project(
    store: MemoryStateStore, truth: Sequence[str]
) -> None:
    await add(store, answers(truth))
    labels = Labels(store, Limits(), Here())
    chosen = await joined(labels)
    newer = replace(PROJECT, consensus="majority", updated_at=PROJECT.updated_at + timedelta(seconds=1))
    before = await labels.revision(PROJECT)
    votes = await joined(labels, newer)
    assert votes != chosen
    assert await joined(labels, PROJECT) == votes
    assert await labels.revision(newer) != before


async def test_a_class_that_is_added_is_joined_with_the_others(store: MemoryStateStore, truth: Sequence[str]) -> None:
    await add(store, answers(truth))
    labels = Labels(store, Limits(), Here())
    await joined(labels)
    wider = replace(PROJECT, classes=(*PROJECT.classes, LabelClass("d")))
    await add(store, [answered(500, name, "d") for name in ACCURACIES])
    assert (await joined(labels, wider))[500][0] == "d"
    assert all(len(c.probabilities_C) == 4 for c in (await labels.consensus(wider)).values())


async def learning(store: MemoryStateStore, truth: Sequence[str], embedded: bool) -> MemoryPoolStore:
    """A pool whose texts tell the class in nine cases of ten."""
    arrays, names = MemoryPoolStore(), [f"item-{row}" for row in range(ITEMS)]
    arrays.append_items(PROJECT.id, 0, NewItems(names, names, ["{}"] * ITEMS, np.arange(ITEMS, dtype=np.uint64)))
    told = ["abc".index(label) if n % 10 else n % 3 for n, label in enumerate(truth)]
    vectors = np.eye(3)[told] + np.random.default_rng(2).normal(size=(ITEMS, 3)) * 0.1
    arrays.append_embeddings(PROJECT.id, np.arange(ITEMS), vectors.astype(np.float16))
    segment = Segment(PROJECT.id, 0, ITEMS, embedded, PROJECT.created_at)
    await store.write(lambda tx: tx.pool.add_segment(segment))
    return arrays


async def test_the_learner_has_a_voice_once_texts_are_embedded_and_never_against_a_person(
    store: MemoryStateStore, truth: Sequence[str]
) -> None:
    hearing = replace(PROJECT, consensus="crowdlab")
    pools = Pools(store, await learning(store, truth, embedded=False), Here())
    poor = [one for one in answers(truth) if one.annotator != "good"]
    await add(store, poor)
    labels = Labels(store, Limits(), Here(), TextLearners(pools))
    before = await joined(labels, hearing)
    assert "crowdlab" not in {method for _, method, _ in before.values()}
    await store.write(lambda tx: tx.pool.mark_embedded(PROJECT.id, 0))
    after = await joined(labels, hearing)
    assert {method for _, method, _ in after.values()} == {"crowdlab"}
    assert [np.mean([found[row][0] == label for row, label in enumerate(truth)]) for found in (before, after)] == [
        pytest.approx(0.55, abs=0.1),
        pytest.approx(0.92, abs=0.05),
    ]
    assert await joined(Labels(store, Limits(), Here(), TextLearners(pools)), hearing) == after
    by_people = {row: next(c for c in "abc" if c != after[row][0]) for row in (5, 50)}
    await add(store, [answered(row, "ann", said, person=True) for row, said in by_people.items()])
    assert {row: (await joined(labels, hearing))[row][0] for row in by_people} == by_people
