"""A project that is deleted while somebody works on it is gone: nothing of it stays, and nobody is told of damage."""

import asyncio
import errno
import shutil
import threading

import pytest

from nextlabel.server.domain.learning import learning
from nextlabel.server.domain.learning.types import single_label
from nextlabel.server.values.errors import DomainError, NotFound
from tests.domain.service import CLASSES

IDS = [f"i{n}" for n in range(30)]


async def delete(service, project):
    await service.parts.base.store.write(lambda tx: service.parts.projects.projects.delete(tx, project.name))
    await service.parts.upkeep.removal.drop(project.id)


def first_deleted(service, project, work):
    """Have the project deleted, on the event loop, when a thread begins some work."""
    loop = asyncio.get_running_loop()

    def deleting(*given, **named):
        asyncio.run_coroutine_threadsafe(delete(service, project), loop).result()
        return work(*given, **named)

    return deleting


async def left_over(service, project):
    for work in ("ingest", "embed", "train"):
        async with service.parts.base.store.held(f"{work}/{project.id}"):
            pass  # who was at work has been told of the deletion, and may yet have to let go
    await service.parts.upkeep.removal.drop_left_over()
    assert await service.parts.base.store.read(lambda tx: tx.projects.undropped()) == []
    directory = service.parts.base.settings.data_dir
    return [str(path) for path in directory.rglob("*") if project.id in str(path)]


async def labeled(service):
    project = await service.create()
    await service.add(project, IDS)
    await service.label(project, {item: CLASSES[n % 3] for n, item in enumerate(IDS)})
    return project


@pytest.mark.parametrize(("module", "work"), [(single_label, "train"), (learning, "save_model")])
async def test_a_training_beside_a_deletion_is_told_so_and_leaves_no_model(service, monkeypatch, module, work):
    project = await labeled(service)
    monkeypatch.setattr(module, work, first_deleted(service, project, getattr(module, work)))
    with pytest.raises(NotFound, match="deleted meanwhile"):
        await service.parts.learning.learning.train(project)
    assert await left_over(service, project) == []


async def test_an_upload_beside_a_deletion_is_told_so_and_leaves_no_text(service, monkeypatch):
    project = await labeled(service)
    arrays = service.parts.pool.pools.arrays
    monkeypatch.setattr(arrays, "append_items", first_deleted(service, project, arrays.append_items))
    with pytest.raises(NotFound, match="deleted meanwhile"):
        await service.add(project, ["new"], upload="beside")
    assert await left_over(service, project) == []


async def test_an_upload_that_was_queued_before_a_deletion_is_told_so(service):
    project = await labeled(service)
    await delete(service, project)
    with pytest.raises(NotFound, match="deleted meanwhile"):
        await service.add(project, ["new"], upload="after")
    assert await left_over(service, project) == []


async def test_files_stay_to_be_removed_as_long_as_somebody_works_on_the_project(service):
    project = await labeled(service)
    await service.parts.learning.learning.train(project)
    async with service.parts.base.store.exclusive(f"train/{project.id}"):
        await delete(service, project)
        await service.parts.upkeep.removal.drop_left_over()
        assert await service.parts.base.store.read(lambda tx: tx.projects.undropped()) == [project.id]
    assert await left_over(service, project) == []


@pytest.mark.parametrize("left", ["models", "pools"])
async def test_files_that_cannot_be_removed_are_removed_later_and_never_taken_for_gone(service, monkeypatch, left):
    project = await labeled(service)
    await service.parts.learning.learning.train(project)
    remove = shutil.rmtree

    def refusing(folder, ignore_errors=False):
        if f"/{left}/" not in f"{folder}/":
            remove(folder, ignore_errors)
        elif not ignore_errors:
            raise OSError(errno.EMFILE, "Too many open files", str(folder))

    with monkeypatch.context() as failing:
        failing.setattr(shutil, "rmtree", refusing)
        await delete(service, project)
        with pytest.raises(OSError, match="Too many open files"):
            await service.parts.upkeep.removal.drop_left_over()
    assert await service.parts.base.store.read(lambda tx: tx.projects.undropped()) == [project.id]
    assert await left_over(service, project) == []


async def test_who_waits_for_an_upload_that_failed_meets_nothing_of_it(service, monkeypatch):
    """Texts cannot be appended; their embeddings, which are appended at the same time, are not left behind at it."""
    project = await service.create()
    arrays, held, over = service.parts.pool.pools.arrays, threading.Event(), threading.Event()
    append = arrays.append_embeddings

    def failing(*_):
        held.set()
        raise OSError(errno.EIO, "no disk")

    def slow(*given):
        held.wait()
        append(*given)
        over.set()

    monkeypatch.setattr(arrays, "append_items", failing)
    monkeypatch.setattr(arrays, "append_embeddings", slow)
    with pytest.raises(DomainError):
        await service.add(project, IDS)
    assert over.is_set()
