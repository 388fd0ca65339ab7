from dataclasses import replace

import pytest

from nextlabel.server.ports.state_store import StateStore, Transaction
from nextlabel.server.values.errors import Aborted
from nextlabel.server.values.ids import ProjectId
from nextlabel.server.values.pool import ReferenceItem, Segment, Split
from tests.store import values as v

OTHER = ProjectId("p2")


@pytest.fixture
async def pooled(store: StateStore) -> StateStore:
    """A store with two projects."""
    await store.write(v.inserted(v.project("p1"), v.project("p2")))
    return store


def segment(first: int, count: int, *, embedded: bool = False, of: ProjectId = v.P) -> Segment:
    return Segment(of, first, count, embedded, v.NOW)


async def test_committed_rows_follow_the_segments(pooled: StateStore) -> None:
    assert await pooled.read(lambda tx: tx.pool.committed_rows(v.P)) == 0
    segments = [segment(0, 10), segment(10, 5, embedded=True), segment(15, 1)]

    def add(tx: Transaction) -> None:
        tx.pool.lock(v.P)
        for each in segments:
            tx.pool.add_segment(each)
        tx.pool.add_segment(segment(0, 99, of=OTHER))

    await pooled.write(add)
    assert await pooled.read(lambda tx: tx.pool.committed_rows(v.P)) == 16
    assert list(await pooled.read(lambda tx: tx.pool.segments(v.P))) == segments
    assert list(await pooled.read(lambda tx: tx.pool.segments(v.P, embedded=True))) == segments[1:2]
    await pooled.write(lambda tx: tx.pool.mark_embedded(v.P, 0))
    pending = await pooled.read(lambda tx: tx.pool.segments(v.P, embedded=False))
    assert list(pending) == [segments[2]]
    assert (await pooled.read(lambda tx: tx.pool.segments(v.P)))[0] == replace(segments[0], embedded=True)
    assert await pooled.read(lambda tx: tx.pool.awaiting()) == {v.P: 1, OTHER: 99}
    with pytest.raises(Aborted):
        await pooled.write(lambda tx: tx.pool.mark_embedded(v.P, 3))
    # Another model has embedded the first two.
    await pooled.write(lambda tx: tx.pool.embedded_up_to(v.P, 15))
    assert [s.embedded for s in await pooled.read(lambda tx: tx.pool.segments(v.P))] == [True, True, False]
    assert [s.embedded for s in await pooled.read(lambda tx: tx.pool.segments(OTHER))] == [False]


async def test_a_row_range_is_committed_once(pooled: StateStore) -> None:
    await pooled.write(lambda tx: tx.pool.add_segment(segment(0, 10)))
    with pytest.raises(Aborted):
        await pooled.write(lambda tx: tx.pool.add_segment(segment(0, 3)))
    assert await pooled.read(lambda tx: tx.pool.committed_rows(v.P)) == 10


async def test_uploads_resume_after_the_last_acknowledged_sequence(pooled: StateStore) -> None:
    for sequence in (1, 7):
        await pooled.write(lambda tx, s=sequence: tx.pool.acknowledge(v.P, "u1", s, v.NOW))  # type: ignore[misc]
    assert await pooled.read(lambda tx: tx.pool.acknowledged(v.P, "u1")) == 7
    assert await pooled.read(lambda tx: tx.pool.acknowledged(v.P, "u2")) == 0
    assert await pooled.read(lambda tx: tx.pool.acknowledged(OTHER, "u1")) == 0


async def test_references_are_read_by_split_and_forgotten_with_their_row(pooled: StateStore) -> None:
    gold = ReferenceItem(9, "g", Split.GOLD, "a", 2**64 - 1)
    holdout = ReferenceItem(2, "h", Split.HOLDOUT, "b", 2**63)
    await pooled.write(lambda tx: tx.pool.add_references(v.P, [gold, holdout]))
    assert list(await pooled.read(lambda tx: tx.pool.references(v.P))) == [holdout, gold]
    assert list(await pooled.read(lambda tx: tx.pool.references(v.P, Split.GOLD))) == [gold]
    await pooled.write(lambda tx: tx.pool.delete_rows(v.P, [9, 4, 4], v.NOW))
    await pooled.write(lambda tx: tx.pool.delete_rows(v.P, [4, 1], v.at(9)))
    assert list(await pooled.read(lambda tx: tx.pool.references(v.P))) == [holdout]
    assert list(await pooled.read(lambda tx: tx.pool.deleted_rows(v.P))) == [1, 4, 9]
    assert list(await pooled.read(lambda tx: tx.pool.deleted_rows(v.P, [9, 2, 1]))) == [1, 9]
    assert list(await pooled.read(lambda tx: tx.pool.deleted_rows(OTHER))) == []


async def test_deletions_are_followed_by_their_numbers(pooled: StateStore) -> None:
    assert await pooled.read(lambda tx: tx.pool.last_deletion(v.P)) == 0
    await pooled.write(lambda tx: tx.pool.delete_rows(v.P, [4, 9], v.NOW))
    first = await pooled.read(lambda tx: tx.pool.last_deletion(v.P))
    await pooled.write(lambda tx: tx.pool.delete_rows(v.P, [4, 1], v.NOW))
    second = await pooled.read(lambda tx: tx.pool.last_deletion(v.P))
    assert 0 < first < second
    assert list(await pooled.read(lambda tx: tx.pool.deleted_after(v.P, first))) == [1]
    assert list(await pooled.read(lambda tx: tx.pool.deleted_after(v.P, second))) == []
    assert await pooled.read(lambda tx: tx.pool.last_deletion(OTHER)) == 0


async def test_replay_labels_are_sets_of_their_own(pooled: StateStore) -> None:
    await pooled.write(lambda tx: tx.pool.put_replay_labels(v.P, "s1", [("i1", "a"), ("i2", "b"), ("i1", "c")]))
    await pooled.write(lambda tx: tx.pool.put_replay_labels(v.P, "s2", [("i1", "z")]))
    assert await pooled.read(lambda tx: tx.pool.replay_labels(v.P, "s1")) == {"i1": "c", "i2": "b"}
    assert await pooled.read(lambda tx: tx.pool.replay_labels(v.P, "s1", ["i2", "i3"])) == {"i2": "b"}
    assert await pooled.read(lambda tx: tx.pool.replay_labels(v.P, "s3")) == {}
    assert list(await pooled.read(lambda tx: tx.pool.replay_sets(v.P))) == ["s1", "s2"]
    assert list(await pooled.read(lambda tx: tx.pool.replay_sets(ProjectId("p2")))) == []
