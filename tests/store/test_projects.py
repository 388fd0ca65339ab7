from dataclasses import replace
from functools import partial

import pytest

from nextlabel.server.ports.state_store import StateStore, Transaction
from nextlabel.server.ports.tables import projects as tables
from nextlabel.server.values.errors import Aborted, AlreadyExists
from nextlabel.server.values.ids import ProjectId
from nextlabel.server.values.money.costs import Cost
from nextlabel.server.values.projects.guidelines import GuidelinesEffect, GuidelinesStatus, GuidelinesVersion
from nextlabel.server.values.projects.re_embedding import ReEmbedding, ReEmbeddingState
from tests.store import values as v


async def test_project_comes_back_as_it_was_stored(store: StateStore) -> None:
    await store.write(lambda tx: tx.projects.insert(v.project()))
    assert await store.read(lambda tx: tx.projects.by_name("name of p1")) == v.project()
    assert await store.read(lambda tx: tx.projects.by_id(v.P)) == v.project()
    assert await store.read(lambda tx: tx.projects.by_name("other")) is None


async def test_a_name_is_taken_once(store: StateStore) -> None:
    await store.write(lambda tx: tx.projects.insert(v.project("p1", "n")))
    with pytest.raises(AlreadyExists):
        await store.write(lambda tx: tx.projects.insert(v.project("p2", "n")))


async def test_update_replaces_everything_but_id_and_name(store: StateStore) -> None:
    await store.write(lambda tx: tx.projects.insert(v.project()))
    changed = replace(v.project(), name="ignored", overlap=3, show_suggestions=False, updated_at=v.at(5))
    await store.write(lambda tx: tx.projects.update(changed))
    expected = replace(changed, name="name of p1")
    assert await store.read(lambda tx: tx.projects.by_name("name of p1")) == expected
    with pytest.raises(Aborted):
        await store.write(lambda tx: tx.projects.update(v.project("gone")))


async def test_another_model_takes_over_with_embeddings_of_its_own(store: StateStore) -> None:
    await store.write(lambda tx: tx.projects.insert(v.project()))
    changed = replace(
        v.project(),
        embedding_model="new",
        embedding_dimension=8,
        embedding_version=2,
        embedding_fingerprint="ab12",
        updated_at=v.at(5),
    )
    # What changes anything else must not bring the former model back.
    await store.write(lambda tx: tx.projects.update(replace(changed, updated_at=v.NOW)))
    assert await store.read(lambda tx: tx.projects.by_id(v.P)) == v.project()
    await store.write(lambda tx: tx.projects.use_embeddings(replace(changed, overlap=3)))
    assert await store.read(lambda tx: tx.projects.by_id(v.P)) == changed


async def test_how_far_another_model_is_goes_with_its_project(store: StateStore) -> None:
    await store.write(lambda tx: tx.projects.insert(v.project()))
    began = ReEmbedding(v.P, 1, "new", 8, 0, ReEmbeddingState.UNDERWAY, v.NOW)
    further = replace(began, embedding_fingerprint="ab12", next_row=9, state=ReEmbeddingState.DONE, changed_at=v.at(5))
    for found in (began, further):
        await store.write(lambda tx, one=found: tx.projects.put_re_embedding(one))  # type: ignore[misc]
        assert await store.read(lambda tx: tx.projects.re_embedding(v.P)) == found
    assert await store.read(lambda tx: list(tx.projects.re_embeddings())) == [further]
    await store.write(lambda tx: tx.projects.delete(v.P, v.NOW))
    assert await store.read(lambda tx: list(tx.projects.re_embeddings())) == []


async def test_projects_are_listed_in_pages_by_name(store: StateStore) -> None:
    for name in ("c", "a", "b", "B", "\u00e9"):
        await store.write(v.inserted(v.project(f"id-{name}", name)))
    names = await store.read(lambda tx: [p.name for p in tx.projects.list("", 3)])
    assert names == ["B", "a", "b"]
    assert await store.read(lambda tx: [p.name for p in tx.projects.list("b", 3)]) == ["c", "\u00e9"]


async def test_guidelines_versions_keep_their_text(store: StateStore) -> None:
    first = GuidelinesVersion(v.P, 1, "text", GuidelinesStatus.ACCEPTED, "me", "", v.NOW)
    effect = GuidelinesEffect(50, 0.7, 0.8, -0.02, 0.21, Cost(tokens=900, micro_usd=1_200))
    second = GuidelinesVersion(
        v.P, 2, "more", GuidelinesStatus.PROPOSED, "llm", "why", v.NOW, base_version=1, effect=effect
    )
    await store.write(lambda tx: tx.projects.insert(v.project()))
    await store.write(lambda tx: tx.projects.add_guidelines(second))
    await store.write(lambda tx: tx.projects.add_guidelines(first))
    with pytest.raises(AlreadyExists):
        await store.write(lambda tx: tx.projects.add_guidelines(first))
    accepted = replace(second, text="ignored", status=GuidelinesStatus.ACCEPTED)
    await store.write(lambda tx: tx.projects.set_guidelines_status(accepted))
    expected = [first, replace(second, status=GuidelinesStatus.ACCEPTED)]
    assert list(await store.read(lambda tx: tx.projects.guidelines(v.P))) == expected


def fill(tx: Transaction, project: ProjectId) -> None:
    """Give a project one of everything that can belong to it."""
    tx.projects.insert(v.project(project))
    tx.projects.add_guidelines(GuidelinesVersion(project, 1, "t", GuidelinesStatus.ACCEPTED, "me", "", v.NOW))
    tx.pool.acknowledge(project, "u", 4, v.NOW)
    tx.pool.delete_rows(project, [3], v.NOW)
    tx.pool.put_replay_labels(project, "set", [("i", "a")])
    tx.labeling.add_batch(v.batch(f"b-{project}", project), [v.pick(1, f"b-{project}")])
    tx.labeling.add_lease(v.lease(f"l-{project}", of=project), [v.lease_item(1, f"l-{project}", f"b-{project}")])
    tx.labeling.add_annotations([v.annotation(1, of=project)])
    tx.budgets.add_reservation(v.reservation(f"r-{project}", "k", project))


def remains(tx: Transaction, project: ProjectId) -> list[bool]:
    return [
        bool(tx.projects.guidelines(project)),
        bool(tx.pool.acknowledged(project, "u")),
        bool(tx.pool.deleted_rows(project)),
        bool(tx.pool.replay_labels(project, "set")),
        bool(tx.labeling.batches(project)),
        bool(tx.labeling.picks(f"b-{project}")),
        bool(tx.labeling.lease_items(f"l-{project}")),
        bool(tx.labeling.active_leases(project)),
        bool(tx.labeling.annotations(project)),
        bool(tx.budgets.open_reservations(project)),
    ]


async def test_deleting_a_project_removes_all_of_it_and_nothing_else(store: StateStore) -> None:
    gone, kept = ProjectId("gone"), ProjectId("kept")
    for project in (gone, kept):
        await store.write(partial(fill, project=project))
    assert all(await store.read(lambda tx: remains(tx, gone)))
    await store.write(lambda tx: tx.projects.delete(gone, v.NOW))
    assert not any(await store.read(lambda tx: remains(tx, gone)))
    assert all(await store.read(lambda tx: remains(tx, kept)))


async def test_the_ledger_of_a_deleted_project_stays_and_is_not_inherited(store: StateStore) -> None:
    def book(tx: Transaction, project: str) -> None:
        tx.projects.insert(v.project(project, "news"))
        tx.budgets.append(v.entry(ProjectId(project)))

    for project in ("first", "second"):
        await store.write(partial(book, project=project))
        await store.write(lambda tx, of=project: tx.projects.delete(ProjectId(of), v.NOW))  # type: ignore[misc]
    await store.write(v.inserted(v.project("third", "news"), v.project("other")))
    assert list(await store.read(lambda tx: tx.projects.deleted("news"))) == ["first", "second"]
    assert list(await store.read(lambda tx: tx.projects.deleted("name of other"))) == []
    for project, lines in (("first", 1), ("second", 1), ("third", 0)):
        found = await store.read(lambda tx, of=project: tx.budgets.entries(ProjectId(of)))  # type: ignore[misc]
        assert [e.project for e in found] == [project] * lines


async def test_deleted_projects_wait_until_they_are_dropped(store: StateStore) -> None:
    await store.write(v.inserted(v.project("p1"), v.project("p2"), v.project("p3")))
    for project in ("p2", "p1"):
        await store.write(lambda tx, of=project: tx.projects.delete(ProjectId(of), v.NOW))  # type: ignore[misc]
    assert list(await store.read(lambda tx: tx.projects.undropped())) == ["p2", "p1"]
    await store.write(lambda tx: tx.projects.mark_dropped(ProjectId("p2")))
    assert list(await store.read(lambda tx: tx.projects.undropped())) == ["p1"]
    assert list(await store.read(lambda tx: tx.projects.deleted("name of p2"))) == ["p2"]


async def test_nothing_can_be_added_to_a_project_that_is_gone(store: StateStore) -> None:
    for add in (
        lambda tx: tx.pool.acknowledge(v.P, "u", 1, v.NOW),
        lambda tx: tx.labeling.add_batch(v.batch(), []),
        lambda tx: tx.labeling.add_annotations([v.annotation(1)]),
        lambda tx: tx.budgets.add_reservation(v.reservation()),
    ):
        with pytest.raises(Aborted):
            await store.write(add)


async def test_every_project_is_found_however_many_pages_they_fill(
    store: StateStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "_PAGE", 2)
    await store.write(v.inserted(*(v.project(f"p{n}") for n in range(5))))
    assert [p.id for p in await store.read(lambda tx: list(tx.projects.every()))] == [f"p{n}" for n in range(5)]
